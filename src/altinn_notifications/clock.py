"""Time as a value: the clock is read at the edges only, so that a test or the local platform can turn it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Something that knows what time it is."""

    def now(self) -> datetime:
        """The present moment, in UTC."""


class SystemClock:
    """The machine's clock, moved by `offset` (zero outside tests and the local profile)."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """The machine's time plus the offset, in UTC."""
        return datetime.now(UTC) + self.offset


class FixedClock:
    """A clock that stands still until it is turned. For tests."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.at

    def turn(self, by: timedelta) -> None:
        """Move forward (or, with a negative value, back)."""
        self.at += by
