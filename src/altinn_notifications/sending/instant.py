"""Sending while the caller waits: reserve, call the provider, make visible (spec 03, 3 and 7; spec 08, 16)."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from altinn_notifications.channels.protocol import Deferred, Scope, Unknown
from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import Channel, OrderType
from altinn_notifications.orders import instant_reservations as reservations
from altinn_notifications.orders.storage import find_receipt, receipt_for
from altinn_notifications.processing.results import lane_of
from altinn_notifications.reports.model import PROVIDER_SOURCES
from altinn_notifications.sending.attempts import RECORD_RETRY_SECONDS, Attempts, Closing, count_unknown, pause_of
from altinn_notifications.sending.claims import Claimed
from altinn_notifications.sending.instant_recovery import resolve_ended
from altinn_notifications.sending.pacing import Pacing
from altinn_notifications.sending.pauses import extend_pauses, read_pauses
from altinn_notifications.sending.plans import ways_of
from altinn_notifications.sending.policies import mail_policy, sms_policy
from altinn_notifications.sending.schedules import Decision, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.channels.protocol import EmailProvider, Outcome, SmsProvider
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.instant import InstantMessage
    from altinn_notifications.orders.model import Receipt
    from altinn_notifications.sending.lanes import Provider
    from altinn_notifications.sending.routing import Route, Routes
    from altinn_notifications.sending.schedules import RetryPolicy
    from altinn_notifications.settings import Settings

Result = TypeVar("Result")
log = structlog.get_logger()
DISPATCH_SECONDS: Final = 30.0
"""The longest that a caller waits for a provider; shorter than the original's 100 (spec 03, 12)."""
RESERVATION_LEASE: Final = timedelta(seconds=10)
CALL_LEASE: Final = timedelta(seconds=2 * DISPATCH_SECONDS)
PAUSES_KNOWN_SECONDS: Final = 1.0
"""For how long the pauses that were read count as known."""
WAITS: Final = (0.01, 0.02, 0.05, 0.1, 0.25)
"""Seconds between looks at somebody else's reservation; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Call:
    """A provider is about to be called for a reservation."""

    chain_id: UUID
    provider: str
    sender_domain: str


class NotDispatched(Exception):
    """The provider did not take the message, as far as anybody knows. Nothing is stored; the id may be used again."""


class InstantSender:
    """Sends instant messages. What it has begun it finishes, whether or not somebody still waits for the answer."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: Settings,
        *,
        email: Sequence[EmailProvider],
        sms: Sequence[SmsProvider],
    ) -> None:
        self._db = db
        self._clock = clock
        self._ways = ways_of(settings, email, sms)
        self._pacing = Pacing(settings.sending)
        self._pauses_read = -math.inf
        self._policies = {Channel.EMAIL: mail_policy(settings), Channel.SMS: sms_policy(settings)}
        self._attempts = Attempts(db, clock)
        self._reserving: Grouped[InstantMessage, bool] = Grouped(self._reserve_group, limit=100, writers=2)
        self._calls: Grouped[Call, bool] = Grouped(self._call_group, limit=100, writers=2)
        self._begun: set[asyncio.Task[Any]] = set()

    async def send(self, message: InstantMessage, *, check_caller: Callable[[], None]) -> tuple[Receipt, bool]:
        """Send `message` unless its idempotency id is taken.

        Returns the receipt of the order that holds the id, and whether it is this one. While somebody else sends
        under the id their outcome is awaited. `check_caller` is called wherever it is not too late to turn back, and
        what it raises is passed on. Raises `NotDispatched`, and `DatabaseUnavailable` when nothing was sent.
        """
        order, idempotency_id = message.order, message.chain.idempotency_id
        while True:
            check_caller()
            if await self._reserving.submit(message):
                if await asyncio.shield(self._begin(self._send_reserved(message))):
                    return receipt_for(message.chain), True
            elif known := await find_receipt(self._db, order.creator, OrderType.Instant, idempotency_id):
                return known, False
            else:
                await self._wait_for_other(message, check_caller)

    async def close(self) -> None:
        """Finish what was begun. What the database does not take in time is left to `resolve_ended`."""
        if self._begun:
            _, late = await asyncio.wait(self._begun, timeout=DISPATCH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Do `work` even if nobody waits for it any more."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # whoever it concerns may have gone, and asyncio would complain

    async def _send_reserved(self, message: InstantMessage) -> bool:
        """Call the provider for a reservation and end it; False when it was not ours to use after all."""
        started, route = self._clock.now(), await self._route(message)
        provider, claim = route.provider.name, _claim(message, started)
        try:
            may_call = await self._calls.submit(Call(message.chain.id, provider, claim.sender_domain))
        except DatabaseUnavailable:  # it may be noted all the same
            self._routes_of(message).release(route)
            self._begin(self._release(message))
            raise
        if not may_call:
            self._routes_of(message).release(route)
            await self._release(message)
            return False
        outcome, learned = await self._call(route, claim, message)
        decision = follow_up(claim, outcome, self._policies[message.channel], now=self._clock.now())
        if decision is None:
            await self._release(message)
            await self._keep_pause(provider, learned)
            raise NotDispatched
        decision = replace(
            decision,
            pause_until=learned.pause_until,
            pause_domain=learned.pause_domain,
            misconfigured=learned.misconfigured,
            clears=learned.clears,
        )
        closing = Closing(claim, provider, PROVIDER_SOURCES[provider], 1, started, decision, message.chain.id)
        await self._attempts.close(closing)
        return True

    async def _call(
        self, route: Route[Provider[Any]], claim: Claimed, message: InstantMessage
    ) -> tuple[Outcome, Decision]:
        """What came of the call, and what it tells about the provider."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(DISPATCH_SECONDS):
                outcome = await route.provider.send(message.outgoing)
        except TimeoutError:
            outcome = Unknown("no answer from the provider in time")
        seconds, now = time.monotonic() - began, self._clock.now()
        decision = decide(claim, outcome, self._policies[message.channel], now=now)
        _report(message, outcome)
        return outcome, self._routes_of(message).learn(route, outcome, decision, seconds=seconds, now=now)

    async def _route(self, message: InstantMessage) -> Route[Provider[Any]]:
        """The provider for one message: the preferred one that is well, and the most preferred one if none is.

        With a single provider nothing is held back, because its caller waits. Source: spec 08, 10.3.
        """
        routes = self._routes_of(message)
        if len(routes.names) == 1:
            return routes.first
        if time.monotonic() - self._pauses_read > PAUSES_KNOWN_SECONDS:
            self._pauses_read = time.monotonic()
            with suppress(DatabaseUnavailable):  # what is known already must do
                pauses = await read_pauses(self._db)
                self._ways.email.update(pauses)
                self._ways.sms.update(pauses)
        return routes.choose(_sender_domain(message), self._clock.now()) or routes.first

    def _routes_of(self, message: InstantMessage) -> Routes[Any]:
        return self._ways.email if message.channel is Channel.EMAIL else self._ways.sms

    async def _keep_pause(self, provider: str, learned: Decision) -> None:
        """Tell the workers what the call told; they would find out by themselves."""
        if (pause := pause_of(provider, learned)) is not None:
            with suppress(DatabaseUnavailable):
                async with self._db.transaction() as connection:
                    await extend_pauses(connection, [pause])

    async def _release(self, message: InstantMessage) -> None:
        """Let go of the reservation, however long it takes: left alone it would become a message that was sent."""
        for pause in chain(RECORD_RETRY_SECONDS, repeat(RECORD_RETRY_SECONDS[-1])):
            try:
                return await reservations.release(self._db, [message.chain.id])
            except DatabaseUnavailable:
                await asyncio.sleep(pause)
        raise AssertionError  # the pauses do not end

    async def _wait_for_other(self, message: InstantMessage, check_caller: Callable[[], None]) -> None:
        """Return when nobody holds the idempotency id of `message` any more."""
        for pause in chain(WAITS, repeat(WAITS[-1])):
            lease = await reservations.find_lease(self._db, message)
            if lease is None:
                return
            if lease <= self._clock.now():
                await resolve_ended(self._db, now=self._clock.now())
            await asyncio.sleep(pause)
            check_caller()

    async def _reserve_group(self, group: Sequence[InstantMessage]) -> list[bool]:
        until = self._clock.now() + RESERVATION_LEASE
        reserved = await reservations.reserve(self._db, group, lease_until=until)
        return [message.chain.id in reserved for message in group]

    async def _call_group(self, group: Sequence[Call]) -> list[bool]:
        now = self._clock.now()
        calls = [(call.chain_id, call.provider) for call in group]
        begun = await reservations.begin_calls(self._db, calls, now=now, lease_until=now + CALL_LEASE)
        for provider in {call.provider for call in group}:
            domains = [call.sender_domain for call in group if call.provider == provider and call.chain_id in begun]
            await self._pacing.note(self._db, provider, domains, now=now)
        return [call.chain_id in begun for call in group]


def follow_up(claim: Claimed, outcome: Outcome, policy: RetryPolicy, *, now: datetime) -> Decision | None:
    """What is stored of a message after its call, at `now` (UTC); None: nothing, and the caller may ask again.

    An email that was put off goes to the ordinary queue, an SMS is never repeated behind its caller's back.
    Source: spec 03, 7.3 and 10.
    """
    match outcome:
        case Unknown(scope=Scope.MESSAGE):
            return None
        case Deferred() | Unknown() if claim.channel == Channel.SMS:
            return None
        case Deferred(Scope.MESSAGE | Scope.CALL, reason):
            return Decision(Kind.SEND_DEFERRED, "New", detail={"reason": reason, "at": now.isoformat()})
        case _:
            return decide(claim, outcome, policy, now=now)


def _claim(message: InstantMessage, started: datetime) -> Claimed:
    """The message as it is stored when it becomes visible: claimed once, by its caller."""
    return Claimed(
        notification_id=message.notification_id,
        order_id=message.order.id,
        creator=message.order.creator,
        channel=message.channel,
        lane=lane_of(message.order, message.channel),
        claim_count=1,
        attempts=0,
        attempt_open=False,
        attempt_started=started,
        outcome_unknown=False,
        deferrals=0,
        provider=None,
        provider_reference=message.reference,
        sender_domain=_sender_domain(message),
        expiry=message.expiry,
    )


def _sender_domain(message: InstantMessage) -> str:
    return "" if message.order.email is None else message.order.email.sender_domain


def _report(message: InstantMessage, outcome: Outcome) -> None:
    if isinstance(outcome, Unknown):
        count_unknown([message.channel])
    if isinstance(outcome, Deferred | Unknown):
        log.warning("instant_message_not_taken", order_id=str(message.order.id), reason=outcome.detail)
