"""Which provider carries the next message: the most preferred one that is well.

What the database knows of pauses is read before each claim; what a call tells is known here at once. How fast providers
answer is known to each process by itself. A provider that was left alone is tried with one message at a time.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from altinn_notifications.channels.protocol import Deferred, Scope, Unknown

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta
    from typing import Protocol

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.sending.pauses import Pause
    from altinn_notifications.sending.schedules import Decision

    class Named(Protocol):
        """Whatever has a name."""

        name: str


log = structlog.get_logger()
Carrier = TypeVar("Carrier", bound="Named")
MANY: Final = 1_000_000
"""As many messages as anybody may want to claim."""
TIMED_CALLS: Final = 20
"""A provider is slow when most of so many calls in a row took too long."""
UNSTORED_SECONDS: Final = 5.0
"""For so long what was learned here counts although the database does not tell it yet."""


@dataclass(frozen=True, slots=True)
class Watch:
    """When a provider counts as down or slow."""

    failures: int
    """So many calls in a row without a usable answer are an outage."""
    pause: timedelta
    """How long a provider is left alone then."""
    slow_seconds: float
    probe: timedelta
    """How often one message finds out whether a slow provider is fast again."""
    alarm_seconds: float = 600.0
    """How often the log calls for somebody to mend what is misconfigured."""


class Way(Enum):
    """Whether messages can go to a provider."""

    OPEN = "open"
    PROBE = "probe"
    SLOW = "slow"
    SHUT = "shut"


@dataclass(slots=True, eq=False)
class Barrier:
    """What keeps messages from a provider until its end; after it one message at a time tries."""

    domain: str
    until: datetime
    misconfigured: bool = False
    is_probed: bool = False
    noted: float = -math.inf
    """When this process put it up itself, in seconds of its monotonic clock."""


@dataclass(slots=True)
class Pulse:
    """How a provider has answered lately."""

    failures: int = 0
    alarmed: float = -math.inf
    """When the log called for help last, in seconds of this process's monotonic clock."""
    were_slow: deque[bool] = field(default_factory=lambda: deque(maxlen=TIMED_CALLS))
    slow: Barrier | None = None

    def note(self, *, was_slow: bool) -> bool:
        """Note the time of one call; whether most of the last ones were slow."""
        self.were_slow.append(was_slow)
        return was_slow and len(self.were_slow) == TIMED_CALLS and sum(self.were_slow) > TIMED_CALLS // 2


@dataclass(frozen=True, slots=True)
class Route(Generic[Carrier]):
    """Where one message goes. `probed` are the barriers that it tries."""

    provider: Carrier
    pulse: Pulse
    probed: tuple[Barrier, ...] = ()


