"""The request models of `POST /orders`, `/orders/email` and `/orders/sms` (spec 05, 3)."""

from dataclasses import dataclass
from typing import Annotated

from altinn_notifications.api.contract import About, RequiredText
from altinn_notifications.api.order_requests import (
    CHANNEL,
    CONTENT_TYPE,
    Condition,
    ContentTypeOrNumber,
    ResourceAction,
    SendTime,
)
from altinn_notifications.api.scalars import Text
from altinn_notifications.orders.model import ContentType, NotificationChannel

NotBlank = Annotated[str, Text(pattern=r"\S")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OrderRecipient:
    """One of an order's recipients: direct addresses, or one number that is looked up."""

    email_address: str | None = None
    mobile_number: Annotated[str | None, About("In international form, beginning with + or 00.")] = None
    organization_number: Annotated[str | None, About("Nine digits.")] = None
    national_identity_number: Annotated[str | None, About("Eleven digits.")] = None
    is_reserved: Annotated[bool | None, About("Not looked at.")] = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmailTemplateRequest:
    """The text of an order's emails."""

    from_address: Annotated[str, About("The service's own address if left out or blank.")] = ""
    subject: Annotated[NotBlank, About("Line breaks become spaces.")] = ""
    body: NotBlank = ""
    content_type: ContentTypeOrNumber = ContentType.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmsTemplateRequest:
    """The text of an order's SMS."""

    sender_number: Annotated[str, About("Name or number; the service's own if left out or blank.")] = ""
    body: NotBlank = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FirstGenerationOrder:
    """What an order of the first generation says whatever its channel."""

    senders_reference: Annotated[str | None, About("The caller's own reference; need not be unique.")] = None
    requested_send_time: SendTime = None
    condition_endpoint: Condition = None
    recipients: Annotated[tuple[OrderRecipient | None, ...], About("At least one.")] = ()
    ignore_reservation: Annotated[bool | None, About("Send also to those who declined electronic messages.")] = None
    resource_id: Annotated[
        str | None, About("What the message is about, with or without the prefix urn:altinn:resource:.")
    ] = None
    resource_action: ResourceAction = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelOrderRequest(FirstGenerationOrder):
    """An order through a channel of the caller's choice."""

    notification_channel: Annotated[
        NotificationChannel | int | None, CHANNEL, About("Which channels may be used, and which comes first.")
    ] = None
    email_template: Annotated[EmailTemplateRequest | None, About("Needed unless the channel is Sms.")] = None
    sms_template: Annotated[SmsTemplateRequest | None, About("Needed unless the channel is Email.")] = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmailOrderRequest(FirstGenerationOrder):
    """An order by email, from the service's own address."""

    subject: Annotated[RequiredText, About("Line breaks become spaces.")] = ""
    body: RequiredText = ""
    content_type: Annotated[ContentType | int | None, CONTENT_TYPE] = ContentType.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmsOrderRequest(FirstGenerationOrder):
    """An order by SMS, sent in the daytime."""

    body: RequiredText = ""
    sender_number: Annotated[str | None, About("Name or number; the service's own if left out or blank.")] = None
