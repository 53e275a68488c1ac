"""Tables that are cut by time: partitions are made ahead, and what is too old goes away with its partition.

What belongs to no partition is kept in the default one, so no row is ever refused; it moves to its own when that is
made. Whoever changes partitions waits for locks only a moment and otherwise leaves it to the next round, because
everybody who wants the table queues up behind whoever waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

from altinn_notifications.database.pool import LONG_STATEMENT_SECONDS
from altinn_notifications.identifiers import first_id_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from altinn_notifications.database.pool import Connection, Database

PARTITION_LOCK: Final = 0x70617274  # any number that nobody else uses: "part"
LONGEST_WAIT: Final = "300ms"
"""For a lock on a table. Whoever reads or writes it meanwhile waits as long."""
PERIODS_AHEAD: Final = 2
DELETED_AT_ONCE: Final = 10_000
log = structlog.get_logger()


class Period(Enum):
    """How much time one partition holds, in UTC: a week from Monday, or a month."""

    WEEK = "week"
    MONTH = "month"

    def start(self, moment: datetime) -> datetime:
        """When the period that holds `moment` began."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day - timedelta(days=day.weekday()) if self is Period.WEEK else day.replace(day=1)

    def next(self, start: datetime) -> datetime:
        """When the period after the one that began at `start` begins."""
        return self.start(start + timedelta(days=7 if self is Period.WEEK else 31))


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table that is cut by `key`: a time, or with `by_id` an id that begins with its time."""

    name: str
    key: str
    period: Period
    by_id: bool = False

    @property
    def default(self) -> str:
        """The partition of what belongs to no other."""
        return f"{self.name}_default"

    def bound(self, moment: datetime) -> Any:
        """The value of the key from which on rows are of `moment` or later."""
        return first_id_at(moment) if self.by_id else moment


@dataclass(frozen=True, slots=True)
class Partition:
    """The part of a table that holds what is dated from `start` to before `end`."""

    table: PartitionedTable
    start: datetime

    @property
    def name(self) -> str:
        """The name of the partition as a table of its own."""
        return f"{self.table.name}_{self.start:%Y%m%d}"

    @property
    def end(self) -> datetime:
        """When the next one begins."""
        return self.table.period.next(self.start)

    @property
    def bounds(self) -> tuple[Any, Any]:
        """The lowest key that it holds, and the lowest that it does not hold any more."""
        return self.table.bound(self.start), self.table.bound(self.end)


# The feed is short-lived and read through all of its partitions at once; the others are read by key or time.
STATUS_FEED: Final = PartitionedTable("status_feed", "created", Period.WEEK)
NOTIFICATION_LOG: Final = PartitionedTable("notification_log", "last_update_time", Period.MONTH)
EVENTS: Final = PartitionedTable("events", "at", Period.MONTH)
DELIVERY_REPORTS: Final = PartitionedTable("delivery_reports", "received", Period.MONTH)
NOTIFICATIONS: Final = PartitionedTable("notifications", "id", Period.MONTH, by_id=True)
PARTITIONED_TABLES: Final = (STATUS_FEED, NOTIFICATION_LOG, EVENTS, DELIVERY_REPORTS, NOTIFICATIONS)

FIND_PARTITIONS: Final = """
    SELECT c.relname AS name, p.relname AS table FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhparent = ANY($1::text[]::regclass[])"""

SET_LONGEST_WAIT: Final = "SELECT set_config('lock_timeout', $1, true)"
LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
EXISTS: Final = "SELECT to_regclass($1) IS NOT NULL"


async def make_ahead(db: Database, now: datetime, *, ids_at: datetime | None = None) -> list[Partition]:
    """Make the partitions that rows dated `now` (UTC) or up to two periods later belong to, and return them.

    `ids_at` is the time by which ids are made, if it is another one: that of the machine while clocks are turned.
    Several processes may do so at once. What cannot be made now, because somebody uses the table for long, is left
    to the next call. Raises `DatabaseUnavailable`.
    """
    existing = {partition.name for partition in await find_partitions(db)}
    wanted = [p for table in PARTITIONED_TABLES for p in _from(table, (ids_at or now) if table.by_id else now)]
    made = [p for p in wanted if p.name not in existing and await _unless_busy(db, p, _make)]
    if made:
        log.info("partitions_made", count=len(made))
    return made


async def drop_before(
    db: Database, table: PartitionedTable, cutoff: datetime, *, unless: str | None = None
) -> list[Partition]:
    """Drop the partitions whose rows are all dated before `cutoff` (UTC), oldest first, and return them.

    `unless` is a query that says of a partition, by its bounds, whether it is still needed. While another process works
    on partitions, or somebody uses the table for long, the rest is left to the next call. Raises `DatabaseUnavailable`.
    """
    old = [p for p in await find_partitions(db) if p.table is table and p.end <= cutoff]
    dropped = [partition for partition in old if await _unless_busy(db, partition, _drop, unless)]
    if dropped:
        log.info("partitions_dropped", table=table.name, count=len(dropped), newest=dropped[-1].name)
    return dropped


async def delete_unplaced_before(db: Database, table: PartitionedTable, cutoff: datetime) -> int:
    """Delete rows dated before `cutoff` (UTC) that belong to no partition, and return how many there were."""
    total = 0
    while deleted := await db.fetchval(_delete_unplaced(table), table.bound(cutoff), DELETED_AT_ONCE):
        total += deleted
    return total


async def find_partitions(db: Database) -> list[Partition]:
    """Every partition there is but the default ones, oldest first."""
    tables = {table.name: table for table in PARTITIONED_TABLES}
    rows = await db.fetch(FIND_PARTITIONS, list(tables))
    found = [Partition(tables[row["table"]], start) for row in rows if (start := _start_in(row["name"])) is not None]
    return sorted(found, key=lambda partition: partition.start)


def _start_in(name: str) -> datetime | None:
    digits = name.rsplit("_", 1)[1]
    return datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC) if digits.isdigit() else None


def _from(table: PartitionedTable, moment: datetime) -> Iterator[Partition]:
    start = table.period.start(moment)
    for _ in range(1 + PERIODS_AHEAD):
        yield Partition(table, start)
        start = table.period.next(start)


async def _unless_busy(
    db: Database, partition: Partition, work: Callable[..., Awaitable[bool]], *details: str | None
) -> bool:
    """Do `work` on the partition in a transaction that waits for locks only a moment; whether it was done."""
    try:
        async with db.transaction() as connection:
            await connection.execute(SET_LONGEST_WAIT, LONGEST_WAIT)
            return await work(connection, partition, *details)
    except asyncpg.LockNotAvailableError:
        log.warning("partition_left_for_later", partition=partition.name)
        return False


async def _make(connection: Connection, partition: Partition) -> bool:
    await connection.execute(LOCK, PARTITION_LOCK)
    if await connection.fetchval(EXISTS, partition.name):
        return False
    for statement in _making(partition):
        await connection.execute(statement, timeout=LONG_STATEMENT_SECONDS)
    return True


def _making(partition: Partition) -> Iterable[str]:
    """The table closes for the moment that this takes, and rows that came before their partition move into it.

    Otherwise whoever had looked up the partitions already, and waits for the default one alone, would find the rows in
    neither place, or would be refused a row that belongs there no more.
    """
    name, table = partition.name, partition.table
    low, high = (f"'{bound}'" for bound in partition.bounds)
    return (
        f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"LOCK TABLE ONLY {table.name} IN ACCESS EXCLUSIVE MODE",
        f"""WITH moved AS (DELETE FROM {table.default} WHERE {table.key} >= {low} AND {table.key} < {high} RETURNING *)
            INSERT INTO {name} SELECT * FROM moved""",  # noqa: S608 - names and bounds are this module's own
        f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})",
    )


async def _drop(connection: Connection, partition: Partition, unless: str | None) -> bool:
    if not await connection.fetchval(TRY_LOCK, PARTITION_LOCK):
        return False
    if unless is not None and await connection.fetchval(unless, *partition.bounds):
        return False
    await connection.execute(f"DROP TABLE IF EXISTS {partition.name}", timeout=LONG_STATEMENT_SECONDS)
    return True


def _delete_unplaced(table: PartitionedTable) -> str:
    return f"""
    WITH deleted AS (
        DELETE FROM {table.default} WHERE ctid IN
            (SELECT ctid FROM {table.default} WHERE {table.key} < $1 LIMIT $2)
        RETURNING 1
    )
    SELECT count(*) FROM deleted"""  # noqa: S608 - names are this module's own
