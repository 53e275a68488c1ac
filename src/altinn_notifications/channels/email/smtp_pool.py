"""Connections to the relay that are kept open between mails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from altinn_notifications.channels.email.smtp_connection import SmtpConnection

IDLE_SECONDS: Final = 30.0
"""An unused connection is given back to the relay then: sooner than relays and firewalls drop one silently."""


class SmtpPool:
    """At most `limit` connections; the one used last is used next, so that those not needed fall idle."""

    def __init__(self, connect: Callable[[], Awaitable[SmtpConnection]], *, limit: int) -> None:
        self._connect = connect
        self._room = asyncio.Semaphore(limit)
        self._idle: list[SmtpConnection] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[SmtpConnection]:
        """Borrow a connection; with `fresh` one that was not open before. Raises `SessionFailed`."""
        async with self._room:
            connection = (None if fresh else self._take()) or await self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection)

    async def close(self) -> None:
        """Take leave of the relay on every idle connection; those in use are closed when they come back."""
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        while self._idle:
            self._leave(self._idle.pop())
        await asyncio.gather(*self._goodbyes)

    def _take(self) -> SmtpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _give_back(self, connection: SmtpConnection) -> None:
        if self._is_closed or not connection.is_between_mails:  # cancelled: the relay waits for the rest of a mail
            connection.close()
        elif connection.is_open:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Let go of what was not needed for a while; the list is in the order of last use."""
        self._sweeping = None
        oldest_kept = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle and self._idle[0].idle_since <= oldest_kept:
            self._leave(self._idle.pop(0))
        if self._idle:
            self._sweep_later()

    def _leave(self, connection: SmtpConnection) -> None:
        goodbye = asyncio.ensure_future(connection.quit())
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)
