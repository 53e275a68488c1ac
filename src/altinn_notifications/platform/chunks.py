"""Questions about many parties in few calls, where one party's trouble stays its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from altinn_notifications.platform.dependencies import DependencyFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

LARGEST_CHUNK: Final = 1000
"""Most identifiers of one call: Register's limit (spec 12, 3), and a good size for Profile."""

_MOST_SPLITS: Final = 64  # of one chunk: enough to single out half a dozen bad identifiers among a thousand

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, repr=False)
class Found(Generic[Record]):
    """What a dependency knows, by identifier in lower case. Who is in neither mapping is not known to it."""

    records: Mapping[str, Record] = field(default_factory=dict)
    failures: Mapping[str, DependencyFailed] = field(default_factory=dict)


async def ask_in_chunks(
    identifiers: Iterable[str], ask: Callable[[Sequence[str]], Awaitable[Mapping[str, Record]]]
) -> Found[Record]:
    """Ask about distinct `identifiers` in calls of at most `LARGEST_CHUNK`, side by side.

    `ask` returns records by identifier in lower case and raises `DependencyFailed`. A chunk that fails because of what
    it asks is halved until the identifiers to blame stand alone, so that they do not fail everybody else.
    """
    distinct = list(dict.fromkeys(identifiers))
    starts = range(0, len(distinct), LARGEST_CHUNK)
    parts = await asyncio.gather(*(_ask_chunk(distinct[at : at + LARGEST_CHUNK], ask) for at in starts))
    return Found(
        {key: record for part in parts for key, record in part.records.items()},
        {key: failure for part in parts for key, failure in part.failures.items()},
    )


async def _ask_chunk(
    chunk: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[Mapping[str, Record]]]
) -> Found[Record]:
    records: dict[str, Record] = {}
    failures: dict[str, DependencyFailed] = {}
    waiting, splits = [chunk], 0
    while waiting:
        part = waiting.pop()
        try:
            records.update(await ask(part))
        except DependencyFailed as failure:
            if failure.may_lie_in_the_question and len(part) > 1 and splits < _MOST_SPLITS:
                splits += 1
                middle = len(part) // 2
                waiting += (part[:middle], part[middle:])
            else:
                failures.update((identifier.lower(), failure) for identifier in part)
    return Found(records, failures)
