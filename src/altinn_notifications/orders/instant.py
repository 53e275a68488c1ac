"""Instant orders: one message to one direct address, sent while the caller waits (spec 03). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from altinn_notifications.channels.protocol import OutgoingEmail, OutgoingSms
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import Channel, OrderType
from altinn_notifications.orders.mapping import email_template, sms_template
from altinn_notifications.orders.model import (
    ContentType,
    NotificationChannel,
    Order,
    OrderChain,
    Recipient,
    SendingTimePolicy,
)
from altinn_notifications.processing.expiry import email_expiry

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.api.instant_requests import InstantEmailRecipient, InstantSmsRecipient
    from altinn_notifications.orders.mapping import Registration

SHORTEST_SECONDS: Final = 60
LONGEST_SECONDS: Final = 172_800
"""Between these an instant SMS may live, both included (spec 03, 4.1)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How the caller calls an order: the key that makes it unique, and a name that need not be."""

    idempotency_id: str
    senders_reference: str | None


@dataclass(frozen=True, slots=True, repr=False)
class InstantMessage:
    """One message: what is stored of it, and what the provider is given. Its representation tells of nobody."""

    chain: OrderChain
    destination: str
    """As the caller wrote it; the provider gets it in its own form (spec 03, 5.3)."""
    expiry: datetime
    outgoing: OutgoingEmail | OutgoingSms

    @property
    def order(self) -> Order:
        """The only order of the chain."""
        return self.chain.main

    @property
    def notification_id(self) -> UUID:
        """The id of the order's only notification."""
        return self.outgoing.notification_id

    @property
    def channel(self) -> Channel:
        """What kind of message it is."""
        return Channel.EMAIL if isinstance(self.outgoing, OutgoingEmail) else Channel.SMS

    @property
    def reference(self) -> str | None:
        """Our own id of the call, which delivery reports will carry; the SMS gateway chooses its own."""
        return str(self.outgoing.operation_id) if isinstance(self.outgoing, OutgoingEmail) else None

    def __repr__(self) -> str:
        return f"InstantMessage({self.notification_id})"


def instant_sms(recipient: InstantSmsRecipient, reference: Reference, registration: Registration) -> InstantMessage:
    """The message that a valid request asks for, under new ids; it lives as long as the request says."""
    settings, lifetime = recipient.sms_settings, timedelta(seconds=recipient.time_to_live_in_seconds)
    template = sms_template(body=settings.body, sender=settings.sender, settings=registration.settings)
    who = Recipient(mobile_number=recipient.phone_number)
    outgoing = OutgoingSms(
        notification_id=new_id(),
        sender=template.sender,
        mobile_number=recipient.phone_number,
        body=template.body,
        validity=lifetime,
    )
    return InstantMessage(
        chain=_chain(reference, registration, channel=NotificationChannel.SMS, recipients=(who,), sms=template),
        destination=recipient.phone_number,
        expiry=registration.now + lifetime,
        outgoing=outgoing,
    )


def instant_email(recipient: InstantEmailRecipient, reference: Reference, registration: Registration) -> InstantMessage:
    """The message that a valid request asks for, under new ids; it lives as long as any email."""
    settings = recipient.email_settings
    template = email_template(
        subject=settings.subject,
        body=settings.body,
        sender=settings.sender_email_address,
        content_type=settings.content_type,
        settings=registration.settings,
    )
    who = Recipient(email_address=recipient.email_address)
    outgoing = OutgoingEmail(
        notification_id=new_id(),
        operation_id=uuid4(),
        from_address=template.from_address,
        to_address=recipient.email_address.strip(),
        subject=template.subject,
        body=template.body,
        is_html=template.content_type is ContentType.HTML,
    )
    return InstantMessage(
        chain=_chain(reference, registration, channel=NotificationChannel.EMAIL, recipients=(who,), email=template),
        destination=recipient.email_address,
        expiry=email_expiry(registration.now),
        outgoing=outgoing,
    )


def _chain(reference: Reference, registration: Registration, **delivery: Any) -> OrderChain:
    order = Order(
        id=new_id(),
        type=OrderType.Instant,
        creator=registration.creator,
        created=registration.now,
        requested_send_time=registration.now,
        senders_reference=reference.senders_reference,
        sms_policy=SendingTimePolicy.ANYTIME,
        **delivery,
    )
    return OrderChain(id=new_id(), idempotency_id=reference.idempotency_id, main=order)
