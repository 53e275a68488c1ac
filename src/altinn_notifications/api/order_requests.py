"""The request model of `POST /future/orders`, and the settings that other requests share with it (spec 02, 2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from altinn_notifications.api.contract import About, Given, Key, OptionalUri, RequiredText
from altinn_notifications.api.scalars import UINT32, Enumeration, Integer32, Text
from altinn_notifications.orders.model import ContentType, NotificationChannel, SendingTimePolicy
from altinn_notifications.orders.rules import MAX_IDEMPOTENCY_ID

CHANNEL: Final = Enumeration(dict(enumerate(NotificationChannel)), tuple(NotificationChannel))
CONTENT_TYPE: Final = Enumeration(dict(enumerate(ContentType)), tuple(ContentType))
SENDING_TIME_POLICY: Final = Enumeration(
    {int(policy): policy for policy in SendingTimePolicy}, ("Anytime", "Daytime"), numbers=UINT32
)

_CHANNELS: Final = "Which channels may be used, and which comes first."
Channel = Annotated[NotificationChannel | int, CHANNEL, About(_CHANNELS)]
ContentTypeOrNumber = Annotated[ContentType | int, CONTENT_TYPE]
PolicyOrNumber = Annotated[SendingTimePolicy | int, SENDING_TIME_POLICY]
IdempotencyId = Annotated[
    RequiredText,
    Text(max_length=MAX_IDEMPOTENCY_ID),
    About("The caller's unique key: a repeated request is answered with the ids of the first."),
]
SendTime = Annotated[
    datetime | None, Given.NEVER_NULL, About("Earliest time of sending, with Z or an offset; now if left out.")
]
Condition = Annotated[OptionalUri, About("Asked just before sending; its answer decides whether anything is sent.")]
ResourceId = Annotated[
    str | None,
    Text(pattern="^urn:altinn:resource:.+$"),
    About("What the message is about; opens contacts that users registered for it."),
]
ResourceAction = Annotated[str | None, About("A right to the resource, read if left out; needs a resource.")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmailSettings:
    """What an email says and how."""

    subject: Annotated[RequiredText, About("Line breaks become spaces.")]
    body: RequiredText
    sender_email_address: Annotated[str | None, About("The service's own address if left out.")] = None
    content_type: ContentTypeOrNumber = ContentType.PLAIN
    sending_time_policy: Annotated[PolicyOrNumber, About("Only Anytime is possible for email.")] = (
        SendingTimePolicy.ANYTIME
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmsSettings:
    """What an SMS says and how."""

    body: RequiredText
    sender: Annotated[str | None, About("Name or number; the service's own if left out or blank.")] = None
    sending_time_policy: Annotated[PolicyOrNumber, About("Daytime: only in the hours in which SMS are sent.")] = (
        SendingTimePolicy.DAYTIME
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmailRecipient:
    """One email address."""

    email_address: RequiredText
    email_settings: Annotated[EmailSettings, Key("Settings")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmsRecipient:
    """One mobile number."""

    phone_number: Annotated[RequiredText, About("In international form, beginning with + or 00.")]
    sms_settings: Annotated[SmsSettings, Key("Settings")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PersonRecipient:
    """A person, reached through the contact register."""

    national_identity_number: Annotated[RequiredText, Text(pattern="^[0-9]{11}$")]
    channel_schema: Annotated[Channel, About(_CHANNELS, default=NotificationChannel.EMAIL_PREFERRED)]
    email_settings: EmailSettings | None = None
    sms_settings: SmsSettings | None = None
    resource_id: ResourceId = None
    resource_action: ResourceAction = None
    ignore_reservation: Annotated[bool, About("Send also to those who declined electronic messages.")] = False
    use_stale_contact_information: Annotated[bool, About("Use contacts not confirmed for 18 months, too.")] = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OrganizationRecipient:
    """An organisation, reached through its official and, for a resource, its users' contact points."""

    org_number: Annotated[RequiredText, Text(pattern="^[0-9]{9}$")]
    channel_schema: Channel
    email_settings: EmailSettings | None = None
    sms_settings: SmsSettings | None = None
    resource_id: ResourceId = None
    resource_action: ResourceAction = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExternalIdentityRecipient:
    """A user who is known by an email address or a user name rather than by a number."""

    external_identity: Annotated[RequiredText, About("A URN, such as urn:altinn:username:kari.")]
    channel_schema: Annotated[Channel, About(_CHANNELS, default=NotificationChannel.EMAIL)]
    email_settings: EmailSettings | None = None
    sms_settings: SmsSettings | None = None
    resource_id: ResourceId = None
    resource_action: ResourceAction = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecipientChoice:
    """Exactly one kind of recipient."""

    recipient_email: EmailRecipient | None = None
    recipient_sms: SmsRecipient | None = None
    recipient_person: PersonRecipient | None = None
    recipient_organization: OrganizationRecipient | None = None
    recipient_external_identity: ExternalIdentityRecipient | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DialogportenAssociation:
    """The dialog that the orders belong to."""

    dialog_id: str | None = None
    transmission_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reminder:
    """A later order with a recipient, time and condition of its own. Exactly one of delay and time is given."""

    recipient: RecipientChoice
    delay_days: Annotated[
        int | None, Integer32(minimum=1), About("Days after the main order's send time.", default=1)
    ] = None
    requested_send_time: Annotated[datetime | None, About("Earliest time of sending, with Z or an offset.")] = None
    senders_reference: str | None = None
    condition_endpoint: Condition = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OrderRequest:
    """An order with any number of reminders, registered together."""

    idempotency_id: IdempotencyId
    senders_reference: Annotated[str | None, About("The caller's own reference; need not be unique.")] = None
    requested_send_time: SendTime = None
    condition_endpoint: Condition = None
    dialogporten_association: DialogportenAssociation | None = None
    recipient: RecipientChoice
    reminders: tuple[Reminder | None, ...] | None = None
