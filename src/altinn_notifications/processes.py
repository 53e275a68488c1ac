"""What all our processes do alike: stop when told to, and wait for a database that is away."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvloop

from altinn_notifications.database.pool import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 3.0
log = structlog.get_logger()


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> int:
    """Run `main` on uvloop with an event that SIGINT, SIGTERM and SIGHUP set; its exit code."""

    async def with_signals() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup
            loop.add_signal_handler(signal.SIGHUP, stop.set)
        return await main(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(with_signals())


async def when_database_answers(
    work: Callable[[], Awaitable[None]], stop: asyncio.Event, *, first_wait: float = FIRST_WAIT_SECONDS
) -> None:
    """Do `work`, again and again while the database is away, with growing waits (seconds), until `stop` is set."""
    wait = first_wait
    while not stop.is_set():
        try:
            await work()
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", reason=str(error), next_attempt_in_seconds=wait)
        else:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
