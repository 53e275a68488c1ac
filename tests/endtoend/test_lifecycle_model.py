"""Whatever happens, in whatever order: the database says what the simple model of the specification says.

Each run does made-up things for a while, chosen by its seed, and compares after each of them. A run that fails tells
its seed and what was done; `Lifecycle(db, seed, peer).run()` does the same once more.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.channels.protocol import Accepted, Deferred, OutgoingEmail, Refused, Scope, Unknown
from altinn_notifications.clock import FixedClock
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.cancellation import cancel
from altinn_notifications.orders.model import NotificationChannel, Recipient, SendingTimePolicy
from altinn_notifications.processing.deadline import CLOSING_CHANNELS
from altinn_notifications.processing.due_orders import ClaimedOrder, ClaimEnd, claim_due_orders, end_claims
from altinn_notifications.reports.inbox import ReportInbox
from altinn_notifications.reports.matching import match_due
from altinn_notifications.reports.model import DeliveryReport, ReportSource
from altinn_notifications.sending.attempts import Attempts, Closing, Opening
from altinn_notifications.sending.schedules import RetryPolicy, decide
from altinn_notifications.sending.termination import settle_silent_mail, terminate_expired
from support.lanes import WINDOW, a_lane, drain
from support.lifecycle_model import LEASE, LIFETIME, OFFSET, PAUSES, SETTLES, WAITS, Message, OrderModel, drafted
from support.metrics import counted_anew, kept
from support.orders import SMS, an_order, processor, registered
from support.platform_peer import running_peer
from support.random_register import RandomRegister
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.channels.protocol import Outcome, OutgoingSms
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import Order
    from altinn_notifications.sending.claims import Claimed
    from altinn_notifications.sending.lanes import Lane
    from support.platform_peer import PlatformPeer

RUNS = 20
STEPS = 60
MOST_ORDERS = 5
HOLDER = "skd"
LANES = {"Email": "email", "Sms": "sms-anytime"}
PROVIDERS = {"Email": "smtp", "Sms": "link"}
SOURCES = {"Email": ReportSource.SMTP, "Sms": ReportSource.SMS_GATEWAY}
KINDS = {
    ("Email",): NotificationChannel.EMAIL,
    ("Sms",): NotificationChannel.SMS,
    ("Email", "Sms"): NotificationChannel.EMAIL_AND_SMS,
}
OUTCOMES = ("accepted", "accepted", "busy", "unknown", "Failed")
ANSWERS = ("accepted", "busy", "Failed")
AHEAD = (timedelta(), timedelta(), timedelta(), 6 * MINUTE, 3 * DAY)
TURNS = (30 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 5 * MINUTE, 5 * MINUTE, 6 * MINUTE, HOUR, HOUR, DAY, 3 * DAY)
EVERYBODY = Recipient(email_address="kari@example.no", mobile_number="+4799999999")
POLICIES = {
    name: RetryPolicy(
        waits, PAUSES[name], WINDOW, hold_creators={HOLDER}, settle_after=SETTLES, stays_sending=name == "Sms"
    )
    for name, waits in WAITS.items()
}
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
STATES = """
    SELECT s.order_id, s.status, (SELECT count(*) FROM status_feed_outbox f WHERE f.order_id = s.order_id) AS entries
    FROM order_states s"""
CLAIMS = "SELECT notification_id, claim_count FROM notification_states WHERE channel = $1"
PAUSED = "SELECT count(*) > 0 FROM provider_pauses WHERE provider = $1"
RESULTS = """
    SELECT n.order_id, n.id, n.channel, s.result, l.status AS logged,
        (SELECT count(*) FROM events e WHERE e.notification_id = n.id AND e.kind = 'send-unknown') AS unknowns
    FROM notifications n JOIN notification_states s ON s.notification_id = n.id
    LEFT JOIN notification_log l ON l.notification_id = n.id ORDER BY n.channel, n.position"""


class PlannedProvider:
    """Does with each message what was planned for it."""

    def __init__(self, channel: str) -> None:
        self.name = PROVIDERS[channel]
        self.plan: dict[UUID, str] = {}
        self.sent: list[Any] = []

    async def send(self, message: OutgoingEmail | OutgoingSms) -> Outcome:
        self.sent.append(message)
        reference = str(message.operation_id) if isinstance(message, OutgoingEmail) else None
        return outcome(self.plan[message.notification_id], reference or sms_reference(message.notification_id))


def outcome(name: str, reference: str) -> Outcome:
    if name == "accepted":
        return Accepted(reference)
    scopes = {"busy": Scope.MESSAGE, "down": Scope.PROVIDER}
    if name in scopes:
        return Deferred(scopes[name], name)
    return Unknown(name) if name == "unknown" else Refused(name, "refused")


def sms_reference(notification_id: UUID) -> str:
    return f"ref-{notification_id}"


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A message in the hands of a worker of which nobody hears any more."""

    claim: Claimed
    message: Message
    claims: int
    reference: str | None
    is_open: bool


