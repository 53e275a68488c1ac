"""SMS through LINK Mobility's XML gateway, one message per request (spec 10, 3 to 5)."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx
import structlog

from altinn_notifications.channels.protocol import Deferred, Scope, Unknown
from altinn_notifications.channels.sms.gateway_xml import (
    head,
    message,
    outcome_of_answer,
    validity_minutes,
)
from altinn_notifications.channels.sms.segments import without_control_characters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.channels.protocol import Outcome, OutgoingSms
    from altinn_notifications.settings import SmsSettings

log = structlog.get_logger()

_LONGEST_ANSWER: Final = 65_536
_KEEP_ALIVE_SECONDS: Final = 5.0  # shorter than servers keep theirs: a request must not meet a closing connection
_NOTHING_WAS_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
_STEPS: Final = 3  # connecting, TLS and the answer each have the time-out of the settings; together they have this many


class LinkProvider:
    """Hands SMS to the gateway over connections that stay open; as many as there are calls at the same time.

    Each connection has a transport of its own: one pool of 64 connections costs httpx five times the work per call.
    """

    name = "link"

    def __init__(self, settings: SmsSettings) -> None:
        self._settings = settings
        self._url = httpx.URL(settings.gateway_endpoint)
        self._headers = [(b"Host", self._url.netloc), (b"Content-Type", b"text/xml; charset=utf-8")]
        self._timeout = httpx.Timeout(settings.gateway_timeout_seconds).as_dict()
        self._tls = ssl.create_default_context()
        self._head = head(settings.gateway_username, settings.gateway_password.get_secret_value())
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def send(self, sms: OutgoingSms) -> Outcome:
        """Hand one SMS over. The reference is the gateway's, if the account has references."""
        if without_control_characters(sms.body) != sms.body:
            log.warning("sms_control_characters_removed", notification_id=sms.notification_id)
        return await self._post(self._head + self._message(sms))

    async def close(self) -> None:
        """Let go of connections."""
        while self._idle:
            await self._idle.pop().aclose()

    def _message(self, sms: OutgoingSms) -> bytes:
        minutes, unicode_when_needed = validity_minutes(sms.validity), self._settings.unicode_when_needed
        return message(
            sms.sender, sms.mobile_number, sms.body, minutes=minutes, unicode_when_needed=unicode_when_needed
        )

    async def _post(self, document: bytes) -> Outcome:
        try:
            async with self._transport() as transport, asyncio.timeout(_STEPS * self._settings.gateway_timeout_seconds):
                return outcome_of_answer(*await self._exchange(transport, document))
        except _NOTHING_WAS_SENT:
            return Deferred(Scope.MESSAGE, "the gateway is not reachable")
        except (httpx.TimeoutException, TimeoutError):
            return Unknown("no answer from the gateway in time")
        except httpx.TransportError:
            return Unknown("the connection to the gateway was lost")

    async def _exchange(self, transport: httpx.AsyncHTTPTransport, document: bytes) -> tuple[int, bytes]:
        extensions = {"timeout": self._timeout}
        request = httpx.Request("POST", self._url, headers=self._headers, content=document, extensions=extensions)
        response = await transport.handle_async_request(request)
        try:
            return response.status_code, await _read(response)
        except httpx.TransportError:
            if response.is_success:
                raise
            return response.status_code, b""  # what the status says is enough
        finally:
            await response.aclose()

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        transport = self._idle.pop() if self._idle else self._new_transport()
        try:
            yield transport
        except BaseException:
            await transport.aclose()
            raise
        self._idle.append(transport)

    def _new_transport(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=self._tls, limits=httpx.Limits(max_connections=1, keepalive_expiry=_KEEP_ALIVE_SECONDS)
        )


async def _read(response: httpx.Response) -> bytes:
    """The body, or as much of it as a gateway has reason to send."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            break
    return body
