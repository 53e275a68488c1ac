from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence


class Writer:
    """Doubles numbers, in groups that it remembers; refuses negative ones."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        await self.gate.wait()
        if any(item < 0 for item in items):
            raise ValueError(min(items))
        return [item * 2 for item in items]


async def test_what_arrives_while_a_group_is_written_goes_into_the_next() -> None:
    writer = Writer()
    groups: Grouped[int, int] = Grouped(writer.write)
    writer.gate.clear()
    waiting = [asyncio.create_task(groups.submit(n)) for n in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(groups.submit(4)))
    await asyncio.sleep(0)
    writer.gate.set()
    assert await asyncio.gather(*waiting) == [0, 2, 4, 6, 8]
    assert [number for group in writer.groups for number in group] == [0, 1, 2, 3, 4]
    assert len(writer.groups) == 2


async def test_no_group_is_larger_than_the_limit() -> None:
    writer = Writer()
    groups: Grouped[int, int] = Grouped(writer.write, limit=3)
    assert await asyncio.gather(*map(groups.submit, range(10))) == [n * 2 for n in range(10)]
    assert max(map(len, writer.groups)) == 3


async def test_one_callers_trouble_is_not_anothers() -> None:
    groups: Grouped[int, int] = Grouped(Writer().write)
    answers = await asyncio.gather(*map(groups.submit, (1, -1, 2)), return_exceptions=True)
    assert [answer if isinstance(answer, int) else type(answer) for answer in answers] == [2, ValueError, 4]


async def test_a_database_that_is_away_is_asked_once_for_the_whole_group() -> None:
    groups: list[int] = []

    async def write(items: Sequence[int]) -> list[int]:
        groups.append(len(items))
        raise DatabaseUnavailable

    grouped: Grouped[int, int] = Grouped(write)
    answers = await asyncio.gather(*map(grouped.submit, range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
    assert groups == [3]


async def test_a_caller_that_gave_up_before_its_group_was_written_is_left_out() -> None:
    writer = Writer()
    groups: Grouped[int, int] = Grouped(writer.write)
    writer.gate.clear()
    first = asyncio.create_task(groups.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(groups.submit(2))
    await asyncio.sleep(0)
    second.cancel()
    writer.gate.set()
    assert await first == 2
    with pytest.raises(asyncio.CancelledError):
        await second
    assert writer.groups == [[1]]
