"""HTTP connections to a provider that stay open between its messages."""

from __future__ import annotations

import asyncio
import math
import re
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

_LONGEST_ANSWER: Final = 65_536
_KEEP_ALIVE_SECONDS: Final = 5.0  # shorter than servers keep theirs: a request must not meet a closing connection

LONGEST_WAIT: Final = timedelta(hours=48)
"""No mail lives longer, so no wish to wait counts for more."""
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)

NOTHING_WAS_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
"""What an exchange raises when the provider heard nothing of it; any other `httpx.TransportError` leaves it open."""
_STEPS: Final = 3  # connecting, TLS and the answer each have the time-out; together they have this many


@dataclass(frozen=True, slots=True, repr=False)
class HttpAnswer:
    """A status, headers, and as much of the body as a provider has reason to send."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def sent_at(self) -> datetime | None:
        """When the provider answered, by its own clock."""
        return _moment(self.headers.get("date", ""))


class KeptConnections:
    """As many connections as there are calls at the same time, each with a transport of its own.

    One pool of 64 connections costs httpx five times the work per call.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = httpx.Timeout(timeout_seconds).as_dict()
        self._longest = _STEPS * timeout_seconds
        self._tls = ssl.create_default_context()
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def exchange(
        self, method: str, url: httpx.URL, headers: Sequence[tuple[bytes, bytes]], content: bytes
    ) -> HttpAnswer:
        """Send one request and read its answer. Raises `httpx.TransportError`."""
        extensions = {"timeout": self._timeout}
        request = httpx.Request(method, url, headers=headers, content=content, extensions=extensions)
        try:
            async with self._transport() as transport, asyncio.timeout(self._longest):
                return await _answered(transport, request)
        except TimeoutError:
            raise httpx.ReadTimeout("the answer came too slowly", request=request) from None

    async def close(self) -> None:
        """Let go of connections."""
        while self._idle:
            await self._idle.pop().aclose()

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


async def _answered(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> HttpAnswer:
    response = await transport.handle_async_request(request)
    try:
        return HttpAnswer(response.status_code, response.headers, await _read(response))
    finally:
        await response.aclose()


def retry_after(answer: HttpAnswer, now: datetime | None) -> timedelta | None:
    """How long the header asks us to wait, in whole seconds; None when it asks for nothing. Source: spec 09, 3.5.

    Without `now` (UTC) only a number of seconds is understood.
    """
    text = answer.headers.get("retry-after", "").strip()
    if _DIGITS.fullmatch(text):
        return bounded_wait(int(text))
    until = _moment(text)
    return None if until is None or now is None else bounded_wait(math.ceil((until - now).total_seconds()))


def bounded_wait(seconds: int) -> timedelta | None:
    """That many seconds, but no longer than makes sense; None for none."""
    return min(timedelta(seconds=min(seconds, 10**9)), LONGEST_WAIT) if seconds > 0 else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _read(response: httpx.Response) -> bytes:
    """The body; of a refusal whose body is cut off, what the status says is enough."""
    body = b""
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _LONGEST_ANSWER:
                break
    except httpx.TransportError:
        if response.is_success:
            raise
        return b""
    return body
