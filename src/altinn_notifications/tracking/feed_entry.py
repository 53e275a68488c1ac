"""One entry of the status feed: how it is kept, and how a reader gets it (spec 06, 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.lifecycle import Channel
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.status import (
    CHANNEL_WORDS,
    ORDER_WORDS,
    RESULT_WORDS,
    exposed_order_status,
    exposed_result,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.lifecycle import OrderStatus, OrderType

# In the order in which clients read them: jsonb forgets it.
_ENTRY_NAMES: Final = (
    "shipmentId",
    "sendersReference",
    "recipients",
    "status",
    "lastUpdate",
    "shipmentType",
    "type",
)
_RECIPIENT_NAMES: Final = ("type", "destination", "status", "lastUpdate")


class CorruptEntry(Exception):
    """A stored entry is not one that a reader could understand; the message names the property, not its value."""


@dataclass(frozen=True, slots=True, repr=False)
class FeedRecipient:
    """One notification at the moment its order ended. `result` is the stored word."""

    channel: Channel
    destination: str
    result: str
    result_time: datetime


def feed_entry(  # noqa: PLR0913 - an entry has six parts, each given by name
    *,
    order_id: UUID,
    order_type: OrderType,
    senders_reference: str | None,
    status: OrderStatus,
    last_update: datetime,
    recipients: Sequence[FeedRecipient],
) -> dict[str, Any]:
    """The document that the feed keeps of an order that has just ended; `recipients` in their order of creation.

    Emails come before SMS, and a blank reference is left out. Source: spec 06, 5.3 and 6.
    """
    emails_first = sorted(recipients, key=lambda recipient: recipient.channel is Channel.SMS)
    reference = {"sendersReference": senders_reference} if (senders_reference or "").strip() else {}
    return {
        "shipmentId": str(order_id),
        **reference,
        "recipients": [_recipient(recipient) for recipient in emails_first],
        "status": exposed_order_status(status),
        "lastUpdate": to_wire(last_update),
        "shipmentType": order_type.name,
        "type": order_type.name,
    }


def numbered(sequence_number: int, entry: object) -> dict[str, Any]:
    """A stored entry as it is sent to a reader. Raises `CorruptEntry`."""
    document = _object(entry, "entry")
    recipients = document.get("recipients")
    _require(isinstance(recipients, list), "recipients")
    _require(document.get("status") in ORDER_WORDS, "status")
    for name in ("shipmentId", "lastUpdate"):
        _require(isinstance(document.get(name), str), name)
    checked = {**document, "recipients": [_checked_recipient(recipient) for recipient in recipients or ()]}
    return {"sequenceNumber": sequence_number} | _in_order(checked, _ENTRY_NAMES)


def _recipient(recipient: FeedRecipient) -> dict[str, str]:
    return {
        "type": CHANNEL_WORDS[recipient.channel],
        "destination": recipient.destination,
        "status": exposed_result(recipient.channel, recipient.result),
        "lastUpdate": to_wire(recipient.result_time),
    }


def _checked_recipient(recipient: object) -> dict[str, Any]:
    document = _object(recipient, "recipient")
    _require(document.get("status") in RESULT_WORDS, "recipient.status")
    for name in ("destination", "lastUpdate"):
        _require(isinstance(document.get(name), str), f"recipient.{name}")
    return _in_order(document, _RECIPIENT_NAMES)


def _in_order(document: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: document[name] for name in names if document.get(name) is not None}


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CorruptEntry(name)
    return value


def _require(condition: object, name: str) -> None:
    if not condition:
        raise CorruptEntry(name)
