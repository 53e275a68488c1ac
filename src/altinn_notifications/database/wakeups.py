"""Wake-ups between processes: a commit here is work there, a moment later (design promise 10).

A `NOTIFY` makes every commit wait for one global lock, so it never rides in a transaction that does the work: a
process sends at most one per topic and interval, after the commit. A wake-up that is lost costs only the time until the
sleeper looks again by itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from altinn_notifications.database.pool import CONNECTION_ERRORS, DatabaseUnavailable

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database

CHANNEL: Final = "altinn_notifications"
DUE_ORDERS: Final = "due-orders"
NOTIFICATIONS: Final = "notifications"
REPORTS: Final = "reports"
CLOCK: Final = "clock"
"""The stored offset of the clock has changed."""
TIME: Final = "time"
"""This process's clock has been turned: whoever waits for a moment looks at it again."""
SILENCE_SECONDS: Final = 30.0
"""A listener that has heard nothing for so long asks whether the server is still there: nothing else would tell."""
CLOSE_SECONDS: Final = 2.0
ARE_YOU_THERE: Final = "SELECT"
log = structlog.get_logger()


class Wakeups:
    """Sends and receives wake-ups for the topics above."""

    def __init__(self, db: Database, *, interval: float = 0.01) -> None:
        self._db = db
        self._interval = interval
        self._events: dict[str, list[asyncio.Event]] = {}
        self._outgoing: set[str] = set()
        self._sender: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None

    def subscribe(self, *topics: str) -> asyncio.Event:
        """An event that is set whenever one of `topics` is woken, here or in another process."""
        event = asyncio.Event()
        for topic in topics:
            self._events.setdefault(topic, []).append(event)
        return event

    def wake(self, topic: str) -> None:
        """Wake everyone who waits for `topic`: this process now, the others within the interval (seconds)."""
        self.ring(topic)
        self._outgoing.add(topic)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def sent(self) -> None:
        """Wait until what was woken so far is on its way to the other processes; for those that end right after."""
        if self._sender is not None:
            await self._sender

    async def listen(self) -> None:
        """Receive other processes' wake-ups until cancelled; reconnects by itself when the server comes back."""
        while True:
            try:
                await self._listen_once()
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                log.warning("wakeups_disconnected", error=type(error).__name__)
            await asyncio.sleep(1)

    async def _listen_once(self) -> None:
        connection = await self._db.connect_apart()
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        try:
            await connection.add_listener(CHANNEL, lambda *args: self.ring(str(args[3])))
            for topic in self._events:  # whatever happened while nobody listened
                self.ring(topic)
            while not closed.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await closed.wait()
                        return
                await connection.execute(ARE_YOU_THERE)
        finally:
            with suppress(*CONNECTION_ERRORS):
                await connection.close(timeout=CLOSE_SECONDS)

    async def _send(self) -> None:
        while self._outgoing:
            await asyncio.sleep(0)
            topics, self._outgoing = self._outgoing, set()
            try:
                for topic in topics:
                    await self._db.execute("SELECT pg_notify($1, $2)", CHANNEL, topic)
            except DatabaseUnavailable:
                log.warning("wakeup_not_sent")
            await asyncio.sleep(self._interval)

    def ring(self, topic: str) -> None:
        """Wake everyone in this process who waits for `topic`."""
        for event in self._events.get(topic, ()):
            event.set()
