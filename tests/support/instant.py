"""Instant orders for tests: the requests, and the service with peers that take its messages."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altinn_notifications.api.instant_requests import (
    InstantEmailRecipient,
    InstantEmailSettings,
    InstantSmsRecipient,
    InstantSmsSettings,
)
from altinn_notifications.orders.instant import Reference, instant_email, instant_sms
from altinn_notifications.orders.mapping import Registration
from altinn_notifications.settings import EmailSettings, NotificationSettings, SmsSettings
from support.gateway_peer import GatewayPeer
from support.service import ORDERS, Service, running_service
from support.smtp_peer import SmtpPeer
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    import httpx

    from altinn_notifications.clock import Clock
    from altinn_notifications.orders.instant import InstantMessage

SMS = f"{ORDERS}/instant/sms"
EMAIL = f"{ORDERS}/instant/email"
OLDER = f"{ORDERS}/instant"

STORED = """
    SELECT o.id, o.chain_id, o.type, o.creator, o.created, o.requested_send_time, o.senders_reference, o.channel,
           o.sms_policy, o.email, o.sms, o.content, os.status, n.id AS notification_id, n.destination, n.segments,
           n.expiry, ns.result, ns.result_time, ns.lane, ns.provider, ns.provider_reference, ns.outcome_unknown,
           ns.wake_at, c.idempotency_id
    FROM orders o JOIN order_states os ON os.order_id = o.id JOIN notifications n ON n.order_id = o.id
    JOIN notification_states ns ON ns.notification_id = n.id JOIN order_chains c ON c.id = o.chain_id ORDER BY o.id"""


def an_instant_sms(number: str = "+4799999999", **changes: Any) -> dict[str, Any]:
    """A request for one SMS under a new idempotency id. `seconds`, `sender` and `body` change what it holds."""
    settings = {name: changes.pop(name) for name in ("sender", "body") if name in changes}
    recipient = {
        "phoneNumber": number,
        "timeToLiveInSeconds": changes.pop("seconds", 300),
        "smsSettings": {"body": "Koden er 481516"} | settings,
    }
    return {"idempotencyId": uuid.uuid4().hex, "recipientSms": recipient} | changes


def an_older_instant_sms(**changes: Any) -> dict[str, Any]:
    """The same in the older form."""
    request = an_instant_sms(**changes)
    return request | {"recipient": {"recipientSms": request.pop("recipientSms")}}


def an_instant_email(address: str = "kari@example.no", **settings: Any) -> dict[str, Any]:
    """A request for one email under a new idempotency id; `settings` are those of the email."""
    content = {"subject": "Kode", "body": "481516"} | settings
    return {
        "idempotencyId": uuid.uuid4().hex,
        "recipientEmail": {"emailAddress": address, "emailSettings": content},
    }


def an_instant_message(channel: str = "Sms", creator: str = "ttd", idempotency_id: str | None = None) -> InstantMessage:
    """A message as an endpoint makes it, ordered at noon; an email to an address with blanks around it."""
    reference = Reference(idempotency_id or uuid.uuid4().hex, None)
    registration = Registration(creator, NOON, NotificationSettings())
    if channel == "Sms":
        sms = InstantSmsRecipient(
            phone_number="+4799999999", time_to_live_in_seconds=300, sms_settings=InstantSmsSettings(body="481516")
        )
        return instant_sms(sms, reference, registration)
    email = InstantEmailRecipient(
        email_address=" kari@example.no ", email_settings=InstantEmailSettings(subject="Kode", body="481516")
    )
    return instant_email(email, reference, registration)


@dataclass(slots=True)
class InstantService:
    """The application, and the peers its messages go to."""

    service: Service
    gateway: GatewayPeer
    smtp: SmtpPeer

    async def post(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """`POST` as `ttd`."""
        return await self.service.post(path, body, headers=headers)

    async def stored(self) -> list[asyncpg.Record]:
        """All orders with their notification."""
        return await self.service.services.db.fetch(STORED)

    async def only_stored(self) -> asyncpg.Record:
        """The order, when there is one."""
        (order,) = await self.stored()
        return order

    async def reservations(self) -> int:
        """How many ids are reserved."""
        return int(await self.service.services.db.fetchval("SELECT count(*) FROM instant_reservations"))


@asynccontextmanager
async def running_instant_service(database_url: str, clock: Clock, **sms: Any) -> AsyncIterator[InstantService]:
    """The application with a gateway and a relay as long as the block lasts; `sms` are settings of the gateway."""
    async with GatewayPeer() as gateway, SmtpPeer() as smtp:
        groups = {
            "email": EmailSettings(smtp_host="127.0.0.1", smtp_port=smtp.port),
            "sms": SmsSettings(gateway_endpoint=gateway.url, **sms),
        }
        async with running_service(database_url, clock, **groups) as service:
            yield InstantService(service, gateway, smtp)