class Routes(Generic[Carrier]):
    """The providers of one channel, the preferred one first, and how each of them is.

    All times are those of the service's clock, in UTC; only the duration of calls is measured by the machine's.
    """

    def __init__(self, providers: Sequence[Carrier], watch: Watch) -> None:
        self.names = tuple(provider.name for provider in providers)
        self._routes = tuple(Route(provider, Pulse()) for provider in providers)
        self._watch = watch
        self._barriers: dict[tuple[str, str], Barrier] = {}
        self._has_slow = False
        self._listeners: list[asyncio.Event] = []

    def ring(self, event: asyncio.Event) -> None:
        """Set `event` whenever a provider that was tried has answered or failed."""
        self._listeners.append(event)

    @property
    def first(self) -> Route[Carrier]:
        """The most preferred provider, however it is."""
        return self._routes[0]

    def choose(self, domain: str, now: datetime, *, only: str | None = None) -> Route[Carrier] | None:
        """The way for one message from `domain`; None when every provider, or the only one allowed, is shut.

        What is chosen must be given back to `learn` or `release`.
        """
        if only is None and not self._barriers and not self._has_slow:
            return self._routes[0]
        fallback = None
        for route in self._routes:
            if only is not None and only != route.provider.name:
                continue
            way, probed = self._way(route, domain, now)
            if way is Way.OPEN:
                return route
            if way is Way.PROBE:
                for barrier in probed:
                    barrier.is_probed = True
                return replace(route, probed=probed)
            if way is Way.SLOW and fallback is None:
                fallback = route
        return fallback

    def room(self, domain: str, now: datetime) -> int:
        """How many messages from `domain` can be sent now: `MANY`, or one for each provider that is to be tried."""
        if not self._barriers:
            return MANY
        ways = [self._way(route, domain, now)[0] for route in self._routes]
        return MANY if Way.OPEN in ways or Way.SLOW in ways else ways.count(Way.PROBE)

    def preferred(self, now: datetime) -> str | None:
        """The provider that the next message is likely to go to."""
        ways = {route.provider.name: self._way(route, "", now)[0] for route in self._routes}
        return next((name for name, way in ways.items() if way in {Way.OPEN, Way.PROBE}), None) or next(
            (name for name, way in ways.items() if way is Way.SLOW), None
        )

    def opens_at(self, now: datetime, *, provider: str | None = None) -> datetime | None:
        """When the next barrier ends, in UTC; None when there is none, or all have ended."""
        ends = (b.until for (name, _), b in self._barriers.items() if provider in {None, name} and b.until > now)
        return min(ends, default=None)

    def learn(
        self, route: Route[Carrier], outcome: Outcome, decision: Decision, *, seconds: float, now: datetime
    ) -> Decision:
        """Take note of how a call ended; the decision with what follows for the provider."""
        self.release(route)
        name, pulse = route.provider.name, route.pulse
        if decision.misconfigured:
            self._call_for_help(route, decision)
        if decision.pause_until is not None and not decision.pause_domain:
            self._shut(name, decision, decision.pause_until)
            return decision
        self._note_time(route, seconds, now)
        if is_trouble(outcome):
            pulse.failures += 1
            if pulse.failures < self._watch.failures and not route.probed:
                return decision
            decision = replace(decision, pause_until=now + self._watch.pause)
            self._shut(name, decision, now + self._watch.pause)
            return decision
        pulse.failures = 0
        if decision.pause_until is not None:
            self._shut(name, decision, decision.pause_until)
        return self._opened(route, decision) if route.probed else decision

    def release(self, route: Route[Carrier]) -> None:
        """The call did not take place, or has ended: what it tried may be tried again."""
        if route.probed:
            for barrier in route.probed:
                barrier.is_probed = False
            for event in self._listeners:
                event.set()

    def update(self, pauses: Iterable[Pause]) -> None:
        """Take over the pauses as the database has them."""
        stored = {(pause.provider, pause.domain): pause for pause in pauses if pause.provider in self.names}
        youngest = time.monotonic() - UNSTORED_SECONDS
        self._barriers = {
            key: barrier for key, barrier in self._barriers.items() if key in stored or barrier.noted > youngest
        }
        for key, pause in stored.items():
            barrier = self._barriers.setdefault(key, Barrier(pause.domain, pause.until))
            barrier.until = max(barrier.until, pause.until) if barrier.noted > youngest else pause.until
            barrier.misconfigured = pause.misconfigured

    def speeds(self) -> dict[str, str]:
        """How fast each provider answers this process: `ok` or `slow`."""
        return {route.provider.name: "slow" if route.pulse.slow else "ok" for route in self._routes}

    def _way(self, route: Route[Carrier], domain: str, now: datetime) -> tuple[Way, tuple[Barrier, ...]]:
        name = route.provider.name
        found = (self._barriers.get((name, each)) for each in {"", domain})
        barriers = tuple(barrier for barrier in found if barrier is not None)
        if any(barrier.until > now or barrier.is_probed for barrier in barriers):
            return Way.SHUT, ()
        slow = route.pulse.slow
        if slow is not None and (slow.until > now or slow.is_probed) and not barriers:
            return Way.SLOW, ()
        probed = (*barriers, slow) if slow is not None else barriers
        return (Way.PROBE, probed) if probed else (Way.OPEN, ())

    def _call_for_help(self, route: Route[Carrier], decision: Decision) -> None:
        at = time.monotonic()
        if at - route.pulse.alarmed >= self._watch.alarm_seconds:
            route.pulse.alarmed = at
            log.error("provider_misconfigured", provider=route.provider.name, reason=decision.detail["reason"])

    def _shut(self, name: str, decision: Decision, until: datetime) -> None:
        key = (name, decision.pause_domain)
        if key not in self._barriers:
            log.warning("provider_paused", provider=name, domain=decision.pause_domain or None)
        barrier = self._barriers.setdefault(key, Barrier(decision.pause_domain, until))
        barrier.until = max(barrier.until, until)
        barrier.misconfigured = barrier.misconfigured or decision.misconfigured
        barrier.noted = time.monotonic()

    def _note_time(self, route: Route[Carrier], seconds: float, now: datetime) -> None:
        pulse, was_slow = route.pulse, seconds > self._watch.slow_seconds
        if pulse.note(was_slow=was_slow):
            pulse.slow = pulse.slow or Barrier("", now)
            pulse.slow.until = now + self._watch.probe
        elif pulse.slow is not None and not was_slow and (pulse.slow in route.probed or not any(pulse.were_slow)):
            pulse.slow = None
            pulse.were_slow.clear()
        else:
            return
        log.info("provider_speed_changed", provider=route.provider.name, is_slow=pulse.slow is not None)
        self._has_slow = any(each.pulse.slow for each in self._routes)

    def _opened(self, route: Route[Carrier], decision: Decision) -> Decision:
        """The provider answered: what was tried is open again, unless the answer has just shut it."""
        name = route.provider.name
        domains = [b.domain for b in route.probed if self._barriers.get((name, b.domain)) is b]
        opened = [domain for domain in domains if decision.pause_until is None or domain != decision.pause_domain]
        for domain in opened:
            del self._barriers[name, domain]
            log.info("provider_answers_again", provider=name, domain=domain or None)
        return replace(decision, clears=tuple(opened))


def is_trouble(outcome: Outcome) -> bool:
    """Whether the provider gave no usable answer, as far as this call tells."""
    return isinstance(outcome, Unknown) or (isinstance(outcome, Deferred) and outcome.scope is Scope.CALL)
