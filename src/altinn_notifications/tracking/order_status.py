"""One order's status and how many of its notifications arrived, as first-generation clients see it (spec 05, 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import Channel, OrderStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from altinn_notifications.database.pool import Database, Row

# The stored words of both channels: no channel uses the other's for something else.
SUCCEEDED_RESULTS: Final = frozenset({"Succeeded", "Accepted", "Delivered"})
"""What counts as a success to clients of the first generation (spec 05, 11 and 12)."""

DESCRIPTIONS: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.REGISTERED: "The order is registered and waits for its requested send time.",
    OrderStatus.PROCESSING: "The order is being processed; its notifications are about to be made.",
    OrderStatus.PROCESSED: "The order has been processed; its notifications have been made.",
    OrderStatus.COMPLETED: "The order is complete; every notification has its final result.",
    OrderStatus.SEND_CONDITION_NOT_MET: "Nothing was sent, because the condition endpoint said no.",
    OrderStatus.CANCELLED: "Nothing was sent, because the order was cancelled.",
}


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """How many notifications of one channel an order has, and how many of them succeeded so far."""

    generated: int
    succeeded: int


@dataclass(frozen=True, slots=True, repr=False)
class OrderState:
    """An order without recipients and texts, and what became of it, at one moment. All times are in UTC."""

    id: UUID
    senders_reference: str | None
    """None also when it is blank."""
    requested_send_time: datetime
    creator: str
    created: datetime
    channel: str
    ignore_reservation: bool | None
    resource_id: str | None
    resource_action: str | None
    condition_endpoint: str | None
    status: OrderStatus
    last_change: datetime
    counts: Mapping[Channel, ChannelCount]
    """Only of channels that have any notification."""

    @property
    def shown_status(self) -> str:
        """The status as clients see it: `Processed` came later, and is `Completed` to them (spec 05, 10.1)."""
        return OrderStatus.COMPLETED if self.status is OrderStatus.PROCESSED else self.status

    @property
    def description(self) -> str:
        """The stored status in a sentence."""
        return DESCRIPTIONS[self.status]


# One statement, so that order and counts are seen at the same moment.
FIND_ORDER_STATE: Final = """
    SELECT o.id, o.senders_reference, o.requested_send_time, o.creator, o.created, o.channel, o.resource_id,
           o.content, s.status, s.last_change, n.channel AS counted, n.generated, n.succeeded
    FROM orders o JOIN order_states s ON s.order_id = o.id
    LEFT JOIN LATERAL (
        SELECT channel, count(*) AS generated, count(*) FILTER (WHERE result = ANY($3::text[])) AS succeeded
        FROM notification_states WHERE order_id = o.id GROUP BY channel) n ON true
    WHERE o.id = $1 AND o.creator = $2"""


async def find_order_state(db: Database, order_id: UUID, *, creator: str) -> OrderState | None:
    """The order with its counts; None if it is not `creator`'s. Any type of order. Source: spec 05, 10."""
    rows = await db.fetch(FIND_ORDER_STATE, order_id, creator, sorted(SUCCEEDED_RESULTS))
    if not rows:
        return None
    counts = {
        Channel(row["counted"]): ChannelCount(row["generated"], row["succeeded"]) for row in rows if row["counted"]
    }
    return _order_state(rows[0], counts)


def _order_state(row: Row, counts: Mapping[Channel, ChannelCount]) -> OrderState:
    content: Mapping[str, Any] = row["content"]
    return OrderState(
        id=row["id"],
        senders_reference=row["senders_reference"],
        requested_send_time=row["requested_send_time"],
        creator=row["creator"],
        created=row["created"],
        channel=row["channel"],
        ignore_reservation=content.get("ignoreReservation"),
        resource_id=row["resource_id"],
        resource_action=content.get("resourceAction"),
        condition_endpoint=content.get("conditionEndpoint"),
        status=OrderStatus(row["status"]),
        last_change=row["last_change"],
        counts=counts,
    )
