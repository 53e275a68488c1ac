"""Deleting the test traffic of one creator, outside production (spec 13, 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from altinn_notifications.retention.ended_orders import delete_orders

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database

ORDERS_AT_ONCE: Final = 1_000

COUNT: Final = """
    SELECT count(*) FILTER (WHERE s.status IN ('Completed', 'SendConditionNotMet', 'Cancelled')) AS ended,
           count(*) FILTER (WHERE s.status IN ('Registered', 'Processing', 'Processed')) AS unfinished
    FROM orders o JOIN order_states s ON s.order_id = o.id WHERE o.creator = $1 AND o.created < $2"""

FIND: Final = """
    SELECT o.id FROM orders o JOIN order_states s ON s.order_id = o.id
    WHERE o.creator = $1 AND o.created < $2 AND o.id > $3
        AND s.status IN ('Completed', 'SendConditionNotMet', 'Cancelled')
    ORDER BY o.id LIMIT $4"""

DELETE_TRACES: Final = (
    """DELETE FROM notifications n USING notification_states s
       WHERE s.order_id = ANY($1::uuid[]) AND n.id = s.notification_id""",
    "DELETE FROM events WHERE order_id = ANY($1::uuid[])",
    "DELETE FROM notification_log WHERE shipment_id = ANY($1::uuid[])",
    "DELETE FROM status_feed WHERE order_id = ANY($1::uuid[])",
    "DELETE FROM status_feed_outbox WHERE order_id = ANY($1::uuid[])",
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many old orders a creator has: those that have ended, and those that have not and stay."""

    ended: int
    unfinished: int


async def count_traffic(db: Database, creator: str, *, before: datetime) -> Traffic:
    """The orders of `creator` that were registered before `before` (UTC). Raises `DatabaseUnavailable`."""
    rows = await db.fetch(COUNT, creator, before)
    return Traffic(**rows[0])


async def delete_traffic(db: Database, creator: str, *, before: datetime) -> int:
    """Delete the ended ones, each with everything that tells of it, in batches; how many there were.

    What the metrics counted stays counted. Raises `DatabaseUnavailable`.
    """
    total, last = 0, UUID(int=0)
    while True:
        async with db.transaction() as connection:
            ids = [row["id"] for row in await connection.fetch(FIND, creator, before, last, ORDERS_AT_ONCE)]
            if not ids:
                return total
            await _delete(connection, ids)
        total, last = total + len(ids), ids[-1]


async def _delete(connection: Connection, ids: list[UUID]) -> None:
    for statement in DELETE_TRACES:
        await connection.execute(statement, ids)
    await delete_orders(connection, ids)
