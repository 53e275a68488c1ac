"""SMS through LINK Mobility's XML gateway, one message per request (spec 10, 3 to 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import structlog

from altinn_notifications.channels.connections import NOTHING_WAS_SENT, KeptConnections, retry_after
from altinn_notifications.channels.protocol import Deferred, Scope, Unknown
from altinn_notifications.channels.sms.gateway_xml import (
    head,
    message,
    outcome_of_answer,
    validity_minutes,
)
from altinn_notifications.channels.sms.segments import without_control_characters

if TYPE_CHECKING:
    from altinn_notifications.channels.protocol import Outcome, OutgoingSms
    from altinn_notifications.settings import SmsSettings

log = structlog.get_logger()


class LinkProvider:
    """Hands SMS to the gateway over connections that stay open."""

    name = "link"

    def __init__(self, settings: SmsSettings) -> None:
        self._settings = settings
        self._url = httpx.URL(settings.gateway_endpoint)
        self._headers = [(b"Host", self._url.netloc), (b"Content-Type", b"text/xml; charset=utf-8")]
        self._head = head(settings.gateway_username, settings.gateway_password.get_secret_value())
        self._connections = KeptConnections(settings.gateway_timeout_seconds)

    async def send(self, sms: OutgoingSms) -> Outcome:
        """Hand one SMS over. The reference is the gateway's, if the account has references."""
        if without_control_characters(sms.body) != sms.body:
            log.warning("sms_control_characters_removed", notification_id=sms.notification_id)
        return await self._post(self._head + self._message(sms))

    async def close(self) -> None:
        """Let go of connections."""
        await self._connections.close()

    def _message(self, sms: OutgoingSms) -> bytes:
        minutes, unicode_when_needed = validity_minutes(sms.validity), self._settings.unicode_when_needed
        return message(
            sms.sender, sms.mobile_number, sms.body, minutes=minutes, unicode_when_needed=unicode_when_needed
        )

    async def _post(self, document: bytes) -> Outcome:
        try:
            answer = await self._connections.exchange("POST", self._url, self._headers, document)
        except NOTHING_WAS_SENT:
            return Deferred(Scope.PROVIDER, "the gateway is not reachable")
        except httpx.TimeoutException:
            return Unknown("no answer from the gateway in time")
        except httpx.TransportError:
            return Unknown("the connection to the gateway was lost")
        return outcome_of_answer(answer.status, answer.body, wish=retry_after(answer, answer.sent_at))
