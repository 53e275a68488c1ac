"""A lane: one kind of message on its way to its providers, from claim to recorded outcome (spec 08, 10).

A lane keeps a fixed number of senders busy from one queue. The next batch is claimed when the queue runs low, so memory
does not grow with the backlog and one slow message holds up nobody else.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from altinn_notifications import events
from altinn_notifications.channels.protocol import Unknown
from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import DatabaseUnavailable, columns
from altinn_notifications.events import Event
from altinn_notifications.processing.expiry import in_send_window, next_opening
from altinn_notifications.reports.model import PROVIDER_SOURCES
from altinn_notifications.sending import claims
from altinn_notifications.sending.attempts import Closing, Opening, count_unknown
from altinn_notifications.sending.claims import Claimant, Claimed
from altinn_notifications.sending.download_notes import note_of
from altinn_notifications.sending.fair_queue import FairQueue
from altinn_notifications.sending.pacing import bucket_of
from altinn_notifications.sending.pauses import read_pauses
from altinn_notifications.sending.routing import MANY
from altinn_notifications.sending.schedules import decide, unknown
from altinn_notifications.sending.shares import shares

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from typing import Any, Protocol
    from uuid import UUID

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Connection, Database, Row
    from altinn_notifications.sending.attempts import Attempts
    from altinn_notifications.sending.pacing import Pacing
    from altinn_notifications.sending.routing import Route, Routes
    from altinn_notifications.sending.schedules import Decision, RetryPolicy
    from altinn_notifications.sending.shares import Source

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
NEWCOMER_SECONDS = 0.5
"""While a lane has enough to do it looks so often for owners of whom it holds nothing."""
PROBE_WAIT = timedelta(seconds=1)
"""How long a message waits that met a provider just when another message tried it."""
LOOK_AGAIN_SECONDS = 15.0
"""How long a lane sleeps at most: a wake-up that was lost costs no more than this."""

SET_DECIDED = """
    UPDATE notification_states s SET attempt_open = false, outcome_unknown = true, wake_at = u.wake_at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS u (notification_id, wake_at)
    WHERE s.notification_id = u.notification_id AND s.result || '' = 'Sending'"""


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What tells one lane from another."""

    name: str
    batch_size: int
    concurrency: int
    lease: timedelta
    daytime_only: bool
    call_seconds: float
    """The longest that a call may take; it ends before its lease does."""


