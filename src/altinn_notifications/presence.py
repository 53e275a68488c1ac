"""Workers that live, and the claims of those that died.

A lease alone would leave what a dead worker held untouched until it ends. So every worker holds an advisory lock on its
number for as long as its connection lives; whoever has watched a number for a while, silent and unlocked, ends its
leases. Only what a worker has watched itself counts: after the database was away nobody has been seen for long, and
those who are alive need a moment to come back.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.database.pool import CONNECTION_ERRORS, DatabaseUnavailable
from altinn_notifications.database.wakeups import DUE_ORDERS, NOTIFICATIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.database.wakeups import Wakeups

log = structlog.get_logger()
LOCK_CLASS: Final = 0x776F726B  # "work"
BEAT_SECONDS: Final = 2.0
CLOSE_SECONDS: Final = 2.0
SILENCE: Final = timedelta(seconds=6)
"""A worker whose database connection broke has this long to take its number again before others take its claims."""

REGISTER: Final = "INSERT INTO workers (started, seen) VALUES ($1, $1) RETURNING number"
BEAT: Final = "UPDATE workers SET seen = $2, dependencies = $3, providers = $4 WHERE number = $1 RETURNING number"
OTHERS: Final = "SELECT number, seen FROM workers WHERE number <> $1"
END_LEASES: Final = (
    "UPDATE notification_states SET wake_at = $2 WHERE claimed_by = $1 AND result = 'Sending' AND wake_at > $2",
    "UPDATE notification_states SET poll_at = $2 WHERE claimed_by = $1 AND result = 'Sending' AND poll_at > $2",
    "UPDATE order_states SET wake_at = $2 WHERE claimed_by = $1 AND status = 'Processing' AND wake_at > $2",
    "DELETE FROM workers WHERE number = $1",
)
HOLD: Final = "SELECT pg_try_advisory_lock($1, $2)"
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1, $2)"


class Presence:
    """One worker's number. `run` keeps it and looks after those of the dead."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        wakeups: Wakeups,
        *,
        dependencies: Callable[[], dict[str, str]],
        providers: Callable[[], dict[str, str]],
    ) -> None:
        self._db = db
        self._dependencies = dependencies
        self._providers = providers
        self._clock = clock
        self._wakeups = wakeups
        self._watched: dict[int, tuple[datetime, datetime]] = {}
        """The other workers: their last sign of life, and when this one noticed it."""
        self.number = 0

    async def register(self) -> int:
        """Take a number. Raises `DatabaseUnavailable`."""
        self.number = await self._db.fetchval(REGISTER, self._clock.now())
        return self.number

    async def run(self, stop: asyncio.Event) -> None:
        """Hold the number until `stop` is set, and end the leases of workers that died."""
        while not stop.is_set():
            try:
                await self._hold(stop)
            except (*CONNECTION_ERRORS, DatabaseUnavailable):
                log.warning("worker_presence_lost", worker=self.number)
                await asyncio.sleep(0.5)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[int]:
        """Hold a number while the block lasts; however that ends, nothing stays claimed under it.

        Raises `DatabaseUnavailable` at the start. When the database is away at the end, others notice the silence.
        """
        await self.register()
        stop = asyncio.Event()
        holding = asyncio.create_task(self.run(stop))
        try:
            yield self.number
        finally:
            stop.set()
            await holding
            with suppress(DatabaseUnavailable):
                await self.leave()

    async def leave(self) -> None:
        """Give the number up: whatever was still claimed under it may be claimed by others now."""
        async with self._db.transaction() as connection:
            await _end_leases(connection, self.number, self._clock.now())

    async def _hold(self, stop: asyncio.Event) -> None:
        connection = await self._db.connect_apart()
        self._watched.clear()
        is_held = False
        try:
            while not stop.is_set():
                is_held = is_held or await connection.fetchval(HOLD, LOCK_CLASS, self.number)
                told = self._dependencies(), self._providers()
                if await connection.fetchval(BEAT, self.number, self._clock.now(), *told) is None:
                    log.warning("worker_was_given_up", worker=self.number)
                    await connection.execute(
                        "INSERT INTO workers (number, started, seen) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $2)",
                        self.number,
                        self._clock.now(),
                    )
                await self.end_leases_of_the_dead()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), BEAT_SECONDS)
        finally:
            await connection.close(timeout=CLOSE_SECONDS)

    async def end_leases_of_the_dead(self) -> None:
        """Free what dead workers held."""
        now = self._clock.now()
        for number in await self._silent(now):
            async with self._db.transaction() as connection:
                is_dead = await connection.fetchval(TRY_LOCK, LOCK_CLASS, number)
                if is_dead:
                    await _end_leases(connection, number, now)
            if is_dead:
                log.warning("worker_died", worker=number)
                self._wakeups.wake(DUE_ORDERS)
                self._wakeups.wake(NOTIFICATIONS)

    async def _silent(self, now: datetime) -> list[int]:
        """The workers that have given no sign of life while this one has been watching them for `SILENCE`."""
        seen = {row["number"]: row["seen"] for row in await self._db.fetch(OTHERS, self.number)}
        before = self._watched
        self._watched = {
            number: before[number] if number in before and before[number][0] == at else (at, now)
            for number, at in seen.items()
        }
        return [number for number, (_, noticed) in self._watched.items() if now - noticed >= SILENCE]


async def _end_leases(connection: Connection, number: int, now: datetime) -> None:
    for statement in END_LEASES:
        await connection.execute(statement, *((number,) if statement.startswith("DELETE") else (number, now)))
