from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from altinn_notifications.database.wakeups import DUE_ORDERS, REPORTS, Wakeups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.database.pool import Database

LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
HANG_UP = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN%'"""


@asynccontextmanager
async def listening(wakeups: Wakeups) -> AsyncIterator[None]:
    task = asyncio.create_task(wakeups.listen())
    yield
    task.cancel()
    await asyncio.wait([task])


async def rings(event: asyncio.Event) -> bool:
    async with asyncio.timeout(10):
        return await event.wait()


async def test_a_wake_up_reaches_the_sleepers_of_its_topic_here_and_elsewhere(db: Database) -> None:
    here, there = Wakeups(db), Wakeups(db)
    near, far, other = here.subscribe(REPORTS), there.subscribe(REPORTS), there.subscribe(DUE_ORDERS)
    async with listening(there):
        await rings(other)
        far.clear()
        other.clear()
        here.wake(REPORTS)
        assert near.is_set()
        assert await rings(far)
        assert not other.is_set()


async def test_who_begins_to_listen_is_woken_for_what_went_by_before(db: Database) -> None:
    wakeups = Wakeups(db)
    sleeper = wakeups.subscribe(DUE_ORDERS)
    async with listening(wakeups):
        assert await rings(sleeper)
        assert await db.fetchval(LISTENERS) == 1


async def test_who_was_cut_off_is_woken_when_it_listens_again(db: Database) -> None:
    wakeups = Wakeups(db)
    sleeper = wakeups.subscribe(DUE_ORDERS)
    async with listening(wakeups):
        await rings(sleeper)
        sleeper.clear()
        await db.execute(HANG_UP)
        assert await rings(sleeper)
