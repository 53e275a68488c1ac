"""Keeps the newest messages, found by arrival, by address and by the reference their reports carry."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGES: Final = 20_000
MAX_BYTES: Final = 256_000_000


class Message(Protocol):
    """What both mails and SMS have."""

    @property
    def id(self) -> int:
        """Never used twice."""

    @property
    def address(self) -> str:
        """Whom it is to."""

    @property
    def reference(self) -> str | None:
        """What its delivery reports carry; None when nobody can report on it."""

    @property
    def size(self) -> int:
        """Bytes."""


M = TypeVar("M", bound=Message)


class Archive(Generic[M]):
    """The newest 20,000 messages, fewer if they are large: a campaign must not fill the machine's memory."""

    def __init__(self, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._limits = (max_messages, max_bytes)
        self._last_id = 0
        self.changes = 0
        """Grows whenever the content does; a page that has seen this value is up to date."""
        self.clear()

    def __len__(self) -> int:
        return len(self._by_id)

    def next_id(self) -> int:
        """An id no message has had."""
        self._last_id += 1
        return self._last_id

    def add(self, message: M) -> None:
        """Keep `message`, and let go of the oldest while there is too much."""
        self._by_id[message.id] = message
        self._by_address.setdefault(message.address, deque()).append(message)
        if message.reference is not None:
            self._by_reference[message.reference] = message
        self._bytes += message.size
        self.changes += 1
        while len(self._by_id) > self._limits[0] or (self._bytes > self._limits[1] and len(self._by_id) > 1):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        message = self._by_id.pop(next(iter(self._by_id)))
        self._bytes -= message.size
        same_address = self._by_address[message.address]
        same_address.popleft()
        if not same_address:
            del self._by_address[message.address]
        if message.reference is not None and self._by_reference.get(message.reference) is message:
            del self._by_reference[message.reference]

    def find(self, message_id: int) -> M | None:
        """The message with this id."""
        return self._by_id.get(message_id)

    def find_by_reference(self, reference: str) -> M | None:
        """The newest message whose reports carry `reference`."""
        return self._by_reference.get(reference)

    def newest(self, *, containing: str = "", before: int | None = None) -> Iterator[M]:
        """Messages from the newest on whose address contains `containing`, older than the one with id `before`."""
        for message in reversed(self._by_id.values()):
            if (before is None or message.id < before) and containing in message.address:
                yield message

    def sent_to(self, address: str) -> list[M]:
        """Every message to exactly this address, the newest first."""
        return list(reversed(self._by_address.get(address, ())))

    def addresses(self, *, containing: str = "", limit: int) -> list[str]:
        """Addresses that contain `containing`, the one written to last first."""
        newest_first = dict.fromkeys(message.address for message in self.newest(containing=containing))
        return list(islice(newest_first, limit))

    def clear(self) -> None:
        """Let go of everything."""
        self._by_id: dict[int, M] = {}
        self._by_address: dict[str, deque[M]] = {}
        self._by_reference: dict[str, M] = {}
        self._bytes = 0
        self.changes += 1
