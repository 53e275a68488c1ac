"""Orders as JSON documents and back: the form in which the wide part of an order is kept."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.model import (
    AttachedFile,
    ContentType,
    EmailTemplate,
    NotificationChannel,
    Order,
    Receipt,
    Recipient,
    SendingTimePolicy,
    ShipmentReceipt,
    SmsTemplate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altinn_notifications.database.pool import Row


def content_of(order: Order) -> dict[str, Any]:
    """What the `content` column holds: everything that no other column does."""
    content = {
        "recipients": [_given(recipient) for recipient in order.recipients],
        "sendersReference": order.senders_reference,
        "conditionEndpoint": order.condition_endpoint,
        "ignoreReservation": order.ignore_reservation,
        "useStaleContactInformation": order.use_stale_contact_information or None,
        "resourceAction": order.resource_action,
        "attachments": None if order.attachments is None else [_given(file) for file in order.attachments],
    }
    return {name: value for name, value in content.items() if value is not None}


def template_of(template: EmailTemplate | SmsTemplate | None) -> dict[str, Any] | None:
    """What the `email` and `sms` columns hold."""
    return None if template is None else _given(template)


def email_template(stored: Mapping[str, Any]) -> EmailTemplate:
    """The email template of a stored order."""
    return EmailTemplate(**{**stored, "content_type": ContentType(stored["content_type"])})


def sms_template(stored: Mapping[str, Any]) -> SmsTemplate:
    """The SMS template of a stored order."""
    return SmsTemplate(**stored)


def attached_files(stored: Sequence[Mapping[str, str]]) -> tuple[AttachedFile, ...]:
    """The attachments of a stored order."""
    return tuple(AttachedFile(**file) for file in stored)


def order_of(row: Row) -> Order:
    """An order from a row of the `orders` table."""
    content = row["content"]
    attachments = content.get("attachments")
    return Order(
        id=row["id"],
        type=OrderType(row["type"]),
        creator=row["creator"],
        created=row["created"],
        requested_send_time=row["requested_send_time"],
        channel=NotificationChannel(row["channel"]),
        recipients=tuple(Recipient(**recipient) for recipient in content["recipients"]),
        senders_reference=content.get("sendersReference"),
        email=None if row["email"] is None else email_template(row["email"]),
        sms=None if row["sms"] is None else sms_template(row["sms"]),
        sms_policy=None if row["sms_policy"] is None else SendingTimePolicy(row["sms_policy"]),
        condition_endpoint=content.get("conditionEndpoint"),
        ignore_reservation=content.get("ignoreReservation"),
        use_stale_contact_information=content.get("useStaleContactInformation", False),
        resource_id=row["resource_id"],
        resource_action=content.get("resourceAction"),
        attachments=None if attachments is None else attached_files(attachments),
    )


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """A receipt as the chain keeps it."""
    return {
        "main": [str(receipt.main.shipment_id), receipt.main.senders_reference],
        "reminders": [[str(reminder.shipment_id), reminder.senders_reference] for reminder in receipt.reminders],
    }


def receipt_of(chain_id: UUID, stored: Mapping[str, Any]) -> Receipt:
    """The receipt that was given for a stored chain."""
    main, *reminders = (ShipmentReceipt(UUID(id_), ref) for id_, ref in [stored["main"], *stored["reminders"]])
    return Receipt(chain_id, main, tuple(reminders))


def _given(value: Any) -> dict[str, Any]:
    named = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: item for name, item in named if item is not None}
