"""Finding an order by what somebody has at hand: an id from a receipt or a log, or a reference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database

HITS_AT_MOST: Final = 50
LONGEST_TEXT: Final = 1_000


class FoundBy(StrEnum):
    """What the text turned out to be."""

    ORDER = "order id"
    CHAIN = "order chain id"
    NOTIFICATION = "notification id"
    PROVIDER_REFERENCE = "provider reference"
    SENDERS_REFERENCE = "sender's reference"


@dataclass(frozen=True, slots=True)
class Hit:
    """An order that was found, and the notification in it if one was."""

    found_by: FoundBy
    order_id: UUID
    notification_id: UUID | None = None


FIND_ORDERS: Final = """
    SELECT id AS order_id, 'order id' AS found_by FROM orders WHERE id = $1
    UNION ALL SELECT (receipt->'main'->>0)::uuid, 'order chain id' FROM order_chains WHERE id = $1"""

FIND_NOTIFICATION: Final = """
    SELECT order_id, id AS notification_id, 'notification id' AS found_by FROM notifications WHERE id = $1"""

FIND_REFERENCE: Final = """
    SELECT order_id, notification_id, 'provider reference' AS found_by FROM notification_states
    WHERE channel IN ('Email', 'Sms') AND provider_reference = $1"""

FIND_PLACE: Final = """
    SELECT count(*) FROM notifications n JOIN notification_states peer ON peer.order_id = n.order_id
    JOIN notifications before ON before.id = peer.notification_id
    AND (before.channel, before.position, before.id) < (n.channel, n.position, n.id) WHERE n.id = $1"""

# The index starts with the creator: each of them is stepped to, instead of reading every reference there is.
FIND_SENDERS_REFERENCE: Final = """
    WITH RECURSIVE creators AS (
        (SELECT creator FROM orders WHERE senders_reference IS NOT NULL ORDER BY creator LIMIT 1)
        UNION ALL
        SELECT (SELECT o.creator FROM orders o WHERE o.senders_reference IS NOT NULL AND o.creator > creators.creator
                ORDER BY o.creator LIMIT 1)
        FROM creators WHERE creators.creator IS NOT NULL
    )
    SELECT found.id AS order_id, 'sender''s reference' AS found_by FROM creators
    CROSS JOIN LATERAL (SELECT o.id FROM orders o
        WHERE o.creator = creators.creator AND left(o.senders_reference, 100) = left($1, 100)
        AND o.senders_reference = $1 LIMIT $2) AS found
    ORDER BY found.id DESC LIMIT $2"""


async def search(db: Database, text: str) -> list[Hit]:
    """The orders that `text` names exactly, newest first, and at most 50; letter case matters except in ids."""
    wanted = text.strip()
    if not wanted or len(wanted) > LONGEST_TEXT or "\x00" in wanted:
        return []
    rows = list(await db.fetch(FIND_REFERENCE, wanted))
    if (as_id := _as_uuid(wanted)) is not None:
        rows += await db.fetch(FIND_ORDERS, as_id)
        rows += await db.fetch(FIND_NOTIFICATION, as_id)
    rows += await db.fetch(FIND_SENDERS_REFERENCE, wanted, HITS_AT_MOST)
    return [Hit(**{**row, "found_by": FoundBy(row["found_by"])}) for row in rows]


async def place_of(db: Database, notification_id: UUID) -> int:
    """The index of a notification among those of its order; 0 if it is unknown."""
    return int(await db.fetchval(FIND_PLACE, notification_id))


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
