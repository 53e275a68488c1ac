"""What an order is: frozen values that every stage reads and none changes (spec 02, 6 and spec 08, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.lifecycle import OrderType


class NotificationChannel(StrEnum):
    """Which channels an order may use, and which it prefers (spec 02, 3.8)."""

    EMAIL = "Email"
    SMS = "Sms"
    EMAIL_PREFERRED = "EmailPreferred"
    SMS_PREFERRED = "SmsPreferred"
    EMAIL_AND_SMS = "EmailAndSms"


class ContentType(StrEnum):
    """How an email body is to be read."""

    PLAIN = "Plain"
    HTML = "Html"


class SendingTimePolicy(IntEnum):
    """When an SMS may be sent; the number is stored (spec 01, 3.3)."""

    ANYTIME = 1
    DAYTIME = 2


@dataclass(frozen=True, slots=True, repr=False)
class EmailTemplate:
    """The text of an order's emails. `from_address` is never empty: the default was filled in at registration."""

    from_address: str
    subject: str
    body: str
    content_type: ContentType

    @property
    def sender_domain(self) -> str:
        """The domain that the sender's address belongs to, in lower case."""
        return self.from_address.rpartition("@")[2].strip().lower()


@dataclass(frozen=True, slots=True, repr=False)
class SmsTemplate:
    """The text of an order's SMS. `sender` is never empty: the default was filled in at registration."""

    sender: str
    body: str


@dataclass(frozen=True, slots=True, repr=False)
class Recipient:
    """Whom an order names: direct addresses, or one identity that is looked up at send time."""

    email_address: str | None = None
    mobile_number: str | None = None
    national_identity_number: str | None = None
    organization_number: str | None = None
    external_identity: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class AttachedFile:
    """A file of a composed email, as the mail will name it. Where it is stands apart: `OrderChain.sas_urls`."""

    filename: str
    mime_type: str


@dataclass(frozen=True, slots=True, repr=False)
class Order:
    """What is processed as a unit. All times are in UTC."""

    id: UUID
    type: OrderType
    creator: str
    created: datetime
    requested_send_time: datetime
    channel: NotificationChannel
    recipients: tuple[Recipient, ...]
    senders_reference: str | None = None
    email: EmailTemplate | None = None
    sms: SmsTemplate | None = None
    sms_policy: SendingTimePolicy | None = None
    """None for first-generation orders: sent in the daytime, but expiring as `ANYTIME` (spec 08, 9.3 and 10.2)."""
    condition_endpoint: str | None = None
    ignore_reservation: bool | None = None
    use_stale_contact_information: bool = False
    resource_id: str | None = None
    resource_action: str | None = None
    attachments: tuple[AttachedFile, ...] | None = None

    def __repr__(self) -> str:
        return f"Order({self.id})"


@dataclass(frozen=True, slots=True, repr=False)
class OrderChain:
    """A main order and its reminders, registered together under one idempotency id.

    `sas_urls` says where each of the main order's attachments is. They are secrets: never logged, shown or put in an
    error, and only the sender of the mail reads them back.
    """

    id: UUID
    idempotency_id: str
    main: Order
    reminders: tuple[Order, ...] = ()
    dialog_id: str | None = None
    transmission_id: str | None = None
    sas_urls: tuple[str, ...] = ()

    @property
    def orders(self) -> tuple[Order, ...]:
        """The main order first, then the reminders as requested."""
        return (self.main, *self.reminders)

    def __repr__(self) -> str:
        return f"OrderChain({self.id})"


@dataclass(frozen=True, slots=True)
class ShipmentReceipt:
    """An order as its creator may track it."""

    shipment_id: UUID
    senders_reference: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a registration: the ids that `201` and every later `200` tell (spec 02, 11)."""

    order_chain_id: UUID
    main: ShipmentReceipt
    reminders: tuple[ShipmentReceipt, ...] = ()
