from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from altinn_notifications.database.pool import prepare_connection
from altinn_notifications.identifiers import new_id
from altinn_notifications.tracking import feed
from altinn_notifications.tracking.feed import (
    CLEANUP_LOCK,
    NUMBERING_LOCK,
    FeedQuery,
    delete_old_entries,
    publish,
    read_feed,
)
from support.rows import a_feed_document, a_feed_entry, insert, insert_numbered
from support.times import DAY, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database

LATER = NOON + MINUTE


async def page(
    db: Database,
    seq: int = 0,
    size: int = 500,
    *,
    creator: str = "ttd",
    descending: bool = False,
    now: datetime = LATER,
) -> list[dict[str, Any]]:
    return await read_feed(db, FeedQuery(seq, size, descending), creator=creator, now=now)


def numbers(entries: Sequence[dict[str, Any]]) -> list[int]:
    return [entry["sequenceNumber"] for entry in entries]


def shipments(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry["shipmentId"] for entry in entries]


async def four_entries(db: Database) -> list[str]:
    return [str((await insert(db, a_feed_entry())).order_id) for _ in range(4)]


async def test_a_feed_without_entries_is_empty(db: Database) -> None:
    assert await page(db) == []


async def test_entries_are_read_forward_in_the_order_they_were_written(db: Database) -> None:
    written = await four_entries(db)
    entries = await page(db)
    assert shipments(entries) == written
    assert numbers(entries) == sorted(set(numbers(entries)))


async def test_the_highest_number_of_a_page_is_where_the_next_one_starts(db: Database) -> None:
    written = await four_entries(db)
    first = await page(db, size=3)
    second = await page(db, first[-1]["sequenceNumber"], size=3)
    assert shipments(first + second) == written
    assert await page(db, second[-1]["sequenceNumber"]) == []


async def test_descending_from_zero_gives_the_newest_and_from_one_nothing(db: Database) -> None:
    written = await four_entries(db)
    assert shipments(await page(db, 0, 1, descending=True)) == written[-1:]
    assert await page(db, 1, descending=True) == []


async def test_two_descending_pages_hold_everything_without_overlap(db: Database) -> None:
    written = await four_entries(db)
    first = await page(db, 0, 2, descending=True)
    second = await page(db, first[-1]["sequenceNumber"], 2, descending=True)
    assert shipments(first + second) == written[::-1]


async def test_the_largest_possible_number_may_be_asked_for(db: Database) -> None:
    written = await four_entries(db)
    assert await page(db, 2**63 - 1) == []
    assert shipments(await page(db, 2**63 - 1, descending=True)) == written[::-1]


async def test_an_entry_is_shown_when_it_is_two_seconds_old(db: Database) -> None:
    await insert(db, a_feed_entry(created=NOON))
    assert await page(db, now=NOON + 1.9 * SECOND) == []
    assert len(await page(db, now=NOON + 2 * SECOND)) == 1


async def test_each_organisation_sees_its_own_entries_with_gaps_in_the_numbers(db: Database) -> None:
    for creator in ("ttd", "skd") * 3:
        await insert(db, a_feed_entry(creator=creator))
    mine, theirs = await page(db), await page(db, creator="skd")
    assert (len(mine), len(theirs)) == (3, 3)
    assert sorted(numbers(mine) + numbers(theirs)) == list(range(1, 7))
    assert numbers(mine)[1] - numbers(mine)[0] == 2
    assert await page(db, creator="TTD") == []


async def test_an_order_that_waits_for_its_number_keeps_its_first_entry(db: Database) -> None:
    first = await insert(db, a_feed_entry())
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(db, a_feed_entry(order_id=first.order_id))
    assert shipments(await page(db)) == [str(first.order_id)]


async def test_a_corrupt_entry_is_skipped_and_logged_and_does_not_end_the_page(db: Database) -> None:
    await insert(db, a_feed_entry(entry="no entry"))
    await insert(db, a_feed_entry(entry=a_feed_document(recipients=[{"destination": 5}])))
    good = await insert(db, a_feed_entry())
    with capture_logs() as logged:
        assert shipments(await page(db, size=1)) == [str(good.order_id)]
    assert [entry["event"] for entry in logged] == ["corrupt_feed_entry_skipped"] * 2


async def test_entries_of_ninety_days_are_deleted_and_younger_ones_stay(db: Database) -> None:
    await insert_numbered(db, a_feed_entry(created=NOON - 91 * DAY))
    await insert_numbered(db, a_feed_entry(created=NOON - 90 * DAY))
    kept = await insert_numbered(db, a_feed_entry(created=NOON - 89 * DAY))
    assert await delete_old_entries(db, now=NOON, limit=10_000) == 2
    assert numbers(await page(db)) == [kept]


