"""Deleting orders that have ended, with all that is kept in rows of their own.

Orders go by rows, not with partitions: an idempotency id must be unique among all that are kept, which no partition by
time can promise, and an order ends long after it came if it was scheduled. What is wide and many, the notifications,
goes with its partition when no order needs it any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.database.pool import LONG_STATEMENT_SECONDS
from altinn_notifications.identifiers import first_id_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database

ENDED_ORDERS_LOCK: Final = 0x656E6465  # any number that nobody else uses: "ende"
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

# Ids begin with their time, so what came before is a range of the primary key.
FIND_ENDED: Final = """
    SELECT order_id FROM order_states
    WHERE order_id < $1 AND last_change < $2 AND status IN ('Completed', 'SendConditionNotMet', 'Cancelled')
    ORDER BY order_id LIMIT $3"""

# A chain goes with the last of its orders, and its idempotency id may then be used again.
DELETE_ORDERS: Final = """
    WITH states AS (
        DELETE FROM notification_states WHERE order_id = ANY($1::uuid[]) RETURNING notification_id
    ), unplaced AS (
        DELETE FROM notifications_default WHERE id IN (SELECT notification_id FROM states)
    ), links AS (
        DELETE FROM attachment_links WHERE order_id = ANY($1::uuid[])
    ), progress AS (
        DELETE FROM order_states WHERE order_id = ANY($1::uuid[])
    ), gone AS (
        DELETE FROM orders WHERE id = ANY($1::uuid[]) RETURNING chain_id
    )
    DELETE FROM order_chains c WHERE id IN (SELECT chain_id FROM gone) AND NOT EXISTS (
        SELECT FROM orders o WHERE o.id <> ALL($1::uuid[]) AND o.id IN (
            SELECT (c.receipt->'main'->>0)::uuid
            UNION ALL SELECT (reminder->>0)::uuid FROM jsonb_array_elements(c.receipt->'reminders') AS reminder))"""


async def delete_ended_orders(db: Database, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` orders that came and ended before `before` (UTC), and return how many.

    While another process does so nothing is deleted. An order that has not ended stays, however old it is; so do the
    notifications of deleted ones in their partitions. Raises `DatabaseUnavailable`.
    """
    async with db.transaction() as connection:
        if not await connection.fetchval(TRY_LOCK, ENDED_ORDERS_LOCK):
            return 0
        found = first_id_at(before), before, limit
        rows = await connection.fetch(FIND_ENDED, *found, timeout=LONG_STATEMENT_SECONDS)
        await delete_orders(connection, [row["order_id"] for row in rows])
    return len(rows)


async def delete_orders(connection: Connection, order_ids: Sequence[UUID]) -> None:
    """Delete these orders, which have ended, in the caller's transaction."""
    await connection.execute(DELETE_ORDERS, order_ids, timeout=LONG_STATEMENT_SECONDS)
