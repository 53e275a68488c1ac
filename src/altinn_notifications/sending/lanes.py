"""A lane: one kind of message on its way to one provider, from claim to recorded outcome (spec 08, 10).

A lane keeps a fixed number of senders busy from one queue. The next batch is claimed when the queue runs low, so memory
does not grow with the backlog and one slow message holds up nobody else.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from altinn_notifications import events
from altinn_notifications.channels.protocol import Deferred
from altinn_notifications.database.pool import DatabaseUnavailable, columns
from altinn_notifications.events import Event
from altinn_notifications.processing.expiry import in_send_window, next_opening
from altinn_notifications.sending import claims
from altinn_notifications.sending.attempts import Closing, Opening, count_unknown
from altinn_notifications.sending.claims import Claimed
from altinn_notifications.sending.download_notes import note_of
from altinn_notifications.sending.pauses import paused_until
from altinn_notifications.sending.schedules import decide, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from typing import Any, Protocol

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Connection, Database, Row
    from altinn_notifications.sending.attempts import Attempts
    from altinn_notifications.sending.schedules import Decision, RetryPolicy

    Message_contra = TypeVar("Message_contra", contravariant=True)

    class Provider(Protocol[Message_contra]):
        """Either kind of provider."""

        name: str

        async def send(self, message: Message_contra, /) -> Outcome:
            """Hand one message over."""


Message = TypeVar("Message")
log = structlog.get_logger()
CLOSINGS_AT_ONCE = 500
"""How many outcomes may be on their way to the database before the senders wait for it."""
LOOK_AGAIN_SECONDS = 15.0
"""How long a lane sleeps at most: a wake-up that was lost costs no more than this."""

SET_DECIDED = """
    UPDATE notification_states s SET attempt_open = false, outcome_unknown = true, wake_at = u.wake_at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS u (notification_id, wake_at)
    WHERE s.notification_id = u.notification_id AND s.result = 'Sending'"""


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What tells one lane from another."""

    name: str
    batch_size: int
    concurrency: int
    lease: timedelta
    daytime_only: bool
    source: int
    """The number dead reports know the provider by."""


