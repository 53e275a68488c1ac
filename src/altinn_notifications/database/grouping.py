"""Many small pieces of work, one transaction: the way every busy path reaches the database.

While one group is being written the next one gathers, so the groups grow with the load and an idle system waits for
nothing. Each caller gets its own answer, and continues only after its group was committed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from altinn_notifications.database.pool import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Grouped(Generic[Item, Answer]):
    """Gathers items and hands them to `write` in groups of at most `limit`, `writers` groups at the same time.

    `write` returns one answer per item, in order. If it raises for a group of several, each item is tried by itself,
    so that one caller's trouble is never another's; but a database that is away is everybody's trouble at once.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, limit: int = 200, writers: int = 1
    ) -> None:
        self._write = write
        self._limit = limit
        self._free_writers = writers
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Answer:
        """Have `item` written and wait for its answer. Raises what `write` raised for it."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._free_writers:
            self._free_writers -= 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._settle([pair for pair in group if not pair[1].cancelled()])
        finally:
            self._free_writers += 1

    async def _settle(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        if not group:
            return
        try:
            answers = await self._write([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - every error belongs to its caller
            if len(group) == 1 or isinstance(error, DatabaseUnavailable):
                for _, answer in group:
                    _fail(answer, error)
            else:
                for pair in group:
                    await self._settle([pair])
            return
        for (_, answer), value in zip(group, answers, strict=True):
            if not answer.done():
                answer.set_result(value)


def _fail(answer: asyncio.Future[Answer], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
