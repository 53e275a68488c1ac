"""Whatever the interleaving of writers, publishers and readers: a reader who pages by number misses nothing."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg
import pytest

from altinn_notifications.database.pool import prepare_connection
from altinn_notifications.tracking.feed import FeedQuery, publish, read_feed
from support.rows import a_feed_entry, insert
from support.times import MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Database

CREATORS = ("ttd", "skd")
STEPS = 120


@dataclass(slots=True)
class Reader:
    creator: str
    page_size: int
    numbers: list[int] = field(default_factory=list)
    shipments: list[str] = field(default_factory=list)

    async def read(self, db: Database, now: datetime) -> int:
        query = FeedQuery(self.numbers[-1] if self.numbers else 0, self.page_size, descending=False)
        entries = await read_feed(db, query, creator=self.creator, now=now)
        self.numbers += [entry["sequenceNumber"] for entry in entries]
        self.shipments += [entry["shipmentId"] for entry in entries]
        return len(entries)


@dataclass(slots=True)
class Slow:
    """A connection that writes entries, or hands out numbers, and commits when it pleases."""

    connection: asyncpg.Connection[asyncpg.Record]
    written: list[tuple[str, str]] = field(default_factory=list)
    transaction: asyncpg.transaction.Transaction | None = None

    async def begin(self) -> None:
        if self.transaction is None:
            self.transaction, self.written = self.connection.transaction(), []
            await self.transaction.start()

    async def write(self, creator: str, now: datetime) -> None:
        await self.begin()
        row = await insert(self.connection, a_feed_entry(creator=creator, created=now))
        self.written.append((creator, str(row.order_id)))

    async def publish(self, now: datetime) -> None:
        await self.begin()
        await publish(self.connection, now=now)

    async def commit(self) -> list[tuple[str, str]]:
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return []
        await transaction.commit()
        return self.written

    async def roll_back(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            await transaction.rollback()


async def step(chance: random.Random, one: Slow, now: datetime) -> list[tuple[str, str]]:
    """One of the slow ones does something; what is now committed is returned."""
    match chance.choices(("write", "publish", "commit", "roll back"), (6, 2, 3, 1))[0]:
        case "write":
            await one.write(chance.choice(CREATORS), now)
        case "publish":
            await one.publish(now)
        case "commit":
            return await one.commit()
        case "roll back":
            await one.roll_back()
    return []


@pytest.mark.parametrize("seed", range(12))
async def test_a_reader_misses_nothing(db: Database, database_url: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable schedule, not a secret
    readers = [Reader(creator, size) for creator in CREATORS for size in (1, 3, 500)]
    committed: list[tuple[str, str]] = []
    now = NOON
    async with AsyncExitStack() as stack:
        slow = [await a_slow_one(stack, database_url) for _ in range(4)]
        for _ in range(STEPS):
            committed += await step(chance, chance.choice(slow), now)
            if chance.random() < 0.5:
                await chance.choice(readers).read(db, now)
            now += chance.choice((0, 0, 0.5, 1, 5)) * SECOND
        for one in slow:
            committed += await one.commit()
    for reader in readers:
        while await reader.read(db, now + MINUTE):
            pass
        assert reader.numbers == sorted(set(reader.numbers))
        assert sorted(reader.shipments) == sorted(order_id for who, order_id in committed if who == reader.creator)


async def a_slow_one(stack: AsyncExitStack, database_url: str) -> Slow:
    connection = await asyncpg.connect(database_url)
    stack.push_async_callback(connection.close)
    await prepare_connection(connection)
    return Slow(connection)