class Lane(Generic[Message]):
    """Sends what one lane holds until told to stop. `build` makes the provider's message from a claimed row."""

    def __init__(  # noqa: PLR0913 - everything a lane is made of
        self,
        settings: LaneSettings,
        *,
        db: Database,
        clock: Clock,
        routes: Routes[Provider[Message]],
        pacing: Pacing,
        build: Callable[[Row, Row], tuple[Message, str | None]],
        attempts: Attempts,
        policy: RetryPolicy,
        wake: asyncio.Event,
        worker: int,
    ) -> None:
        self.settings = settings
        self._db = db
        self._clock = clock
        self._routes = routes
        self._pacing = pacing
        self._build = build
        self._attempts = attempts
        self._policy = policy
        self._wake = wake
        self._worker = worker
        self._returns: Grouped[Claimed, None] = Grouped(self._return_group, limit=500)
        self._turn = 0
        self._paid_for: str | None = None
        self._paced_until: datetime | None = None
        routes.ring(wake)
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
        queue: FairQueue[tuple[Claimed, Message, str | None]] = FairQueue()
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

    async def _feed(self, queue: FairQueue[tuple[Claimed, Message, str | None]], stop: asyncio.Event) -> None:
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

    async def _until_low(self, queue: FairQueue[Any], stop: asyncio.Event) -> None:
        """Wait until fewer messages wait than there are senders: the next batch is claimed while these are sent.

        When that takes long, owners who came later still get their turn.
        """
        while queue.qsize() >= self.settings.concurrency and not (stop.is_set() or self._may_have_lost_claims):
            self._running_low.clear()
            try:
                await asyncio.wait_for(self._running_low.wait(), NEWCOMER_SECONDS)
            except TimeoutError:
                for item in await self.claim(besides=queue.owners):
                    queue.put_nowait(item)

    async def claim(self, *, besides: Collection[str] = ()) -> list[tuple[Claimed, Message, str | None]]:
        """Claim one batch, with everything that is needed to send it; nothing of the owners `besides`."""
        now = self._clock.now()
        by = Claimant(self.settings.name, self._worker, self._routes.names, now, now + self.settings.lease)
        sources = [each for each in await claims.sources_with_new(self._db, by.lane) if each[0] not in besides]
        if besides and not sources:
            return []
        domains = {domain for _, domain in sources}
        self._paid_for = self._routes.preferred(now)
        async with self._db.transaction() as connection:
            purse = await self._pacing.open(connection, self._paid_for, domains, now)
            room = min(self.settings.batch_size, self._routes.room("", now), purse.room(self._paid_for))
            is_trial = self._routes.room("", now) < MANY
            ids = [] if besides or is_trial else await claims.claim_waking(connection, by, limit=room)
            most = {domain: min(self._routes.room(domain, now), purse.room(bucket_of(domain))) for domain in domains}
            ids += await self._claim_new(connection, by, sources, room - len(ids), most)
            if is_trial and not besides:  # last: what was tried already may be the very message nobody answers
                ids += await claims.claim_waking(connection, by, limit=room - len(ids))
            self._paced_until = purse.ready_at()
            taken = await self._take(connection, ids, now) if ids else []
            for claim, *_ in taken:
                purse.spend(self._paid_for, 1)
                purse.spend(bucket_of(claim.sender_domain), 1)
            await purse.store(connection)
        return taken or (await self.claim(besides=besides) if ids else [])  # what is held makes room for others

    async def _claim_new(
        self, connection: Connection, by: Claimant, sources: Collection[Source], room: int, most: Mapping[str, int]
    ) -> list[UUID]:
        """Claim what is new. Who has nothing to send after all, because it expired, takes nobody's place."""
        self._turn += 1
        while asked := shares(sources, room, most=most, turn=self._turn):
            if ids := await claims.claim_new(connection, by, asked):
                return ids
            sources = [source for source in sources if source not in asked]
        return []

    async def _take(
        self, connection: Connection, ids: Sequence[UUID], now: datetime
    ) -> list[tuple[Claimed, Message, str | None]]:
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
        detail: dict[str, Any] = {"provider": claim.provider, "attempt": claim.attempts, **decision.detail}
        detail.pop("at", None)
        if claim.attempt_started is not None:
            detail["started"] = claim.attempt_started.isoformat()
        return Event(claim.order_id, claim.notification_id, now, decision.event, detail)

    async def _sender(self, queue: FairQueue[tuple[Claimed, Message, str | None]]) -> None:
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
        route = self._route(claim)
        if route is None:
            await self._returns.submit(claim)
            return
        try:
            closing = await self._attempt(route, claim, message, reference)
        except BaseException:
            self._routes.release(route)
            raise
        if closing is not None:
            await self._close(closing)

    def _route(self, claim: Claimed) -> Route[Provider[Message]] | None:
        """Where a message goes now. One that may have arrived stays with its provider, which may know it again."""
        now, own = self._clock.now(), claim.provider
        may_move = claim.attempt_started is None or now - claim.attempt_started >= self._policy.moves_after
        is_bound = (claim.outcome_unknown or claim.attempt_open) and own in self._routes.names and not may_move
        route = self._routes.choose(claim.sender_domain, now, only=own if is_bound else None)
        if route is None or route.probed or route.provider.name == self._paid_for:
            return route
        return None if self._pacing.is_limited(route.provider.name) else route

    async def _attempt(
        self, route: Route[Provider[Message]], claim: Claimed, message: Message, reference: str | None
    ) -> Closing | None:
        """Call the provider; None when the claim is not ours to use any more."""
        name, started = route.provider.name, self._clock.now()
        opening = Opening(claim, name, reference, started, started + self.settings.lease)
        if not await self._attempts.open(opening):
            self._routes.release(route)
            return None
        began = time.monotonic()
        outcome = await self._call(route.provider, message)
        seconds, now = time.monotonic() - began, self._clock.now()
        decision = decide(claim, outcome, self._policy, now=now)
        decision = self._routes.learn(route, outcome, decision, seconds=seconds, now=now)
        if decision.event is events.Kind.SEND_RETURNED and decision.wake_at is not None:
            decision = self._elsewhere(claim, decision, now)
        note = note_of(claim.lane, message)
        return Closing(claim, name, PROVIDER_SOURCES[name], claim.attempts + 1, started, decision, download=note)

    async def _call(self, provider: Provider[Message], message: Message) -> Outcome:
        try:
            async with asyncio.timeout(self.settings.call_seconds):
                return await provider.send(message)
        except TimeoutError:
            return Unknown("no answer from the provider in time")

    def _elsewhere(self, claim: Claimed, decision: Decision, now: datetime) -> Decision:
        """A message that waits for its provider goes on at once if another one can take it."""
        return replace(decision, wake_at=now) if self._routes.room(claim.sender_domain, now) else decision

    def _tried_again(self, claim: Claimed, now: datetime) -> datetime:
        """When a message that found no way is looked at again: its provider opens, or it may move to another."""
        opens = self._routes.opens_at(now, provider=claim.provider)
        wait = PROBE_WAIT if opens is None else opens - now
        if claim.outcome_unknown and claim.attempt_started is not None:
            moves = self._policy.moves_after - (now - claim.attempt_started)
            wait = min(wait, moves) if moves > timedelta() else wait
        return now + max(wait, PROBE_WAIT)

    async def _return_group(self, group: Sequence[Claimed]) -> list[None]:
        """Let go of messages that no provider can take now."""
        now = self._clock.now()
        await claims.hand_back(self._db, group, now=now)
        await claims.put_off(self._db, [(claim, self._tried_again(claim, now)) for claim in group])
        self._wake.set()
        return [None] * len(group)

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
            if closing.decision.deferred or closing.decision.pause_until is not None:
                self._wake.set()  # it sleeps until what was known when it fell asleep, which may be later
        except Exception as error:
            log.exception(
                "outcome_not_recorded", notification_id=str(closing.claim.notification_id), error=type(error).__name__
            )

    async def _blocked_until(self) -> datetime | None:
        """When this lane may claim again: None means now."""
        now = self._clock.now()
        if self.settings.daytime_only and not in_send_window(now, self._policy.window):
            return next_opening(now, self._policy.window)
        self._routes.update(await read_pauses(self._db))
        if self._routes.room("", now):
            return None
        return self._routes.opens_at(now) or now + timedelta(seconds=LOOK_AGAIN_SECONDS)

    async def _sleep(self, stop: asyncio.Event, blocked_until: datetime | None) -> None:
        until = blocked_until or await self._next_wake(self._clock.now())
        seconds = LOOK_AGAIN_SECONDS
        if until is not None:
            seconds = min(seconds, max(0.01, (until - self._clock.now()).total_seconds() + 0.001))
        if not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

    async def _next_wake(self, now: datetime) -> datetime | None:
        due = await claims.next_wake(self._db, self.settings.name, now=now)
        return min((each for each in (due, self._paced_until, self._routes.opens_at(now)) if each), default=None)

    async def _give_back(self, queue: FairQueue[tuple[Claimed, Message, str | None]]) -> None:
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
