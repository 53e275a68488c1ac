"""The request models of the instant endpoints and their rules (spec 03, 4 and 5)."""

from dataclasses import dataclass
from typing import Annotated

from altinn_notifications.api.contract import About, Key, RequiredText
from altinn_notifications.api.order_requests import ContentTypeOrNumber, IdempotencyId
from altinn_notifications.api.scalars import Integer32
from altinn_notifications.orders.addresses import is_email_address, is_mobile_number
from altinn_notifications.orders.instant import LONGEST_SECONDS, SHORTEST_SECONDS
from altinn_notifications.orders.model import ContentType
from altinn_notifications.orders.rules import Faults, add_email_text_faults, add_idempotency_faults

SendersReference = Annotated[str | None, About("The caller's own reference; need not be unique.")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantSmsSettings:
    """What an instant SMS says."""

    body: RequiredText
    sender: Annotated[str | None, About("Name or number; the service's own if left out or blank.")] = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantSmsRecipient:
    """One number, and how long the message is of use."""

    phone_number: Annotated[RequiredText, About("In international form, beginning with + or 00.")]
    time_to_live_in_seconds: Annotated[
        int,
        Integer32(minimum=SHORTEST_SECONDS, maximum=LONGEST_SECONDS),
        About("How long the gateway may keep trying; a later delivery report is not looked at."),
    ]
    sms_settings: Annotated[InstantSmsSettings, Key("ShortMessageContent")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantSmsOrder:
    """One SMS to one number, sent at once."""

    idempotency_id: IdempotencyId
    senders_reference: SendersReference = None
    recipient_sms: InstantSmsRecipient


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantRecipient:
    """Who gets an instant SMS, in the older form."""

    recipient_sms: Annotated[InstantSmsRecipient, Key("ShortMessageDeliveryDetails")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantOrder:
    """One SMS to one number, sent at once, in the older form."""

    idempotency_id: IdempotencyId
    senders_reference: SendersReference = None
    recipient: Annotated[InstantRecipient, Key("InstantNotificationRecipient")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantEmailSettings:
    """What an instant email says and how."""

    subject: Annotated[RequiredText, About("Line breaks become spaces.")]
    body: RequiredText
    sender_email_address: Annotated[str | None, About("The service's own address if left out.")] = None
    content_type: ContentTypeOrNumber = ContentType.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantEmailRecipient:
    """One address, and what is written to it."""

    email_address: RequiredText
    email_settings: InstantEmailSettings


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InstantEmailOrder:
    """One email to one address, sent at once."""

    idempotency_id: IdempotencyId
    senders_reference: SendersReference = None
    recipient_email: Annotated[InstantEmailRecipient, Key("InstantEmailDetails")]


def add_instant_faults(faults: Faults, order: InstantSmsOrder | InstantOrder | InstantEmailOrder) -> None:
    """What is wrong with the content of an instant order. Source: spec 03, 5.2."""
    add_idempotency_faults(faults, order.idempotency_id)
    if isinstance(order, InstantEmailOrder):
        _add_email_faults(faults, order.recipient_email)
    elif isinstance(order, InstantSmsOrder):
        _add_sms_faults(faults, "RecipientSms.", order.recipient_sms)
    else:
        key = "InstantNotificationRecipient.ShortMessageDeliveryDetails."
        _add_sms_faults(faults, key, order.recipient.recipient_sms)


def _add_sms_faults(faults: Faults, key: str, recipient: InstantSmsRecipient) -> None:
    if not is_mobile_number(recipient.phone_number):
        faults.add(f"{key}PhoneNumber", "The number must be valid and in international form, with + or 00.")
    if not SHORTEST_SECONDS <= recipient.time_to_live_in_seconds <= LONGEST_SECONDS:
        faults.add(f"{key}TimeToLiveInSeconds", f"The time must be {SHORTEST_SECONDS} to {LONGEST_SECONDS} seconds.")


def _add_email_faults(faults: Faults, recipient: InstantEmailRecipient) -> None:
    if not is_email_address(recipient.email_address):
        faults.add("InstantEmailDetails.EmailAddress", "The address is not a valid email address.")
    settings = recipient.email_settings
    add_email_text_faults(
        faults,
        "InstantEmailDetails.EmailSettings.",
        sender=settings.sender_email_address,
        content_type=settings.content_type,
    )
