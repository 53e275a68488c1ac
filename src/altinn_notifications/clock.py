"""Time as a value: the clock is read at the edges only, so that a test or the local platform can turn it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

FARTHEST: Final = timedelta(days=3650)
"""How far a clock can be turned, forward or back."""


class Clock(Protocol):
    """Something that knows what time it is."""

    def now(self) -> datetime:
        """The present moment, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's time, in UTC."""
        return datetime.now(UTC)


class TurnableClock:
    """The time of another clock, `machine`, plus an offset that can be changed. Never used in production."""

    def __init__(self, machine: Clock) -> None:
        self.machine = machine
        self.offset = timedelta()

    def now(self) -> datetime:
        """The turned time, in UTC."""
        return self.machine.now() + self.offset


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


def unturned(clock: Clock) -> Clock:
    """The clock that tokens go by: those who issue them elsewhere have not turned theirs."""
    return clock.machine if isinstance(clock, TurnableClock) else clock