class Lane(Generic[Message]):
    """Sends what one lane holds until told to stop. `build` makes the provider's message from a claimed row."""

    def __init__(  # noqa: PLR0913 - everything a lane is made of
        self,
        settings: LaneSettings,
        *,
        db: Database,
        clock: Clock,
        provider: Provider[Message],
        build: Callable[[Row, Row], tuple[Message, str | None]],
        attempts: Attempts,
        policy: RetryPolicy,
        wake: asyncio.Event,
        worker: int,
    ) -> None:
        self.settings = settings
        self._db = db
        self._clock = clock
        self._provider = provider
        self._build = build
        self._attempts = attempts
        self._policy = policy
        self._wake = wake
        self._worker = worker
        self._may_have_lost_claims = False
        self._running_low = asyncio.Event()
        self._closings: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish the calls that are open and give the rest back.

        Raises `DatabaseUnavailable`; when it is run again it first lets go of what it may have claimed unknowingly.
        """
        if self._may_have_lost_claims:
            await claims.let_go(self._db, self.settings.name, worker=self._worker, now=self._clock.now())
            self._may_have_lost_claims = False
        queue: asyncio.Queue[tuple[Claimed, Message, str | None]] = asyncio.Queue()
        senders = [asyncio.create_task(self._sender(queue)) for _ in range(self.settings.concurrency)]
        waking = asyncio.create_task(_set_at_stop(stop, self._wake, self._running_low))
        try:
            await self._feed(queue, stop)
        except BaseException:
            self._may_have_lost_claims = True
            raise
        finally:
            waking.cancel()
            await self._give_back(queue)
            await asyncio.gather(*(_finish(sender) for sender in senders), return_exceptions=True)
            await asyncio.gather(*self._closings, return_exceptions=True)

    async def _feed(self, queue: asyncio.Queue[tuple[Claimed, Message, str | None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            if self._may_have_lost_claims:
                raise DatabaseUnavailable("a call could not be recorded before it was made")
            until = await self._blocked_until()
            batch = [] if until else await self.claim()
            for item in batch:
                queue.put_nowait(item)
            if batch:
                await self._until_low(queue, stop)
            else:
                await self._sleep(stop, until)

    async def _until_low(self, queue: asyncio.Queue[Any], stop: asyncio.Event) -> None:
        """Wait until fewer messages wait than there are senders: the next batch is claimed while these are sent."""
        while queue.qsize() >= self.settings.concurrency and not (stop.is_set() or self._may_have_lost_claims):
            self._running_low.clear()
            await self._running_low.wait()

    async def claim(self) -> list[tuple[Claimed, Message, str | None]]:
        """Claim one batch, with everything that is needed to send it."""
        now = self._clock.now()
        owners = await claims.owners_with_new(self._db, self.settings.name)
        async with self._db.transaction() as connection:
            ids = await claims.claim_batch(
                connection,
                self.settings.name,
                owners,
                now=now,
                limit=self.settings.batch_size,
                until=now + self.settings.lease,
                worker=self._worker,
                provider=self._provider.name,
            )
            if not ids:
                return []
            rows = await claims.load_claimed(connection, ids)
            templates = await claims.load_templates(connection, (row["order_id"] for row in rows))
            claimed = [_claim(row) for row in rows]
            held = await self._note_lost_calls(connection, claimed, now)
        return [
            (claim, *self._build(row, templates[claim.order_id]))
            for claim, row in zip(claimed, rows, strict=True)
            if claim.notification_id not in held
        ]

    async def _note_lost_calls(self, connection: Connection, rows: Sequence[Claimed], now: datetime) -> set[Any]:
        """Record the calls that were open when their worker died, and return those that must not be repeated."""
        lost = [
            (claim, unknown(claim, "worker stopped during the call", self._policy, now=now))
            for claim in rows
            if claim.attempt_open
        ]
        if not lost:
            return set()
        await events.record(connection, [self._lost(claim, decision, now) for claim, decision in lost])
        count_unknown(claim.channel for claim, _ in lost)
        held = [claim for claim, decision in lost if decision.wake_at is None]
        until = now + self.settings.lease
        wakes = ((claim.notification_id, None if claim in held else until) for claim, _ in lost)
        await connection.execute(SET_DECIDED, *columns(wakes))
        return {claim.notification_id for claim in held}

    def _lost(self, claim: Claimed, decision: Decision, now: datetime) -> Event:
        detail: dict[str, Any] = {"provider": self._provider.name, "attempt": claim.attempts, **decision.detail}
        detail.pop("at", None)
        if claim.attempt_started is not None:
            detail["started"] = claim.attempt_started.isoformat()
        return Event(claim.order_id, claim.notification_id, now, decision.event, detail)

    async def _sender(self, queue: asyncio.Queue[tuple[Claimed, Message, str | None]]) -> None:
        while True:
            item = await queue.get()
            if queue.qsize() < self.settings.concurrency:
                self._running_low.set()
            try:
                await asyncio.shield(asyncio.ensure_future(self._send(*item)))
            except DatabaseUnavailable:
                log.warning("send_not_opened", notification_id=str(item[0].notification_id))
                self._may_have_lost_claims = True
                self._wake.set()
                self._running_low.set()
            except Exception as error:
                log.exception("send_failed", notification_id=str(item[0].notification_id), error=type(error).__name__)
            finally:
                queue.task_done()

    async def _send(self, claim: Claimed, message: Message, reference: str | None) -> None:
        started = self._clock.now()
        opening = Opening(claim, self._provider.name, reference, started, started + self.settings.lease)
        if not await self._attempts.open(opening):
            return
        outcome = await self._provider.send(message)
        if isinstance(outcome, Deferred) and outcome.misconfigured:
            log.error("provider_misconfigured", provider=self._provider.name, reason=outcome.detail)
        decision = decide(claim, outcome, self._policy, now=self._clock.now())
        attempt = claim.attempts + 1
        note = note_of(claim.lane, message)
        closing = Closing(claim, self._provider.name, self.settings.source, attempt, started, decision, download=note)
        await self._close(closing)

    async def _close(self, closing: Closing) -> None:
        """Have the outcome recorded while the sender goes on; it waits only when very many are on their way."""
        while len(self._closings) >= CLOSINGS_AT_ONCE:
            await asyncio.wait(self._closings, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._record(closing))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _record(self, closing: Closing) -> None:
        try:
            await self._attempts.close(closing)
        except Exception as error:
            log.exception(
                "outcome_not_recorded", notification_id=str(closing.claim.notification_id), error=type(error).__name__
            )

    async def _blocked_until(self) -> datetime | None:
        """When this lane may claim again: None means now."""
        now = self._clock.now()
        if self.settings.daytime_only and not in_send_window(now, self._policy.window):
            return next_opening(now, self._policy.window)
        return await paused_until(self._db, self._provider.name, now=now)

    async def _sleep(self, stop: asyncio.Event, blocked_until: datetime | None) -> None:
        until = blocked_until or await claims.next_wake(self._db, self.settings.name, now=self._clock.now())
        seconds = LOOK_AGAIN_SECONDS
        if until is not None:
            seconds = min(seconds, max(0.01, (until - self._clock.now()).total_seconds() + 0.001))
        if not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

    async def _give_back(self, queue: asyncio.Queue[tuple[Claimed, Message, str | None]]) -> None:
        waiting = []
        while not queue.empty():
            waiting.append(queue.get_nowait()[0])
            queue.task_done()
        if waiting:
            with suppress(DatabaseUnavailable):  # the lease brings them back
                await claims.hand_back(self._db, waiting, now=self._clock.now())
        await queue.join()


async def _set_at_stop(stop: asyncio.Event, *events: asyncio.Event) -> None:
    await stop.wait()
    for event in events:
        event.set()


async def _finish(sender: asyncio.Task[None]) -> None:
    sender.cancel()
    with suppress(asyncio.CancelledError):
        await sender


def _claim(row: Row) -> Claimed:
    return Claimed(**{name: row[name] for name in Claimed.__slots__})
