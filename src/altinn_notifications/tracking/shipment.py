"""One order as its creator follows it (spec 06, 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import Channel, OrderType

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from altinn_notifications.database.pool import Database


@dataclass(frozen=True, slots=True, repr=False)
class ShipmentRecipient:
    """One notification of a shipment. `result` is the stored word; `destination` is empty when nobody was reached."""

    channel: Channel
    destination: str
    result: str
    last_update: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Shipment:
    """An order and its notifications at one moment. `status` is the stored word."""

    id: UUID
    type: OrderType
    senders_reference: str | None
    status: str
    last_update: datetime
    recipients: tuple[ShipmentRecipient, ...]


# One statement, so that order and notifications are seen at the same moment.
FIND_SHIPMENT: Final = """
    SELECT o.id, o.type, o.senders_reference, s.status, greatest(o.created, s.last_change) AS last_update,
           n.channel, n.destination, ns.result, ns.result_time
    FROM orders o JOIN order_states s ON s.order_id = o.id
    LEFT JOIN notification_states ns ON ns.order_id = o.id
    LEFT JOIN notifications n ON n.id = ns.notification_id
    WHERE o.id = $1 AND o.creator = $2 ORDER BY n.channel, n.position"""


async def find_shipment(db: Database, order_id: UUID, *, creator: str) -> Shipment | None:
    """The order with its notifications, emails before SMS and each in order of creation; None if it is not `creator`'s.

    `last_update` is the later of the order's creation and its last change of status. Source: spec 06, 3 and 4.
    """
    rows = await db.fetch(FIND_SHIPMENT, order_id, creator)
    if not rows:
        return None
    order = rows[0]
    return Shipment(
        id=order["id"],
        type=OrderType(order["type"]),
        senders_reference=order["senders_reference"],
        status=order["status"],
        last_update=order["last_update"],
        recipients=tuple(_recipient(row) for row in rows if row["channel"] is not None),
    )


def _recipient(row: asyncpg.Record) -> ShipmentRecipient:
    return ShipmentRecipient(Channel(row["channel"]), row["destination"], row["result"], row["result_time"])
