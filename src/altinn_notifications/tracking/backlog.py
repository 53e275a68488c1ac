"""What is not finished yet, counted for `/metrics` by queries that read only unfinished rows (design promise 4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from altinn_notifications.orders.storage import load_orders
from altinn_notifications.processing.deadline import order_deadline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from altinn_notifications.database.pool import Database
    from altinn_notifications.processing.expiry import SendWindow

TERMINATION_INTERVAL: Final = timedelta(minutes=15)
"""How long after its grace an expired notification may wait for the next termination (spec 07, 7.3)."""
OLDEST_LOOKED_AT: Final = 200

LOOKED_AT: Final = 1_000_000
"""Of a larger backlog this many are counted: enough to be alarmed by, and still counted in a moment."""

COUNT_ORDERS: Final = """
    SELECT status, count(*) AS number FROM (
        SELECT status FROM order_states WHERE status IN ('Registered', 'Processing', 'Processed') LIMIT $1
    ) AS unfinished GROUP BY status"""

COUNT_NOTIFICATIONS: Final = """
    SELECT channel, result, count(*) AS number FROM (
        SELECT channel, result FROM notification_states
        WHERE result IN ('New', 'Sending', 'Succeeded', 'Accepted') LIMIT $1
    ) AS pending GROUP BY channel, result"""

# One look into the index per status; the list of all repeats what the index is about.
OLDEST_SEND_TIME: Final = """
    SELECT min(oldest.requested_send_time) FROM unnest('{Registered,Processing,Processed}'::text[]) AS of (status),
        LATERAL (
            SELECT requested_send_time FROM order_states
            WHERE status = of.status AND status IN ('Registered', 'Processing', 'Processed')
            ORDER BY requested_send_time LIMIT 1
        ) AS oldest"""

# No deadline is nearer to its send time than the shortest lifetime, so younger orders need not be looked at.
OLDEST_ORDERS: Final = """
    SELECT order_id FROM order_states
    WHERE status IN ('Registered', 'Processing', 'Processed') AND requested_send_time < $1
    ORDER BY requested_send_time LIMIT $2"""
SHORTEST_LIFETIME: Final = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is unfinished at one moment."""

    orders: Mapping[str, int]
    """Unfinished orders by status."""
    notifications: Mapping[tuple[str, str], int]
    """Pending notifications by channel and result."""
    oldest_order_seconds: float
    """For how long the oldest unfinished order has been due; 0 when none is."""
    overdue_seconds: float
    """By how much the worst order is past the moment when it should have ended at the latest; 0 when none is."""


async def read_backlog(db: Database, *, now: datetime, window: SendWindow, grace: timedelta) -> Backlog:
    """The backlog at `now`. `grace` is how long after expiry a notification is ended. Raises `DatabaseUnavailable`."""
    orders = await db.fetch(COUNT_ORDERS, LOOKED_AT)
    notifications = await db.fetch(COUNT_NOTIFICATIONS, LOOKED_AT)
    oldest = await db.fetchval(OLDEST_SEND_TIME)
    return Backlog(
        orders={row["status"]: row["number"] for row in orders},
        notifications={(row["channel"], row["result"]): row["number"] for row in notifications},
        oldest_order_seconds=_seconds(now - (oldest or now)),
        overdue_seconds=_seconds(await _overdue(db, now, window, grace + TERMINATION_INTERVAL)),
    )


async def _overdue(db: Database, now: datetime, window: SendWindow, grace: timedelta) -> timedelta:
    rows = await db.fetch(OLDEST_ORDERS, now - SHORTEST_LIFETIME, OLDEST_LOOKED_AT)
    orders = await load_orders(db, [row["order_id"] for row in rows])
    return max((now - order_deadline(order, window) - grace for order in orders.values()), default=timedelta())


def _seconds(duration: timedelta) -> float:
    return max(0.0, duration.total_seconds())
