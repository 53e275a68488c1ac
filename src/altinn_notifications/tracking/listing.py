"""Lists of orders, a page at a time, each by its own index: the last page costs what the first one does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import OrderType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database

LINES_AT_ONCE: Final = 25


class Selection(StrEnum):
    """Which orders. Unfinished ones come in the order in which they are due, all others the latest first."""

    ALL = "all"
    UNFINISHED = "unfinished"
    REGISTERED = "registered"
    PROCESSING = "processing"
    SENDING = "sending"
    COMPLETED = "completed"
    CONDITION_NOT_MET = "condition-not-met"
    CANCELLED = "cancelled"


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
    """A page of a list. The next one starts after the order `following`; None: this was the last."""

    lines: tuple[OrderLine, ...]
    following: UUID | None


FIND_ALL: Final = "SELECT id FROM orders WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"

FIND_UNFINISHED: Final = """
    WITH place AS (
        SELECT coalesce(max(requested_send_time), '-infinity') AS time FROM order_states WHERE order_id = $1)
    SELECT first_due.id FROM place CROSS JOIN unnest($3::text[]) AS wanted (status)
    CROSS JOIN LATERAL (
        SELECT s.order_id AS id, s.requested_send_time FROM order_states s
        WHERE s.status = wanted.status AND s.status IN ('Registered', 'Processing', 'Processed')
        AND (s.requested_send_time, s.order_id) > (place.time, coalesce($1, '00000000-0000-0000-0000-000000000000'))
        ORDER BY s.requested_send_time, s.order_id LIMIT $2) AS first_due
    ORDER BY first_due.requested_send_time, first_due.id LIMIT $2"""

# Nearly every entry of the feed is a completed order, so few others are passed over on the way.
FIND_COMPLETED: Final = """
    WITH place AS MATERIALIZED (SELECT created, sequence_number FROM status_feed WHERE order_id = $1)
    SELECT order_id AS id FROM status_feed
    WHERE (created, sequence_number) < (coalesce((SELECT created FROM place), 'infinity'),
                                        coalesce((SELECT sequence_number FROM place), 9223372036854775807))
    AND entry->>'status' = 'Order_Completed' ORDER BY created DESC, sequence_number DESC LIMIT $2"""

FIND_UNSENT: Final = """
    SELECT order_id AS id FROM order_states
    WHERE status = ($3::text[])[1] AND status IN ('SendConditionNotMet', 'Cancelled')
    AND ($1::uuid IS NULL OR order_id < $1) ORDER BY order_id DESC LIMIT $2"""

_FINDERS: Final[Mapping[Selection, tuple[str, ...]]] = {
    Selection.ALL: (FIND_ALL,),
    Selection.UNFINISHED: (FIND_UNFINISHED, "Registered", "Processing", "Processed"),
    Selection.REGISTERED: (FIND_UNFINISHED, "Registered"),
    Selection.PROCESSING: (FIND_UNFINISHED, "Processing"),
    Selection.SENDING: (FIND_UNFINISHED, "Processed"),
    Selection.COMPLETED: (FIND_COMPLETED,),
    Selection.CONDITION_NOT_MET: (FIND_UNSENT, "SendConditionNotMet"),
    Selection.CANCELLED: (FIND_UNSENT, "Cancelled"),
}

DESCRIBE: Final = """
    SELECT o.id, o.type, o.creator, o.senders_reference, o.created, o.requested_send_time, o.channel, s.status,
           m.messages, m.failed
    FROM unnest($1::uuid[]) WITH ORDINALITY AS found (id, place)
    JOIN orders o ON o.id = found.id JOIN order_states s ON s.order_id = found.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS messages, count(*) FILTER (WHERE n.result LIKE 'Failed%') AS failed
        FROM notification_states n WHERE n.order_id = found.id) AS m
    ORDER BY found.place"""


async def list_orders(db: Database, selection: Selection, *, after: UUID | None = None) -> OrderPage:
    """At most 25 orders of `selection`, from the one that follows `after` on.

    Completed orders are listed for as long as the status feed keeps them, which is 90 days.
    """
    query, *statuses = _FINDERS[selection]
    rows = await db.fetch(query, after, LINES_AT_ONCE, *([statuses] if statuses else []))
    ids = [row["id"] for row in rows]
    return OrderPage(await describe_orders(db, ids), ids[-1] if len(ids) == LINES_AT_ONCE else None)


async def describe_orders(db: Database, ids: Sequence[UUID]) -> tuple[OrderLine, ...]:
    """The orders with these ids, in the same order; an unknown id is left out."""
    rows = await db.fetch(DESCRIBE, ids)
    return tuple(OrderLine(**{**row, "type": OrderType(row["type"])}) for row in rows)
