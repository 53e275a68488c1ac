"""The status feed: who may read past a number has seen everything below it (design promise 8).

An order's entry is written to the outbox by the transaction that ends the order, without a number. It gets its number
here, when it is old enough to be shown: whoever hands out numbers holds a lock until they are committed, so numbers
become visible strictly in their order, however slowly the transactions that wrote the entries have committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from altinn_notifications.database.partitions import STATUS_FEED, drop_before
from altinn_notifications.tracking.feed_entry import CorruptEntry, numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import asyncpg

    from altinn_notifications.database.pool import Connection, Database

log = structlog.get_logger()

VISIBLE_AFTER: Final = timedelta(seconds=2)
"""Age at which an entry is shown (spec 06, 5.5)."""
KEPT_FOR: Final = timedelta(days=90)
"""Age at which an entry may be deleted, unless an operator has set another (spec 06, 5.6)."""
PUBLISHED_AT_ONCE: Final = 5_000
LARGEST_NUMBER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """Which entries a reader wants: those after `seq`, or with `descending` those before it, newest first.

    `seq` is exclusive; descending from 0 gives the newest. Source: spec 06, 5.2.
    """

    seq: int
    page_size: int
    descending: bool


# Any numbers that nobody else uses: "feed" and "old".
NUMBERING_LOCK: Final = 0x66656564
CLEANUP_LOCK: Final = 0x6F6C64

TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

IS_WAITING: Final = "SELECT EXISTS (SELECT FROM status_feed_outbox WHERE created <= $1)"

# A volatile default is computed after the sort, so numbers follow the outbox's order.
PUBLISH: Final = """
    WITH moved AS (
        DELETE FROM status_feed_outbox WHERE id IN
            (SELECT id FROM status_feed_outbox WHERE created <= $1 ORDER BY id LIMIT $2)
        RETURNING id, creator, order_id, created, entry
    ), published AS (
        INSERT INTO status_feed (creator, order_id, created, entry)
        SELECT creator, order_id, created, entry FROM moved ORDER BY id
    )
    SELECT count(*) FROM moved"""

READ_FORWARD: Final = """
    SELECT sequence_number, entry FROM status_feed WHERE creator = $1 AND sequence_number > $2
    ORDER BY sequence_number LIMIT $3"""

READ_BACKWARD: Final = """
    SELECT sequence_number, entry FROM status_feed WHERE creator = $1 AND sequence_number < $2
    ORDER BY sequence_number DESC LIMIT $3"""

DELETE_OLD: Final = """
    WITH old AS MATERIALIZED (
        SELECT creator, sequence_number, created FROM status_feed
        WHERE created <= $1 ORDER BY created, sequence_number LIMIT $2
    ), deleted AS (
        DELETE FROM status_feed USING old
        WHERE (status_feed.creator, status_feed.sequence_number, status_feed.created)
            = (old.creator, old.sequence_number, old.created)
        RETURNING 1
    )
    SELECT count(*) FROM deleted"""


async def publish(connection: Connection, *, now: datetime) -> int:
    """Number the entries that are old enough at `now`, at most 5,000, and return how many were taken up.

    If somebody else is doing so at this moment nothing is done, and 0 returned: the lock is held to the commit. The
    transaction must not have been opened with a stricter isolation level than READ COMMITTED.
    """
    async with connection.transaction():
        if not await connection.fetchval(TRY_LOCK, NUMBERING_LOCK):
            return 0
        return int(await connection.fetchval(PUBLISH, now - VISIBLE_AFTER, PUBLISHED_AT_ONCE))


async def publish_waiting(db: Database, *, now: datetime) -> int:
    """Number everything that is old enough at `now`, in transactions of 5,000, and return how many were taken up."""
    total = 0
    async with db.connection() as connection:
        while await connection.fetchval(IS_WAITING, now - VISIBLE_AFTER):
            taken = await publish(connection, now=now)
            total += taken
            if taken < PUBLISHED_AT_ONCE:
                break
    return total


async def read_feed(db: Database, query: FeedQuery, *, creator: str, now: datetime) -> list[dict[str, Any]]:
    """A page of `creator`'s entries, as they are sent.

    What is old enough at `now` is published first. A corrupt entry is skipped and logged, and its place in the page is
    taken by the next one: an empty page always means that nothing is left.
    """
    async with db.connection() as connection:
        if await connection.fetchval(IS_WAITING, now - VISIBLE_AFTER):
            await publish(connection, now=now)
        return await _read_page(connection, query, creator)


async def delete_old_entries(db: Database, *, now: datetime, limit: int, kept_for: timedelta = KEPT_FOR) -> int:
    """Delete what is `kept_for` old at `now`: whole partitions, then at most `limit` entries, and return how many.

    The oldest go first. While another clean-up runs no entry is deleted. Source: spec 06, 5.6.
    """
    await drop_before(db, STATUS_FEED, now - kept_for)
    async with db.transaction() as connection:
        if not await connection.fetchval(TRY_LOCK, CLEANUP_LOCK):
            return 0
        return int(await connection.fetchval(DELETE_OLD, now - kept_for, limit))


async def _read_page(connection: Connection, query: FeedQuery, creator: str) -> list[dict[str, Any]]:
    page: list[dict[str, Any]] = []
    seq = LARGEST_NUMBER if query.descending and query.seq == 0 else query.seq
    while len(page) < query.page_size:
        wanted = query.page_size - len(page)
        rows = await connection.fetch(READ_BACKWARD if query.descending else READ_FORWARD, creator, seq, wanted)
        page += _readable(rows)
        if len(rows) < wanted:
            break
        seq = rows[-1]["sequence_number"]
    return page


def _readable(rows: Sequence[asyncpg.Record]) -> Iterable[dict[str, Any]]:
    for row in rows:
        try:
            yield numbered(row["sequence_number"], row["entry"])
        except CorruptEntry as error:
            log.error("corrupt_feed_entry_skipped", sequence_number=row["sequence_number"], property=str(error))  # noqa: TRY400 - a traceback would add nothing
