"""Lists of orders, a page at a time, by key: what is unfinished with the oldest first, everything else newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from altinn_notifications.lifecycle import ORDER_MOVES, OrderStatus, OrderType

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from altinn_notifications.database.pool import Database

LINES_AT_ONCE: Final = 25
LOOKED_AT_MOST: Final = 5_000
"""Newest orders that are looked at for one page, so that a rare status costs no more than a common one."""
UNFINISHED: Final = frozenset(ORDER_MOVES)
NEWEST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One order of a list. `messages` and `failed` count its notifications."""

    id: UUID
    type: OrderType
    creator: str
    senders_reference: str | None
    created: datetime
    requested_send_time: datetime
    channel: str
    status: str
    messages: int
    failed: int


@dataclass(frozen=True, slots=True)
class OrderPage:
    """A page of a list. `following` is the last order looked at; the next page starts after it. None: that was all."""

    lines: tuple[OrderLine, ...]
    following: UUID | None


FIND_NEWEST: Final = """
    WITH looked_at AS (SELECT id FROM orders WHERE id < $1 ORDER BY id DESC LIMIT $4)
    SELECT s.order_id FROM looked_at JOIN order_states s ON s.order_id = looked_at.id
    WHERE s.status = ANY($2::text[]) ORDER BY s.order_id DESC LIMIT $3"""

FIND_LAST_LOOKED_AT: Final = "SELECT id FROM orders WHERE id < $1 ORDER BY id DESC OFFSET $2 - 1 LIMIT 1"

FIND_OLDEST_UNFINISHED: Final = """
    WITH place AS (
        SELECT coalesce(max(requested_send_time), '-infinity') AS time FROM order_states WHERE order_id = $1)
    SELECT oldest.order_id FROM place CROSS JOIN unnest($2::text[]) AS wanted (status)
    CROSS JOIN LATERAL (
        SELECT s.order_id, s.requested_send_time FROM order_states s
        WHERE s.status = wanted.status AND s.status IN ('Registered', 'Processing', 'Processed')
        AND (s.requested_send_time, s.order_id) > (place.time, $1)
        ORDER BY s.requested_send_time, s.order_id LIMIT $3) AS oldest
    ORDER BY oldest.requested_send_time, oldest.order_id LIMIT $3"""

DESCRIBE: Final = """
    SELECT o.id, o.type, o.creator, o.senders_reference, o.created, o.requested_send_time, o.channel, s.status,
           m.messages, m.failed
    FROM unnest($1::uuid[]) WITH ORDINALITY AS found (id, place)
    JOIN orders o ON o.id = found.id JOIN order_states s ON s.order_id = found.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS messages, count(*) FILTER (WHERE n.result LIKE 'Failed%') AS failed
        FROM notification_states n WHERE n.order_id = found.id) AS m
    ORDER BY found.place"""


async def list_orders(db: Database, statuses: Collection[OrderStatus], *, after: UUID | None = None) -> OrderPage:
    """At most 25 orders with one of `statuses`, from the one that follows `after` on.

    If every one of `statuses` is unfinished the order that was due first comes first; otherwise the newest does, and a
    page may hold few orders, or none, although `following` leads to more.
    """
    if UNFINISHED.issuperset(statuses):
        return await _list_oldest_unfinished(db, statuses, after)
    return await _list_newest(db, statuses, after)


async def describe_orders(db: Database, ids: Sequence[UUID]) -> tuple[OrderLine, ...]:
    """The orders with these ids, in the same order; an unknown id is left out."""
    rows = await db.fetch(DESCRIBE, ids)
    return tuple(OrderLine(**{**row, "type": OrderType(row["type"])}) for row in rows)


async def _list_newest(db: Database, statuses: Collection[OrderStatus], after: UUID | None) -> OrderPage:
    start, words = after or NEWEST, [str(status) for status in statuses]
    rows = await db.fetch(FIND_NEWEST, start, words, LINES_AT_ONCE, LOOKED_AT_MOST)
    ids = [row["order_id"] for row in rows]
    if len(ids) == LINES_AT_ONCE:
        return OrderPage(await describe_orders(db, ids), ids[-1])
    return OrderPage(await describe_orders(db, ids), await db.fetchval(FIND_LAST_LOOKED_AT, start, LOOKED_AT_MOST))


async def _list_oldest_unfinished(db: Database, statuses: Collection[OrderStatus], after: UUID | None) -> OrderPage:
    words = [str(status) for status in statuses]
    rows = await db.fetch(FIND_OLDEST_UNFINISHED, after or UUID(int=0), words, LINES_AT_ONCE)
    ids = [row["order_id"] for row in rows]
    return OrderPage(await describe_orders(db, ids), ids[-1] if len(ids) == LINES_AT_ONCE else None)
