from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.database.partitions import (
    EVENTS,
    LONGEST_WAIT,
    NOTIFICATIONS,
    PARTITION_LOCK,
    PARTITIONED_TABLES,
    STATUS_FEED,
    Partition,
    Period,
    delete_unplaced_before,
    drop_before,
    find_partitions,
    make_ahead,
)
from altinn_notifications.database.pool import Database
from altinn_notifications.events import Kind
from altinn_notifications.identifiers import first_id_at, new_id
from support.rows import a_feed_entry, a_stored_email, an_event, insert, insert_numbered
from support.times import DAY, HOUR, NOON

if TYPE_CHECKING:
    from datetime import datetime

LATER = NOON + 200 * DAY


async def names(db: Database, table: str) -> list[str]:
    return [partition.name for partition in await find_partitions(db) if partition.table.name == table]


async def homes(db: Database, table: str) -> list[str]:
    rows = await db.fetch(f"SELECT tableoid::regclass::text AS home FROM {table} ORDER BY 1")  # noqa: S608 - our names
    return [row["home"] for row in rows]


async def event_at(db: Database, moment: datetime) -> None:
    await insert(db, an_event(new_id(), Kind.TERMINATED, at=moment))


@pytest.mark.parametrize(
    ("period", "starts", "following"),
    [(Period.WEEK, "2026-03-02", "2026-03-09"), (Period.MONTH, "2026-03-01", "2026-04-01")],
)
def test_a_period_begins_at_midnight_in_utc(period: Period, starts: str, following: str) -> None:
    assert str(period.start(NOON).date()) == starts
    assert str(period.next(period.start(NOON)).date()) == following


def test_ids_of_a_moment_begin_where_those_of_the_one_before_end() -> None:
    assert first_id_at(NOON) < first_id_at(NOON + HOUR)
    assert str(first_id_at(NOON)).startswith(f"{int(NOON.timestamp() * 1000):012x}"[:8])


async def test_partitions_are_made_for_now_and_two_periods_ahead(db: Database) -> None:
    made = await make_ahead(db, LATER)
    assert {partition.table for partition in made} == set(PARTITIONED_TABLES)
    assert [p.name for p in made if p.table is EVENTS] == ["events_20260901", "events_20261001", "events_20261101"]
    assert len([p for p in made if p.table is STATUS_FEED]) == 3
    assert await make_ahead(db, LATER) == []


async def test_a_row_goes_into_the_partition_of_its_time(db: Database) -> None:
    await event_at(db, NOON)
    email = await insert(db, a_stored_email(new_id(), id=first_id_at(NOON)))
    assert await homes(db, "events") == ["events_20260301"]
    assert await homes(db, "notifications") == ["notifications_20260301"]
    assert email.id == await db.fetchval("SELECT id FROM notifications_20260301")


async def test_a_row_without_a_partition_is_kept_and_moves_when_its_partition_is_made(db: Database) -> None:
    for moment in (LATER - 400 * DAY, LATER, LATER + HOUR):
        await event_at(db, moment)
    before = await db.fetch("SELECT * FROM events ORDER BY id")
    assert await homes(db, "events") == ["events_default"] * 3
    await make_ahead(db, LATER)
    assert await homes(db, "events") == ["events_20260901"] * 2 + ["events_default"]
    assert await db.fetch("SELECT * FROM events ORDER BY id") == before


async def test_many_processes_make_each_partition_once(db: Database, database_url: str) -> None:
    others = [await Database.connect(database_url, pool_size=1) for _ in range(4)]
    made = await asyncio.gather(*(make_ahead(other, LATER) for other in others))
    for other in others:
        await other.close()
    made.append(await make_ahead(db, LATER))  # who waited too long for the others leaves the rest to the next round
    every = [partition.name for one in made for partition in one]
    assert len(every) == len(set(every)) == 3 * len(PARTITIONED_TABLES)