async def test_a_clean_up_deletes_at_most_its_limit_and_the_next_one_goes_on(db: Database) -> None:
    for age in (91, 92, 93):
        await insert_numbered(db, a_feed_entry(created=NOON - age * DAY))
    assert [await delete_old_entries(db, now=NOON, limit=2) for _ in range(3)] == [2, 1, 0]


async def test_a_clean_up_beside_another_one_deletes_nothing(db: Database) -> None:
    await insert_numbered(db, a_feed_entry(created=NOON - 91 * DAY))
    async with db.transaction() as other:
        await other.execute("SELECT pg_advisory_xact_lock($1)", CLEANUP_LOCK)
        assert await delete_old_entries(db, now=NOON, limit=10) == 0
    assert await delete_old_entries(db, now=NOON, limit=10) == 1


async def test_numbers_are_not_used_again_after_a_clean_up(db: Database) -> None:
    old = await insert_numbered(db, a_feed_entry(created=NOON - 91 * DAY))
    await delete_old_entries(db, now=NOON, limit=10)
    await insert(db, a_feed_entry())
    assert numbers(await page(db)) == [old + 1]


async def test_a_slow_transaction_is_not_overtaken(db: Database, database_url: str) -> None:
    slow = await connect(database_url)
    async with slow.transaction():
        late = await insert(slow, a_feed_entry())
        early = await insert(db, a_feed_entry())
        seen = await page(db)
    seen += await page(db, seen[-1]["sequenceNumber"])
    await slow.close()
    assert shipments(seen) == [str(early.order_id), str(late.order_id)]
    assert numbers(seen) == sorted(numbers(seen))


async def test_while_one_hands_out_numbers_others_read_what_is_there(db: Database, database_url: str) -> None:
    known = await insert_numbered(db, a_feed_entry())
    await insert(db, a_feed_entry())
    slow = await connect(database_url)
    async with slow.transaction():
        assert await publish(slow, now=LATER) == 1
        assert numbers(await page(db)) == [known]
        await insert(db, a_feed_entry())
        assert numbers(await page(db)) == [known]
    await slow.close()
    assert numbers(await page(db)) == [known, known + 1, known + 2]


async def test_a_publisher_that_dies_leaves_its_entries_to_the_next(db: Database, database_url: str) -> None:
    written = await four_entries(db)
    dying = await connect(database_url)
    await dying.transaction().start()
    await publish(dying, now=LATER)
    dying.terminate()
    async with asyncio.timeout(5), db.transaction() as waiting:
        await waiting.execute("SELECT pg_advisory_xact_lock($1)", NUMBERING_LOCK)
    assert shipments(await page(db)) == written


async def test_many_readers_writers_and_publishers_at_once_lose_nothing(db: Database) -> None:
    done = asyncio.Event()
    readers = [asyncio.create_task(follow(db, done)) for _ in range(2)]
    written = await asyncio.gather(*(write_slowly(db, number) for number in range(12)))
    done.set()
    for seen in await asyncio.gather(*readers):
        assert sorted(shipments(seen)) == sorted(str(order_id) for group in written for order_id in group)
        assert numbers(seen) == sorted(set(numbers(seen)))


async def test_everything_that_waits_is_numbered_in_several_transactions(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PUBLISHED_AT_ONCE", 2)
    written = [*await four_entries(db), *await four_entries(db)]
    assert await feed.publish_waiting(db, now=NOON) == 0
    assert await feed.publish_waiting(db, now=LATER) == 8
    assert shipments(await page(db)) == written


async def test_numbering_waits_for_no_one_who_only_writes(db: Database) -> None:
    async with db.transaction() as holder:
        await holder.execute("SELECT pg_advisory_xact_lock($1)", NUMBERING_LOCK)
        await asyncio.wait_for(insert(db, a_feed_entry()), timeout=5)


async def write_slowly(db: Database, number: int) -> list[UUID]:
    order_ids = [new_id() for _ in range(5)]
    for order_id in order_ids:
        async with db.transaction() as connection:
            await insert(connection, a_feed_entry(order_id=order_id))
            await asyncio.sleep(0.001 * (number % 4))
    return order_ids


async def follow(db: Database, done: asyncio.Event) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    while True:
        last_round = done.is_set()
        entries = await page(db, seen[-1]["sequenceNumber"] if seen else 0, size=3)
        seen += entries
        if last_round and not entries:
            return seen


async def connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    await prepare_connection(connection)
    return connection
