"""One turned time for all processes: the offset is kept in the database, and whoever turns it wakes everybody.

So a reminder after seven days, an expiry after 48 hours and a weekend take a moment. Only clocks that can be turned
follow, and in production there are none.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from altinn_notifications.clock import TurnableClock
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.database.wakeups import CLOCK, DUE_ORDERS, NOTIFICATIONS, REPORTS, TIME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Any

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.database.wakeups import Wakeups

SLEEPERS: Final = (DUE_ORDERS, NOTIFICATIONS, REPORTS, TIME)
"""Who sleeps until a moment that may just have passed."""
LOOK_AGAIN_SECONDS: Final = 15.0
START_SECONDS: Final = 2.0
"""How long a process that starts waits to hear the time."""
log = structlog.get_logger()

READ_OFFSET: Final = "SELECT offset_by FROM turned_clock"
STORE_OFFSET: Final = """
    INSERT INTO turned_clock (offset_by) VALUES ($1) ON CONFLICT (is_the_row) DO UPDATE SET offset_by = $1"""


async def turn(clock: TurnableClock, offset: timedelta, db: Database, wakeups: Wakeups) -> None:
    """Set all processes' time to the machine's plus `offset`: this one's now, the others' a moment later.

    Raises `DatabaseUnavailable`.
    """
    await db.execute(STORE_OFFSET, offset)
    clock.offset = offset
    wakeups.wake(CLOCK)
    log.info("clock_turned", offset_seconds=offset.total_seconds())


@asynccontextmanager
async def following(clock: Clock, db: Database, wakeups: Wakeups, *, listens: bool) -> AsyncIterator[None]:
    """Keep `clock`, if it can be turned, at the offset that all processes share.

    `listens` says whether wake-ups from other processes are to be received here, because nobody does so yet. While the
    database is away the clock shows the time it last knew, at the start the machine's.
    """
    async with AsyncExitStack() as stack:
        if isinstance(clock, TurnableClock):
            turned = wakeups.subscribe(CLOCK)
            with suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    clock.offset = await stored_offset(db)
            await stack.enter_async_context(_beside(_follow(clock, turned, db, wakeups)))
            if listens:
                await stack.enter_async_context(_beside(wakeups.listen()))
        yield


async def stored_offset(db: Database) -> timedelta:
    """How far the clocks are turned; not at all in a database that has not been migrated yet.

    Raises `DatabaseUnavailable`.
    """
    with suppress(asyncpg.UndefinedTableError):
        return await db.fetchval(READ_OFFSET) or timedelta()
    return timedelta()


async def _follow(clock: TurnableClock, turned: asyncio.Event, db: Database, wakeups: Wakeups) -> None:
    while True:
        with suppress(TimeoutError):
            # Not `wait_for`, which on Python 3.11 can lose a cancellation that comes together with the event.
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await turned.wait()
        turned.clear()
        try:
            offset = await stored_offset(db)
        except DatabaseUnavailable:
            continue  # whoever listens rings again when the database is back
        if offset != clock.offset:
            clock.offset = offset
            for topic in SLEEPERS:
                wakeups.ring(topic)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
