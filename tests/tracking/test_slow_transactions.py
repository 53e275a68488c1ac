"""Transactions that take long while a client follows the feed over HTTP: it misses nothing and sees nothing twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from altinn_notifications.database.partitions import STATUS_FEED, drop_before, make_ahead
from altinn_notifications.database.pool import prepare_connection
from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.orders.completion import complete_finished
from altinn_notifications.tracking.feed import NUMBERING_LOCK, FeedQuery, publish, read_feed
from support.rows import a_feed_entry, a_stored_email, a_stored_order, insert
from support.times import DAY, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Connection, Database

HALF_A_MINUTE = 30 * SECOND


class Follower:
    """A client that asks for what comes after the highest number it has seen."""

    def __init__(self, client: httpx.AsyncClient, page_size: int = 2) -> None:
        self.client, self.page_size = client, page_size
        self.numbers: list[int] = []
        self.shipments: list[str] = []

    async def catch_up(self) -> list[str]:
        """Read pages until one is empty, and return the shipments that were on them."""
        known = len(self.shipments)
        while entries := await self._page():
            self.numbers += [entry["sequenceNumber"] for entry in entries]
            self.shipments += [entry["shipmentId"] for entry in entries]
        return self.shipments[known:]

    async def _page(self) -> list[dict[str, Any]]:
        seq = self.numbers[-1] if self.numbers else 0
        response = await self.client.get("/shipment/feed", params={"seq": seq, "pageSize": self.page_size})
        assert response.status_code == 200
        return list(response.json())


@pytest.fixture
def follower(client: httpx.AsyncClient) -> Follower:
    return Follower(client)


@pytest.fixture
async def slow(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of somebody who takes his time to commit."""
    connection = await asyncpg.connect(database_url)
    await prepare_connection(connection)
    yield connection
    await connection.close()


async def an_order_at_its_end(db: Database) -> UUID:
    """An order whose only message has just got its final result."""
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    await insert(db, a_stored_email(order.id, result="Delivered"))
    return order.id


async def complete(connection: Connection, order_id: UUID, clock: FixedClock) -> str:
    assert await complete_finished(connection, [order_id], now=clock.now()) == [order_id]
    return str(order_id)


async def completed(db: Database, clock: FixedClock) -> str:
    """An order that ends in a transaction of its own, committed at once."""
    order_id = await an_order_at_its_end(db)
    async with db.transaction() as connection:
        return await complete(connection, order_id, clock)


async def test_a_client_misses_nothing_of_an_order_that_a_transaction_of_thirty_seconds_ends(
    db: Database, clock: FixedClock, follower: Follower, slow: asyncpg.Connection[asyncpg.Record]
) -> None:
    late_order = await an_order_at_its_end(db)
    async with slow.transaction():
        late = await complete(slow, late_order, clock)
        expected = []
        for _ in range(10):
            expected.append(await completed(db, clock))
            clock.turn(HALF_A_MINUTE / 10)
            await follower.catch_up()
        clock.turn(2 * SECOND)
        await follower.catch_up()
        assert follower.shipments == expected
    assert await follower.catch_up() == [late]
    assert len(set(follower.shipments)) == len(follower.shipments) == 11
    assert follower.numbers == sorted(set(follower.numbers))


async def test_a_client_misses_nothing_while_a_publisher_takes_thirty_seconds_to_commit(
    db: Database, clock: FixedClock, follower: Follower, slow: asyncpg.Connection[asyncpg.Record]
) -> None:
    first = [await completed(db, clock) for _ in range(3)]
    clock.turn(2 * SECOND)
    async with slow.transaction():
        assert await publish(slow, now=clock.now()) == 3
        later = []
        for _ in range(5):
            later.append(await completed(db, clock))
            clock.turn(HALF_A_MINUTE / 5)
            assert await follower.catch_up() == []
    assert await follower.catch_up() == first + later
    assert follower.numbers == sorted(set(follower.numbers))


async def test_a_client_misses_nothing_of_a_publisher_that_gives_up_after_thirty_seconds(
    db: Database, clock: FixedClock, follower: Follower, slow: asyncpg.Connection[asyncpg.Record]
) -> None:
    first = [await completed(db, clock) for _ in range(3)]
    transaction = slow.transaction()
    await transaction.start()
    clock.turn(HALF_A_MINUTE)
    assert await publish(slow, now=clock.now()) == 3
    later = await completed(db, clock)
    clock.turn(2 * SECOND)
    assert await follower.catch_up() == []
    await transaction.rollback()
    assert await follower.catch_up() == [*first, later]
    assert min(follower.numbers) > 3  # numbers that were handed out and not committed are not used again


async def test_an_entry_that_waits_for_the_slow_transaction_does_not_hold_up_the_publisher(
    db: Database, clock: FixedClock, follower: Follower, slow: asyncpg.Connection[asyncpg.Record]
) -> None:
    late_order = await an_order_at_its_end(db)
    async with slow.transaction():
        late = await complete(slow, late_order, clock)
        early = await completed(db, clock)
        clock.turn(2 * SECOND)
        async with db.connection() as connection:
            assert await publish(connection, now=clock.now()) == 1
        assert not await db.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            NUMBERING_LOCK,
        )
    assert await follower.catch_up() == [early, late]


async def test_a_reader_misses_nothing_while_partitions_come_and_go(db: Database, clock: FixedClock) -> None:
    """Writer, upkeep and reader at the same time, over half a year in which the upkeep is three weeks late."""
    written, seen = list[str](), list[dict[str, Any]]()
    changed, kept_at = 0, clock.now()

    async def write() -> None:
        for _ in range(60):
            for creator in ("ttd", "skd"):
                row = await insert(db, a_feed_entry(creator=creator, created=clock.now()))
                written.extend([str(row.order_id)] if creator == "ttd" else [])
            clock.turn(3 * DAY)
            await until(keep_up, "upkeep and reader keep up with the writer")

    async def keep_up() -> bool:
        """A reader who is months late may miss what has gone."""
        return len(written) <= len(seen) + 15 and clock.now() < kept_at + 21 * DAY

    async def keep_house() -> None:
        nonlocal changed, kept_at
        while len(seen) < 60:
            began = clock.now()
            made = await make_ahead(db, clock.now() - 21 * DAY)
            dropped = await drop_before(db, STATUS_FEED, clock.now() - 90 * DAY)
            changed, kept_at = changed + len(made) + len(dropped), began

    async def follow() -> None:
        while len(seen) < 60:
            query = FeedQuery(seen[-1]["sequenceNumber"] if seen else 0, 4, descending=False)
            seen.extend(await read_feed(db, query, creator="ttd", now=clock.now()))

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for work in (write, keep_house, follow):
            tasks.create_task(work())
    assert [entry["shipmentId"] for entry in seen] == written
    numbers = [entry["sequenceNumber"] for entry in seen]
    assert numbers == sorted(set(numbers))
    assert changed > 30