async def test_a_clock_that_is_turned_by_months_finds_its_partitions(db: Database) -> None:
    for months in range(1, 8):
        moment = NOON + months * 31 * DAY
        await make_ahead(db, moment)
        await event_at(db, moment)
        assert f"events_{Period.MONTH.start(moment):%Y%m%d}" in await homes(db, "events")
    assert "events_default" not in await homes(db, "events")


async def test_only_partitions_that_are_old_as_a_whole_are_dropped(db: Database) -> None:
    await make_ahead(db, NOON + 31 * DAY)
    for day in (1, 31, 62):
        await event_at(db, NOON + day * DAY)
    dropped = await drop_before(db, EVENTS, NOON + 40 * DAY)
    assert [partition.name for partition in dropped] == ["events_20260301"]
    assert await homes(db, "events") == ["events_20260401", "events_20260501"]
    assert await drop_before(db, EVENTS, NOON + 40 * DAY) == []


async def test_a_partition_that_is_still_needed_stays(db: Database) -> None:
    email = await insert(db, a_stored_email(new_id(), id=first_id_at(NOON)))
    query = "SELECT EXISTS (SELECT FROM notification_states WHERE notification_id >= $1 AND notification_id < $2)"
    assert await drop_before(db, NOTIFICATIONS, NOON + 40 * DAY, unless=query) == []
    await db.execute("DELETE FROM notification_states WHERE notification_id = $1", email.id)
    assert len(await drop_before(db, NOTIFICATIONS, NOON + 40 * DAY, unless=query)) == 1


async def test_old_rows_without_a_partition_are_deleted(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("altinn_notifications.database.partitions.DELETED_AT_ONCE", 2)
    for age in (399, 400, 401, 402, 403):
        await event_at(db, NOON - age * DAY)
    assert await delete_unplaced_before(db, EVENTS, NOON - 400 * DAY) == 3
    assert await db.fetchval("SELECT count(*) FROM events") == 2


async def test_whoever_uses_a_table_for_long_is_not_waited_for(db: Database) -> None:
    await insert_numbered(db, a_feed_entry(created=NOON))
    async with db.transaction() as reader:
        await reader.fetch("SELECT FROM status_feed")
        assert await drop_before(db, STATUS_FEED, NOON + 8 * DAY) == []
        made = await make_ahead(db, LATER)
        assert STATUS_FEED not in {partition.table for partition in made}
        assert EVENTS in {partition.table for partition in made}
    assert len(await drop_before(db, STATUS_FEED, NOON + 8 * DAY)) == 1
    assert {partition.table for partition in await make_ahead(db, LATER)} == {STATUS_FEED}


async def test_writers_wait_only_a_moment_for_whoever_waits_for_a_reader(db: Database) -> None:
    async with db.transaction() as reader:
        await reader.fetch("SELECT FROM status_feed")
        dropping = asyncio.create_task(drop_before(db, STATUS_FEED, NOON + 8 * DAY))
        async with asyncio.timeout(10):
            await insert_numbered(db, a_feed_entry(created=NOON))
        assert await dropping == []
    assert LONGEST_WAIT.removesuffix("ms").isdigit()


async def test_while_another_process_works_on_partitions_nothing_is_dropped(db: Database) -> None:
    async with db.transaction() as other:
        await other.execute("SELECT pg_advisory_xact_lock($1)", PARTITION_LOCK)
        assert await drop_before(db, EVENTS, LATER) == []
        assert await make_ahead(db, LATER) == []
    assert len(await drop_before(db, EVENTS, LATER)) == 3


async def test_an_index_that_a_migration_adds_is_on_every_partition(db: Database) -> None:
    await make_ahead(db, LATER)
    query = "SELECT count(*) FROM pg_indexes WHERE tablename = $1"
    counts = {await db.fetchval(query, name) for name in await names(db, "notifications")}
    assert counts == {await db.fetchval(query, "notifications_default")}


def test_a_partition_says_what_it_holds() -> None:
    partition = Partition(EVENTS, Period.MONTH.start(NOON))
    assert (partition.name, str(partition.end.date())) == ("events_20260301", "2026-04-01")