class Lifecycle:
    """The service and the model go through the same things."""

    def __init__(self, db: Database, seed: int, peer: PlatformPeer) -> None:
        self.db = db
        self.random = random.Random(seed)  # noqa: S311 - made-up events, repeatable by their seed
        self.registers = RandomRegister(peer, self.random)
        self.looked_up: dict[UUID, Order] = {}
        """The orders whose recipients must be found out about."""
        self.clock = FixedClock(NOON)
        self.attempts = Attempts(db, self.clock)
        self.orders: list[OrderModel] = []
        self.abandoned: list[Abandoned] = []
        self.lost_orders: list[tuple[ClaimedOrder, OrderModel]] = []
        self.paused = {"Email": NOON, "Sms": NOON}
        self.waiting: dict[str, list[str]] = {}
        self.done: list[str] = []

    async def run(self) -> None:
        for _ in range(STEPS):
            possible = [(action, weight) for action, weight, is_possible in self._actions() if is_possible]
            actions, weights = zip(*possible, strict=True)
            (action,) = self.random.choices(actions, weights)
            self.done.append(action.__name__)
            await action()
            for order in self.orders:
                order.complete_if_finished()
            await self.compare()
        await self.compare_metrics()

    def _actions(self) -> list[tuple[Callable[[], Awaitable[None]], int, bool]]:
        has_due = any(order.is_claimable(self.now) for order in self.orders)
        has_claimable = any(message.is_claimable(self.now) for message in self.messages)
        return [
            (self.register, 3, len(self.orders) < MOST_ORDERS),
            (self.register_for_somebody, 4, len(self.orders) < MOST_ORDERS),
            (self.change_what_is_known, 2, bool(self.looked_up)),
            (self.cancel, 1, bool(self.orders)),
            (self.turn_clock, 5, True),
            (self.terminate, 2, any(m.is_pending and m.expiry < self.now for m in self.messages)),
            (self.settle, 2, any(message.result == "Succeeded" for message in self.messages)),
            (self.process, 8, has_due),
            (self.die_while_processing, 6, has_due),
            (self.return_to_orders_too_late, 4, bool(self._late_orders())),
            (self.send, 8, has_claimable),
            (self.find_the_provider_down, 3, has_claimable),
            (self.die_while_sending, 8, has_claimable),
            (self.return_to_a_message_too_late, 4, bool(self.abandoned)),
            (self.report, 4, bool(self._reportable())),
        ]

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def messages(self) -> list[Message]:
        return [message for order in self.orders for message in order.messages]

    # --- what owners do

    async def register(self) -> None:
        kind, recipients = self.random.choice(list(KINDS)), self.random.choice((0, 1, 1, 2))
        creator, ahead = self.random.choice(("ttd", HOLDER)), self.random.choice(AHEAD)
        order = an_order(
            creator=creator,
            created=self.now,
            requested_send_time=self.now + ahead,
            channel=KINDS[kind],
            recipients=(EVERYBODY,) * recipients,
            sms=SMS,
            sms_policy=SendingTimePolicy.ANYTIME,
        )
        await registered(self.db, order)
        wanted = tuple(channel for channel in kind for _ in range(recipients))
        self.orders.append(OrderModel(order.id, creator, order.requested_send_time, wanted))

    async def register_for_somebody(self) -> None:
        order = an_order(
            creator=self.random.choice(("ttd", HOLDER)),
            created=self.now,
            requested_send_time=self.now + self.random.choice(AHEAD),
            channel=self.random.choice(list(NotificationChannel)),
            recipients=(self.registers.somebody(),),
            sms=SMS,
            sms_policy=SendingTimePolicy.ANYTIME,
            ignore_reservation=self.random.choice((None, False, True)),
            use_stale_contact_information=self.random.random() < 0.5,
        )
        await registered(self.db, order)
        self.looked_up[order.id] = order
        self.orders.append(OrderModel(order.id, order.creator, order.requested_send_time, ()))

    async def change_what_is_known(self) -> None:
        order = self.random.choice(list(self.looked_up.values()))
        self.registers.change(order.recipients[0])

    async def cancel(self) -> None:
        order = self.random.choice(self.orders)
        verdict = await cancel(self.db, order.id, creator=order.creator, now=self.now)
        assert verdict is not None
        assert verdict.name == order.cancel(self.now)

    # --- time, and what only time does

    async def turn_clock(self) -> None:
        self.clock.turn(self.random.choice(TURNS))

    async def terminate(self) -> None:
        await terminate_expired(self.db, now=self.now, offset=OFFSET, batch_size=3)
        for message in self.messages:
            message.terminate(self.now)
        assert not any(message.is_pending and message.expiry < self.now - OFFSET for message in self.messages)

    async def settle(self) -> None:
        await settle_silent_mail(self.db, now=self.now, batch_size=100)
        for message in self.messages:
            message.fall_silent(self.now)

    # --- what workers do with orders

    async def process(self) -> None:
        async with self.registers.answering() as platform:
            worker = processor(self.db, self.clock, platform)
            while await worker.process_batch():
                await worker.settled()
        while due := [order for order in self.orders if order.is_claimable(self.now)]:
            for order in due:
                order.claim(self.now)
            for order in due:
                await self._conclude(order)

    async def _conclude(self, order: OrderModel) -> None:
        ordered = self.looked_up.get(order.id)
        if ordered is not None and not order.is_late(self.now):
            if not self.registers.is_well:
                order.wait_for_registers(self.now)
                return
            if order.is_failed:
                for other in self.orders:
                    other.go_on(self.now)
        order.process(order.claims, await self._created(order), self.now)

    async def _created(self, order: OrderModel) -> list[Message]:
        rows = [row for row in await self.db.fetch(RESULTS) if row["order_id"] == order.id]
        expected = self._expected(order)
        assert [row["channel"] for row in rows] == [channel for channel, _ in expected]
        is_held, expiry = order.creator == HOLDER, order.due + LIFETIME
        return [
            Message(row["id"], channel, is_held and channel == "Sms", expiry, result)
            for row, (channel, result) in zip(rows, expected, strict=True)
        ]

    def _expected(self, order: OrderModel) -> list[tuple[str, str]]:
        ordered = self.looked_up.get(order.id)
        if ordered is None:
            return [(channel, "New") for channel in order.channels]
        if order.is_late(self.now):
            return [(channel, "New") for channel in CLOSING_CHANNELS[ordered.channel]]
        return drafted(ordered.channel, self.registers.party(ordered))

    async def die_while_processing(self) -> None:
        until = self.now + LEASE
        claims = await claim_due_orders(self.db, now=self.now, limit=99, lease_until=until, worker=None)
        claimable = {order.id: order for order in self.orders if order.is_claimable(self.now)}
        assert {claim.order_id for claim in claims} == set(claimable)
        for claim in claims:
            claimable[claim.order_id].claim(self.now)
            self.lost_orders.append((claim, claimable[claim.order_id]))

    async def return_to_orders_too_late(self) -> None:
        status = self.random.choice(("Registered", "Processed", "Completed"))
        async with self.db.transaction() as connection:
            ends = [ClaimEnd(claim, status) for claim in self._late_orders()]
            assert await end_claims(connection, ends, now=self.now) == set()

    def _late_orders(self) -> list[ClaimedOrder]:
        return [claim for claim, order in self.lost_orders if claim.claim_count < order.claims]

    # --- what workers do with messages

    async def send(self) -> None:
        channel = self.random.choice(list(LANES))
        provider = PlannedProvider(channel)
        called = [message for message in self._claimable(channel) if message.claim(self.now)]
        is_tried_anew = await self.db.fetchval(PAUSED, PROVIDERS[channel])
        outcomes = ANSWERS if is_tried_anew else OUTCOMES  # whoever does not answer then is paused for the others
        provider.plan = {message.id: self.random.choice(outcomes) for message in called}
        await drain(self._lane(channel, provider))
        assert sorted(sent.notification_id for sent in provider.sent) == sorted(provider.plan)
        operation_ids = {sent.notification_id: getattr(sent, "operation_id", None) for sent in provider.sent}
        for message in called:
            assert message.open_call(message.claims, self.now)
            self._note_reference(message, operation_ids[message.id])
            self._end_call(message, message.claims, provider.plan[message.id])

    async def find_the_provider_down(self) -> None:
        channel = self.random.choice(list(LANES))
        provider, claimable = PlannedProvider(channel), self._claimable(channel)
        provider.plan = {message.id: "down" for message in claimable}
        before = {row["notification_id"]: row["claim_count"] for row in await self.db.fetch(CLAIMS, channel)}
        await drain(self._lane(channel, provider, batch_size=1, concurrency=1))
        rows = await self.db.fetch(CLAIMS, channel)
        claimed = {row["notification_id"] for row in rows if row["claim_count"] > before[row["notification_id"]]}
        taken = [message for message in claimable if message.id in claimed and message.claim(self.now)]
        assert len(provider.sent) == bool(taken)  # one says enough about the provider
        for message in taken:
            if message.id == provider.sent[0].notification_id:
                assert message.open_call(message.claims, self.now)
                self._note_reference(message, getattr(provider.sent[0], "operation_id", None))
                self._end_call(message, message.claims, "down")
            else:
                message.give_back(self.now + PAUSES[channel])

    def _note_reference(self, message: Message, operation_id: UUID | None) -> None:
        if message.channel == "Email":
            is_repeated_as_the_same = message.reference == str(operation_id)
            assert is_repeated_as_the_same == message.may_have_arrived
            message.reference = str(operation_id)

    def _end_call(self, message: Message, claims: int, name: str) -> None:
        is_kept = message.claims == claims and message.expiry > self.now
        message.end_call(claims, name, self.now)
        if name == "down":
            self.paused[message.channel] = max(self.paused[message.channel], self.now + PAUSES[message.channel])
        if name == "accepted" and is_kept and message.channel == "Sms":
            message.reference = sms_reference(message.id)
            for result in self.waiting.pop(message.reference, []):
                message.report(result, self.now)

    async def die_while_sending(self) -> None:
        channel, is_open = self.random.choice(list(LANES)), self.random.random() < 0.7
        held = await self._lane(channel, PlannedProvider(channel)).claim()
        called = {message.id: message for message in self._claimable(channel) if message.claim(self.now)}
        assert {claim.notification_id for claim, *_ in held} == set(called)
        for claim, _, reference in held:
            message = called[claim.notification_id]
            left = Abandoned(claim, message, message.claims, reference, is_open)
            self.abandoned.append(left)
            assert not is_open or await self._open_call(left)

    async def _open_call(self, left: Abandoned) -> bool:
        opening = Opening(left.claim, PROVIDERS[left.message.channel], left.reference, self.now, self.now + LEASE)
        is_open = await self.attempts.open(opening)
        assert is_open == left.message.open_call(left.claims, self.now)
        if is_open and left.reference is not None:
            left.message.reference = left.reference
        return is_open

    async def return_to_a_message_too_late(self) -> None:
        left = self.abandoned.pop(self.random.randrange(len(self.abandoned)))
        if not left.is_open and not await self._open_call(left):
            return
        name, channel = self.random.choice((*OUTCOMES, "down")), left.message.channel
        happened = outcome(name, left.reference or sms_reference(left.message.id))
        decision = decide(left.claim, happened, POLICIES[channel], now=self.now)
        attempt = left.claim.attempts + 1
        closing = Closing(left.claim, PROVIDERS[channel], SOURCES[channel], attempt, self.now, decision)
        await self.attempts.close(closing)
        self._end_call(left.message, left.claims, name)

    def _claimable(self, channel: str) -> list[Message]:
        if self.paused[channel] > self.now:
            return []
        return [message for message in self.messages if message.channel == channel and message.is_claimable(self.now)]

    def _lane(self, channel: str, provider: Any, **changes: int) -> Lane[Any]:
        return a_lane(self.db, self.clock, provider, LANES[channel], policy=POLICIES[channel], **changes)

    # --- what providers say

    async def report(self) -> None:
        message = self.random.choice(self._reportable())
        reference = message.reference or sms_reference(message.id)
        results = self.random.choices(("Delivered", "Failed"), k=self.random.choice((1, 1, 2, 3)))
        channel = Channel(message.channel)
        reports = [DeliveryReport(SOURCES[channel], channel, reference, result, {}) for result in results]
        await self._receive(reports)
        if message.reference is None:
            self.waiting.setdefault(reference, []).extend(results)
        for result in results if message.reference else ():
            message.report(result, self.now)

    def _reportable(self) -> list[Message]:
        return [message for message in self.messages if message.reference or message.channel == "Sms"]

    async def _receive(self, reports: Sequence[DeliveryReport]) -> None:
        await ReportInbox(self.db, Wakeups(self.db)).store(reports, now=self.now)
        await match_due(self.db, now=self.now)

    # --- what must be true after everything that happens

    async def compare(self) -> None:
        orders = {row["order_id"]: (row["status"], row["entries"]) for row in await self.db.fetch(STATES)}
        assert orders == {order.id: (order.status, int(order.announced is not None)) for order in self.orders}
        messages: dict[UUID, list[tuple[Any, ...]]] = {order.id: [] for order in self.orders}
        for row in await self.db.fetch(RESULTS):
            messages[row["order_id"]].append((row["id"], row["result"], row["logged"], row["unknowns"]))
        assert messages == {order.id: _rows(order) for order in self.orders}

    async def compare_metrics(self) -> None:
        assert await kept(self.db) == await counted_anew(self.db)


def _rows(order: OrderModel) -> list[tuple[Any, ...]]:
    logged: list[Any] = order.announced or [None] * len(order.messages)
    return [(m.id, m.result, log, m.unknowns) for m, log in zip(order.messages, logged, strict=True)]


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    async with running_peer() as running:
        yield running


async def test_whatever_happens_the_database_agrees_with_the_model(db: Database, peer: PlatformPeer) -> None:
    forget_everything = "; ".join(f"DELETE FROM {row['tablename']}" for row in await db.fetch(TABLES))  # noqa: S608 - the names are PostgreSQL's own
    for _ in range(RUNS):
        seed = random.getrandbits(32)
        lifecycle = Lifecycle(db, seed, peer)
        try:
            await lifecycle.run()
        except Exception as error:
            error.add_note(f"seed {seed}: {' '.join(lifecycle.done)}")
            raise
        await db.execute(forget_everything)
