"""Cancelling an order before it is processed (spec 05, 13 and spec 08, 15)."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from altinn_notifications import events
from altinn_notifications.events import Event, Kind
from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.orders.attachment_links import erase_links

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database

NOTICE: Final = timedelta(minutes=5)
"""An order whose send time is no further away than this goes its way."""

# The lock is what a claim waits for, or has taken before: of a claim and a cancellation exactly one finds `Registered`.
LOCK_ORDER: Final = """
    SELECT status, requested_send_time FROM order_states WHERE order_id = $1 AND creator = $2 FOR UPDATE"""

CANCEL: Final = """
    UPDATE order_states SET status = 'Cancelled', last_change = $2, wake_at = NULL
    WHERE order_id = $1 AND status = 'Registered'"""


class Cancellation(Enum):
    """What becomes of a wish to cancel an order."""

    NOW = "the order is cancelled by this request"
    BEFORE = "the order was cancelled by an earlier request"
    PROHIBITED = "it is too late"


def judge(status: OrderStatus, requested_send_time: datetime, now: datetime) -> Cancellation:
    """What becomes of a wish at `now` to cancel an order. Source: spec 05, 13."""
    if status is OrderStatus.CANCELLED:
        return Cancellation.BEFORE
    if status is not OrderStatus.REGISTERED or requested_send_time <= now + NOTICE:
        return Cancellation.PROHIBITED
    return Cancellation.NOW


async def cancel(db: Database, order_id: UUID, *, creator: str, now: datetime) -> Cancellation | None:
    """Cancel one order, not its reminders; None if `creator` has no such order. Raises `DatabaseUnavailable`.

    A cancelled order is never processed, and nothing is written to the status feed. Source: spec 05, 13.
    """
    async with db.transaction() as connection:
        order = await connection.fetchrow(LOCK_ORDER, order_id, creator)
        if order is None:
            return None
        verdict = judge(OrderStatus(order["status"]), order["requested_send_time"], now)
        if verdict is Cancellation.NOW:
            await connection.execute(CANCEL, order_id, now)
            await erase_links(connection, {order_id})
            await events.record(connection, [Event(order_id, None, now, Kind.ORDER_CANCELLED)])
        return verdict
