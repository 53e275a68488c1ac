"""One round of upkeep: partitions are made ahead, and what is older than its limit goes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.database.partitions import (
    DELIVERY_REPORTS,
    EVENTS,
    NOTIFICATION_LOG,
    NOTIFICATIONS,
    STATUS_FEED,
    delete_unplaced_before,
    drop_before,
    make_ahead,
)
from altinn_notifications.retention.ended_orders import delete_ended_orders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from altinn_notifications.database.partitions import PartitionedTable
    from altinn_notifications.database.pool import Database
    from altinn_notifications.settings import RetentionSettings

ORDERS_AT_ONCE: Final = 1_000
log = structlog.get_logger()

HAS_STATES: Final = """
    SELECT EXISTS (SELECT FROM notification_states WHERE notification_id >= $1 AND notification_id < $2)"""
HAS_WAITING: Final = """
    SELECT EXISTS (SELECT FROM delivery_reports WHERE received >= $1 AND received < $2 AND wake_at IS NOT NULL)"""


async def keep_house(db: Database, limits: RetentionSettings, *, now: datetime, machine_now: datetime) -> None:
    """Do one round at `now` (UTC). Ids are made by the machine's time, which is `machine_now` while clocks are turned.

    Everything is idempotent, and several processes may do it at once. Raises `DatabaseUnavailable`.
    """
    await make_ahead(db, now, ids_at=machine_now)
    for table, days, needed in _limits(limits):
        await drop_before(db, table, now - timedelta(days=days), unless=needed)
        await delete_unplaced_before(db, table, now - timedelta(days=days))
    if limits.order_days is not None:
        await _let_orders_go(db, now - timedelta(days=limits.order_days))


def _limits(limits: RetentionSettings) -> Iterator[tuple[PartitionedTable, int, str | None]]:
    """Tables whose rows go by their own age, in how many days, and what shows that a partition is still needed."""
    yield STATUS_FEED, limits.status_feed_days, None
    yield DELIVERY_REPORTS, limits.delivery_report_days, HAS_WAITING
    if limits.log_days is not None:
        yield NOTIFICATION_LOG, limits.log_days, None
    # A timeline without its order is of no use to anybody.
    if (timeline_days := limits.timeline_days or limits.order_days) is not None:
        yield EVENTS, timeline_days, None


async def _let_orders_go(db: Database, cutoff: datetime) -> None:
    total = 0
    while deleted := await delete_ended_orders(db, before=cutoff, limit=ORDERS_AT_ONCE):
        total += deleted
    if total:
        log.info("ended_orders_deleted", count=total)
    await drop_before(db, NOTIFICATIONS, cutoff, unless=HAS_STATES)
