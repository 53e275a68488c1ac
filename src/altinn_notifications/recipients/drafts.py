"""Orders become drafts of notifications: one for each address, or one that says why there is none (spec 08, 9.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from altinn_notifications.channels.sms.segments import segments_of
from altinn_notifications.lifecycle import Channel, EmailResult, SmsResult
from altinn_notifications.orders.model import ContentType
from altinn_notifications.processing.expiry import email_expiry, sms_expiry
from altinn_notifications.recipients.channel_choice import targets
from altinn_notifications.recipients.contacts import NO_CONTACTS, NO_NAMES, Kind, identity_of
from altinn_notifications.recipients.keywords import has_keywords, personalised
from altinn_notifications.recipients.reasons import reason_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from altinn_notifications.orders.model import Order
    from altinn_notifications.processing.expiry import SendWindow
    from altinn_notifications.recipients.channel_choice import Target
    from altinn_notifications.recipients.contacts import Contacts, Identity, Names


class TextMissing(ValueError):
    """An order has somebody to write to through a channel that it gives no text for."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(f"the order has no text for {channel}")
        self.channel = channel


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """A notification that is about to be stored. `destination` is empty when nobody is written to."""

    channel: Channel
    destination: str
    result: str
    expiry: datetime
    national_identity_number: str | None = None
    organization_number: str | None = None
    subject: str | None = None
    """Personalised; None: the order's. So is `body`."""
    body: str | None = None
    segments: int | None = None
    """How many SMS it is on the air (spec 10, 11.3); None for email and for what is never sent."""
    reason: str | None = None
    """Why it has this address or none, one of `recipients.reasons.Reason`; None when nobody looked."""


@dataclass(frozen=True, slots=True, repr=False)
class _Text:
    """What is stored of a text: the personalised parts, and the size of what will be sent."""

    subject: str | None = None
    body: str | None = None
    segments: int | None = None


def drafts_for_order(
    order: Order, contacts: Contacts = NO_CONTACTS, names: Names = NO_NAMES, *, window: SendWindow
) -> list[Draft]:
    """Everything the order becomes: emails first, then SMS, each in the order's sequence of recipients.

    Without `contacts` and `names` only the direct addresses count.
    A reserved person gets one failed draft unless the order ignores reservations; so does who has no address. Both
    have an empty destination. Raises `TextMissing`. Source: spec 08, 9.1.
    """
    writer = _Writer(order, names)
    expiries = {
        Channel.EMAIL: email_expiry(order.requested_send_time),
        Channel.SMS: sms_expiry(order.requested_send_time, order.sms_policy, window),
    }
    return [
        replace(draft, reason=reason_for(order, contacts, target, draft.destination))
        for target in targets(order, contacts)
        for draft in _drafts(
            target, writer, expiries[target.channel], ignore_reservation=bool(order.ignore_reservation)
        )
    ]


def parties_to_name(order: Order, contacts: Contacts) -> set[Identity]:
    """The persons and organisations that Register must name before the order's drafts can be made.

    Those that get a text with a keyword, and nobody else: an order whose texts have none never needs Register.
    Source: spec 08, 8.5.
    """
    channels = {channel for channel, text in _texts(order).items() if has_keywords(text)}
    return {
        identity
        for target in (targets(order, contacts) if channels else ())
        if target.channel in channels and _failure(target, ignore_reservation=bool(order.ignore_reservation)) is None
        if (identity := _nameable(target)) is not None
    }


def _drafts(target: Target, writer: _Writer, expiry: datetime, *, ignore_reservation: bool) -> Iterator[Draft]:
    failure = _failure(target, ignore_reservation=ignore_reservation)
    text = writer.text_for(target) if failure is None else _Text()
    for address in target.addresses if failure is None else ("",):
        yield Draft(
            channel=target.channel,
            destination=address,
            result=failure or "New",
            expiry=expiry,
            national_identity_number=target.recipient.national_identity_number or None,
            organization_number=target.recipient.organization_number or None,
            subject=text.subject,
            body=text.body,
            segments=text.segments,
        )


def _failure(target: Target, *, ignore_reservation: bool) -> str | None:
    results = EmailResult if target.channel is Channel.EMAIL else SmsResult
    if target.is_reserved and not ignore_reservation:
        return results.RECIPIENT_RESERVED
    return None if target.addresses else results.RECIPIENT_NOT_IDENTIFIED


def _nameable(target: Target) -> Identity | None:
    identity = identity_of(target.recipient)
    return identity if identity is not None and identity.kind is not Kind.EXTERNAL else None


def _texts(order: Order) -> dict[Channel, str]:
    texts: dict[Channel, str] = {}
    if order.email is not None:
        texts[Channel.EMAIL] = f"{order.email.subject}\n{order.email.body}"
    if order.sms is not None:
        texts[Channel.SMS] = order.sms.body
    return texts


class _Writer:
    """Writes one order's texts. What is the same for every recipient is worked out once."""

    def __init__(self, order: Order, names: Names) -> None:
        self._order = order
        self._names = names
        self._template_segments = segments_of(order.sms.body) if order.sms else None

    def text_for(self, target: Target) -> _Text:
        identity = _nameable(target)
        name = self._names.get(identity) if identity is not None else None
        if target.channel is Channel.EMAIL:
            return self._email(identity, name)
        return self._sms(identity, name)

    def _email(self, identity: Identity | None, name: str | None) -> _Text:
        template = self._order.email
        if template is None:
            raise TextMissing(Channel.EMAIL)
        if identity is None or name is None:
            return _Text()
        return _Text(
            subject=personalised(template.subject, identity, name),
            body=personalised(template.body, identity, name, html=template.content_type is ContentType.HTML),
        )

    def _sms(self, identity: Identity | None, name: str | None) -> _Text:
        template = self._order.sms
        if template is None:
            raise TextMissing(Channel.SMS)
        body = None if identity is None or name is None else personalised(template.body, identity, name)
        return _Text(body=body, segments=self._template_segments if body is None else segments_of(body))
