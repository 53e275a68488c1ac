"""Delivery reports on their way to the service: held until they are due, posted in batches, repeated until taken."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol

import httpx
import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from altinn_notifications.clock import Clock

MAX_BATCH: Final = 100
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 2.0
_NEVER_TAKEN: Final = frozenset({400, 413, 415, 422})  # the same body would be refused again

log = structlog.get_logger()


@dataclass(slots=True, eq=False, repr=False)
class Report:
    """One report about one message. `state` is the provider's own word."""

    reference: str
    recipient: str
    state: str
    due_at: datetime
    sender: str = ""
    sent_at: datetime | None = None
    """When the service took it, in UTC."""


def last_word(reports: Sequence[Report], *, before: str) -> str:
    """What the service was last told about a message; `before` while it has been told nothing."""
    told = [(report.sent_at, report.state) for report in reports if report.sent_at is not None]
    return max(told, key=itemgetter(0))[1] if told else before


@dataclass(order=True, slots=True)
class _Waiting:
    """A report and its place in the queue: `due` in seconds of the monotonic clock, then the order of arrival."""

    due: float
    number: int
    report: Report


class Outbox:
    """Reports that wait, the one that is due first in front."""

    def __init__(self) -> None:
        self._heap: list[_Waiting] = []
        self._arrival = 0
        self._cleared_at = 0
        self._sooner = asyncio.Event()
        self.taken = 0
        """How many reports the service has taken."""

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, report: Report, delay: timedelta) -> None:
        """Send `report` once `delay` has passed."""
        self._arrival += 1
        waiting = _Waiting(time.monotonic() + delay.total_seconds(), self._arrival, report)
        heapq.heappush(self._heap, waiting)
        if self._heap[0] is waiting:
            self._sooner.set()

    def clear(self) -> None:
        """Forget what waits, and what is being posted should the service not take it."""
        self._heap.clear()
        self._cleared_at = self._arrival

    async def next_batch(self) -> list[_Waiting]:
        """What is due, up to a hundred reports, as soon as anything is."""
        while not (batch := self._take_due(time.monotonic())):
            self._sooner.clear()
            timeout = self._heap[0].due - time.monotonic() if self._heap else None
            try:
                await asyncio.wait_for(self._sooner.wait(), timeout)
            except TimeoutError:
                continue
        return batch

    def put_back(self, batch: Sequence[_Waiting]) -> None:
        """Return reports that were not taken to the places they had."""
        for waiting in batch:
            if waiting.number > self._cleared_at:
                heapq.heappush(self._heap, waiting)

    def _take_due(self, now: float) -> list[_Waiting]:
        """Due reports in their order, at most one per message so that two never arrive as one."""
        batch: list[_Waiting] = []
        references: set[str] = set()
        while self._heap and self._heap[0].due <= now and len(batch) < MAX_BATCH:
            if self._heap[0].report.reference in references:
                break
            batch.append(heapq.heappop(self._heap))
            references.add(batch[-1].report.reference)
        return batch


class Envelope(Protocol):
    """How one kind of report is posted."""

    def request(self, reports: Sequence[Report], now: datetime) -> httpx.Request:
        """One request that carries all `reports`."""


class Postman:
    """Posts one outbox's reports in order. A service that is away is asked again until it takes them."""

    def __init__(self, outbox: Outbox, envelope: Envelope, http: httpx.AsyncClient, clock: Clock) -> None:
        self._outbox, self._envelope, self._http, self._clock = outbox, envelope, http, clock

    async def run(self) -> None:
        """Work until cancelled."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            batch = await self._outbox.next_batch()
            if await self._post([waiting.report for waiting in batch]):
                pause = _FIRST_PAUSE_SECONDS
                continue
            self._outbox.put_back(batch)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _post(self, reports: Sequence[Report]) -> bool:
        """Whether the service has answered for good."""
        try:
            response = await self._http.send(self._envelope.request(reports, self._clock.now()))
        except httpx.RequestError as error:
            log.warning("reports_postponed", reports=len(reports), error=type(error).__name__)
            return False
        if response.is_success:
            self._mark_taken(reports)
        elif response.status_code in _NEVER_TAKEN:
            log.error("reports_refused", reports=len(reports), status=response.status_code)
        else:
            log.warning("reports_postponed", reports=len(reports), status=response.status_code)
            return False
        return True

    def _mark_taken(self, reports: Sequence[Report]) -> None:
        now = self._clock.now()
        for report in reports:
            report.sent_at = now
        self._outbox.taken += len(reports)
