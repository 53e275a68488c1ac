"""A circuit breaker: who does not answer is left alone for a while, and then tried with one question at a time."""

from __future__ import annotations

from typing import Final

from altinn_notifications.platform.dependencies import Circuit

THRESHOLD: Final = 5
"""Consecutive failures that open the circuit."""

PAUSE_SECONDS: Final = 5.0
"""How long an open circuit lets nothing through, and how far apart the probes are after that."""


class Breaker:
    """Counts failures; all times are seconds of one monotonic clock, given by the caller."""

    def __init__(self) -> None:
        self.consecutive_failures = 0
        self._probe_at = 0.0

    def admits(self, now: float) -> bool:
        """Whether a question may be asked now. With the circuit open, a yes is also the one probe of this pause."""
        circuit = self.circuit(now)
        if circuit is Circuit.HALF_OPEN:
            # The next probe is set off at once, so one that never comes back (its caller gone) blocks nobody.
            self._probe_at = now + PAUSE_SECONDS
        return circuit is not Circuit.OPEN

    def circuit(self, now: float) -> Circuit:
        """The state at this moment."""
        if self.consecutive_failures < THRESHOLD:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self._probe_at else Circuit.HALF_OPEN

    def succeeded(self) -> None:
        """An answer came."""
        self.consecutive_failures = 0

    def failed(self, now: float) -> None:
        """No usable answer came."""
        self.consecutive_failures += 1
        self._probe_at = now + PAUSE_SECONDS
