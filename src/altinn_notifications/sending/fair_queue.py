"""What a lane holds in memory, taken in turns: a campaign that came first holds up no other owner's single message."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection

    from altinn_notifications.sending.claims import Claimed

Held = TypeVar("Held", bound="tuple[Claimed, Any, str | None]")


class FairQueue(asyncio.Queue[Held]):
    """A queue that gives one message of each owner in turn; those of one owner in the order in which they came."""

    def _init(self, _maxsize: int) -> None:
        self._by_owner: dict[str, deque[Held]] = {}
        self._count = 0

    @property
    def owners(self) -> Collection[str]:
        """The owners that have something here."""
        return self._by_owner.keys()

    def qsize(self) -> int:
        """How many messages are here."""
        return self._count

    def empty(self) -> bool:
        """Whether there is none."""
        return not self._count

    def _put(self, item: Held) -> None:
        self._by_owner.setdefault(item[0].creator, deque()).append(item)
        self._count += 1

    def _get(self) -> Held:
        owner = next(iter(self._by_owner))
        waiting = self._by_owner.pop(owner)
        item = waiting.popleft()
        if waiting:
            self._by_owner[owner] = waiting  # behind all others
        self._count -= 1
        return item
