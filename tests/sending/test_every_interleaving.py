"""Whatever happens to messages, in whatever order: they end as the model of chapter 08's tables says.

Providers answer anything, lie about names, are asked and change their minds; reports come early, late, twice and about
nothing; workers die and come back; operators try again; time turns. Nothing final is undone, every call has its line,
and every order is completed exactly once.

`INTERLEAVINGS=500` tries more runs than usual, `INTERLEAVING_SEED=n` one run again; a run that fails tells its seed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from prometheus_client import REGISTRY

from altinn_notifications.channels.connections import HttpAnswer
from altinn_notifications.channels.email.acs_replies import poll_outcome
from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.clock import FixedClock
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.model import NotificationChannel, Recipient, SendingTimePolicy
from altinn_notifications.reports.inbox import ReportInbox
from altinn_notifications.reports.matching import match_due
from altinn_notifications.reports.model import PROVIDER_SOURCES, DeliveryReport, ReportSource
from altinn_notifications.reports.replay import replay
from altinn_notifications.sending import claims as sending_claims
from altinn_notifications.sending.attempts import Attempts, Closing, Opening
from altinn_notifications.sending.polling import Poller, Question
from altinn_notifications.sending.schedules import RetryPolicy, decide
from altinn_notifications.sending.termination import settle_silent_mail, terminate_expired
from altinn_notifications.sending.waiting import send_now
from support.lanes import WINDOW, a_lane, routes_to
from support.message_model import (
    AFTER_TROUBLE,
    ANSWERS,
    LEASE,
    LIFETIME,
    OFFSET,
    PAUSES,
    PENDING,
    POLL_EVERY,
    SETTLES,
    WAITS,
    Dead,
    Hold,
    Message,
)  # fmt: skip
from support.message_world import World
from support.metrics import counted_anew, kept
from support.orders import SMS, an_order, an_sms_order, processed
from support.providers import ScriptedProvider
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from altinn_notifications.channels.protocol import Outcome, PollOutcome
    from altinn_notifications.database.pool import Database
    from altinn_notifications.sending.claims import Claimed

RUNS = int(os.environ.get("INTERLEAVINGS", "20"))
SEED = os.environ.get("INTERLEAVING_SEED")
STEPS = 90
HOLDER, DOMAIN, WORKER = "skd", "altinn.cloud", 7
LANES = {"Email": "email", "Sms": "sms-anytime"}
CARRIERS = {"Email": ("smtp", "acs"), "Sms": ("link",)}
TURNS = (SECOND, 9 * SECOND, 9 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 6 * MINUTE, HOUR, HOUR, 9 * HOUR, DAY)
FATES = {
    "smtp": ("taken", "taken", "refused", "busy", "failing", "bad sender", "down", "lost", "lost", "outage"),
    "acs": (
        "begun", "begun", "begun", "begun under a new name", "begun as another", "refused", "down", "lost", "outage",
    ),
    "link": (
        "taken", "taken", "taken", "taken without a name", "taken as another", "refused", "busy", "failing", "down",
        "lost", "lost",
    ),
}  # fmt: skip
POLICIES = {
    "Email": RetryPolicy(WAITS["Email"], PAUSES["Email"], WINDOW, settle_after=SETTLES),
    "Sms": RetryPolicy(WAITS["Sms"], PAUSES["Sms"], WINDOW, hold_creators={HOLDER}, stays_sending=True),
}
FAILURES = {
    "suppressed": ("Failed", "EmailDroppedAllRecipientsSuppressed"),
    "canceled": ("Canceled", "Whatever"),
    "TooManyRequests": ("Failed", "TooManyRequests"),
}
WORDS = {
    "Email": {"Delivered": "Delivered", "Bounced": "Failed_Bounced", "Expanded": "Failed"},
    "Sms": {"DELIVRD": "Delivered", "EXPIRED": "Failed_Expired", "BARRED": "Failed_BarredReceiver"},
}
EVERYBODY = Recipient(email_address="kari@example.no", mobile_number="+4799999999")
SOURCES = {"Email": ReportSource.ACS, "Sms": ReportSource.SMS_GATEWAY}
STATES = """
    SELECT notification_id AS id, result, provider_reference AS reference, attempts, attempt_open, outcome_unknown,
        wake_at, poll_at FROM notification_states"""
LINES = "SELECT notification_id AS id, kind, detail FROM events WHERE notification_id IS NOT NULL ORDER BY events.id"
FEED = "SELECT order_id, count(*) AS entries FROM status_feed_outbox GROUP BY order_id"
COMPLETED = "SELECT order_id FROM order_states WHERE status = 'Completed'"
LOG = "SELECT notification_id AS id, status FROM notification_log"
DEAD = "SELECT id, reason, attempt_count, resolved FROM dead_delivery_reports ORDER BY id"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"


@dataclass(slots=True, eq=False)
class Held:
    """A message in a worker's hands, with what it knows and what the model makes of it."""

    claim: Claimed
    message: Message
    hold: Hold
    operation_id: str | None
    provider: str | None = None
    """Whom it called, once it did."""


@dataclass(slots=True, eq=False)
class Asked:
    """A question that a worker has put, and to which it has no answer yet."""

    question: Question
    message: Message


class Oracle:
    """A provider that is polled: it gives one answer after the other."""

    name = "acs"

    def __init__(self) -> None:
        self.says = "Running"

    async def send(self, _: Any) -> Outcome:
        raise AssertionError("only asked")

    async def close(self) -> None:
        """Nothing is open."""

    async def poll(self, reference: str) -> PollOutcome:
        return poll_outcome(_http(self.says), reference=reference, now=NOON)


def _http(says: str) -> HttpAnswer:
    if says.startswith("HTTP"):
        return HttpAnswer(int(says[-3:]), httpx.Headers({"Retry-After": "90"} if says == "HTTP 429" else {}), b"{}")
    status, code = FAILURES.get(says, (says, ""))
    return HttpAnswer(200, httpx.Headers(), json.dumps({"status": status, "error": {"code": code}}).encode())


def outcome_of(fate: str, reference: str | None) -> Outcome:
    """What the channel tells of it."""
    scopes = {"busy": Scope.MESSAGE, "failing": Scope.CALL, "bad sender": Scope.DOMAIN, "down": Scope.PROVIDER}
    if fate in scopes:
        return Deferred(scopes[fate], fate)
    if fate in {"lost", "outage"}:
        return Unknown(fate, Scope.PROVIDER if fate == "outage" else Scope.MESSAGE)
    return Refused("Failed", fate) if fate == "refused" else Accepted(reference, is_final=not fate.startswith("begun"))


class Run:
    """The service and the model go through the same things, chosen by a seed."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db, self.clock = db, FixedClock(NOON)
        self.chance = random.Random(seed)  # noqa: S311 - made-up events, repeatable by their seed
        self.attempts, self.oracle, self.world = Attempts(db, self.clock), Oracle(), World()
        self.held: list[Held] = []
        self.asked: list[Asked] = []
        self.used: list[tuple[str, str]] = []
        """Names that some provider has given, by channel; a message may have another by now."""
        self.seen: dict[Any, tuple[str, int]] = {}
        self.done: list[str] = []

    @property
    def now(self) -> Any:
        return self.clock.now()

    async def go(self) -> None:
        doubts = unknown_calls()
        await self._begin()
        for _ in range(STEPS):
            steps, weights = zip(
                *((step, weight) for step, weight, is_possible in self._steps() if is_possible), strict=True
            )
            (step,) = self.chance.choices(steps, weights)
            self.done.append(step.__name__)
            await step()
            await self._compare()
        await self._end()
        lines = await self.db.fetch(LINES)
        assert unknown_calls() - doubts == sum(line["kind"] == "send-unknown" for line in lines)

    async def _begin(self) -> None:
        people = an_order().recipients
        orders = [
            an_order(recipients=people * 2),
            an_order(recipients=people * 2, requested_send_time=NOON - 20 * HOUR, created=NOON - 20 * HOUR),
            an_sms_order(),
            an_sms_order(creator=HOLDER, recipients=an_sms_order().recipients * 2),
            an_order(
                channel=NotificationChannel.EMAIL_AND_SMS,
                recipients=(EVERYBODY,),
                sms=SMS,
                sms_policy=SendingTimePolicy.ANYTIME,
            ),
        ]
        await processed(self.db, self.clock, *orders)
        by_id = {order.id: order for order in orders}
        for row in await self.db.fetch("SELECT id, order_id, channel FROM notifications"):
            order = by_id[row["order_id"]]
            is_held = order.creator == HOLDER
            expiry = order.requested_send_time + LIFETIME
            self.world.messages[row["id"]] = Message(row["id"], order.id, row["channel"], is_held, expiry)

    def _steps(self) -> list[tuple[Callable[[], Awaitable[None]], int, bool]]:
        unopened, opened = self._unopened(), self._opened()
        return [
            (self.turn, 8, True),
            (self.claim, 9, True),
            (self.open, 12, bool(unopened)),
            (self.close, 12, bool(opened)),
            (self.give_back, 2, bool(unopened)),
            (self.die, 3, bool(self.held)),
            (self.find_dead_worker, 1, True),
            (self.ask, 8, any(message.is_asked_about(self.now) for message in self.world.messages.values())),
            (self.answer, 8, bool(self.asked)),
            (self.report, 4, True),
            (self.match, 5, True),
            (self.replay, 3, bool(self.world.dead)),
            (self.retry, 2, True),
            (self.terminate, 2, True),
            (self.settle, 2, True),
        ]

    def _unopened(self) -> list[Held]:
        return [held for held in self.held if held.provider is None]

    def _opened(self) -> list[Held]:
        return [held for held in self.held if held.provider is not None]

    # --- workers

    async def turn(self) -> None:
        self.clock.turn(self.chance.choice(TURNS))

    async def claim(self) -> None:
        channel = self.chance.choice(list(LANES))
        routes = routes_to(*map(ScriptedProvider, CARRIERS[channel]), policy=POLICIES[channel])
        lane = a_lane(self.db, self.clock, routes, LANES[channel], policy=POLICIES[channel], worker=WORKER)
        expected: dict[Any, Hold] = {}
        was_doubted = {m.id: m.reference for m in self.world.messages.values() if m.may_have_arrived or m.has_open_call}
        for message in self.world.claimable(channel, CARRIERS[channel], DOMAIN if channel == "Email" else "", self.now):
            if (hold := message.claim(self.now)) is not None:
                expected[message.id] = hold
        taken = await lane.claim()
        assert {claim.notification_id for claim, *_ in taken} == set(expected)
        for claim, _, reference in taken:
            id_ = claim.notification_id
            if channel == "Email":  # one that may have arrived is repeated under its id, any other under a new one
                assert (reference == was_doubted.get(id_)) == (id_ in was_doubted)
            self.held.append(Held(claim, self.world.messages[id_], expected[id_], reference))

    async def open(self) -> None:
        held = self.chance.choice(self._unopened())
        provider = self.chance.choice(CARRIERS[held.message.channel])
        opening = Opening(held.claim, provider, held.operation_id, self.now, self.now + LEASE)
        may_call = held.message.open(held.hold, provider, held.operation_id, self.now)
        assert await self.attempts.open(opening) == may_call
        if may_call:
            held.provider = provider
        else:
            self.held.remove(held)

    async def close(self) -> None:
        held = self.chance.choice(self._opened())
        self.held.remove(held)
        message, provider = held.message, str(held.provider)
        fate = self.chance.choice(FATES[provider])
        reference = self._name(held, fate)
        decision = decide(held.claim, outcome_of(fate, reference), POLICIES[message.channel], now=self.now)
        source, attempt = PROVIDER_SOURCES[provider], held.claim.attempts + 1
        owner = self.world.find(message.channel, reference)
        await self.attempts.close(Closing(held.claim, provider, source, attempt, self.now, decision))
        self._note_close(held, fate, reference, is_anothers=owner is not None and owner is not message)

    def _name(self, held: Held, fate: str) -> str | None:
        """What the provider calls the message."""
        message = held.message
        if fate in {"taken as another", "begun as another"}:
            others = [m for m in self.world.messages.values() if m.channel == message.channel and m is not message]
            named = [other.reference for other in others if other.reference]
            return self.chance.choice(named) if named else held.operation_id or self._own_name(held)
        if fate == "begun under a new name":
            return str(uuid4())
        if fate in {"taken", "begun"}:
            return held.operation_id or self._own_name(held)
        return None

    def _own_name(self, held: Held) -> str:
        return f"ref-{held.message.id}-{held.hold.attempt}"

    def _note_close(self, held: Held, fate: str, reference: str | None, *, is_anothers: bool) -> None:
        message, provider = held.message, str(held.provider)
        counts = message.close(held.hold, fate, reference, self.now, is_anothers=is_anothers)
        if fate in {"down", "outage", "bad sender"}:
            self.world.pause(provider, DOMAIN if fate == "bad sender" else "", self.now + PAUSES[message.channel])
        if counts and reference is not None and not is_anothers:
            self.used.append((message.channel, reference))
            self.world.match_waiting(message.channel, reference, self.now)
        if message.expiry <= self.now and (fate == "refused" or fate.startswith("taken")):
            result = "Failed" if fate == "refused" else None
            notification = message.id if reference is None else None
            self.world.dead.append(Dead("NOTIFICATION_EXPIRED", message.channel, result, reference, notification))

    async def give_back(self) -> None:
        held = self.chance.choice(self._unopened())
        self.held.remove(held)
        until = self.now + self.chance.choice((SECOND, MINUTE))
        await sending_claims.hand_back(self.db, [held.claim], now=self.now)
        await sending_claims.put_off(self.db, [(held.claim, until)])
        held.message.give_back(held.hold, until)

    async def die(self) -> None:
        """A worker is never heard of again; what it held stays as it is."""
        self.held = [held for held in self.held if self.chance.random() < 0.5]
        self.asked = [asked for asked in self.asked if self.chance.random() < 0.5]

    async def find_dead_worker(self) -> None:
        for channel, lane in LANES.items():
            await sending_claims.let_go(self.db, lane, worker=WORKER, now=self.now)
            for message in self.world.messages.values():
                if message.channel == channel:
                    message.lose_worker(self.now)

    # --- questions

    def _poller(self) -> Poller:
        return Poller(self.db, self.clock, self.oracle, interval=POLL_EVERY, wake=asyncio.Event(), worker=WORKER)

    async def ask(self) -> None:
        due = {m.id: m for m in self.world.messages.values() if m.is_asked_about(self.now)}
        questions = await self._poller().claim()
        assert {question.notification_id for question in questions} == set(due)
        for question in questions:
            message = due[question.notification_id]
            message.ask(self.now)
            self.asked.append(Asked(question, message))

    async def answer(self) -> None:
        asked = self.asked.pop(self.chance.randrange(len(self.asked)))
        self.oracle.says = self.chance.choice(list(ANSWERS))
        await self._poller().settle(asked.question)
        wait = {"Running": POLL_EVERY, "HTTP 429": 90 * SECOND}.get(self.oracle.says, AFTER_TROUBLE)
        reference = asked.question.reference
        if asked.message.answer(reference, self.oracle.says, wait, self.now):
            result = ANSWERS[self.oracle.says][0]
            said = None if result in PENDING else result
            self.world.dead.append(Dead("NOTIFICATION_EXPIRED", "Email", said, reference))

    # --- reports, people and time

    async def report(self) -> None:
        channel = self.chance.choice(list(LANES))
        ours = [message for message in self.world.messages.values() if message.channel == channel]
        early = [self._own_name(held) for held in self.held if held.message.channel == "Sms" == channel]
        known = [message.reference for message in ours if message.reference]
        former = [name for kind, name in self.used if kind == channel]
        reference = self.chance.choice([*known, *early, *former[-3:], str(uuid4())])
        words = self.chance.choices(list(WORDS[channel]), k=self.chance.choice((1, 1, 2)))
        reports = [self._report(channel, reference, word) for word in words]
        await ReportInbox(self.db, Wakeups(self.db)).store(reports, now=self.now)
        for word in words:
            self.world.receive(channel, reference, WORDS[channel][word], self.now)

    def _report(self, channel: str, reference: str, word: str) -> DeliveryReport:
        if channel == "Email":
            content: dict[str, Any] = {"messageId": reference, "status": word}
        else:
            content = {"reference": reference, "receiver": "4799999999", "state": word, "deliveryTime": None}
        return DeliveryReport(SOURCES[channel], Channel(channel), reference, WORDS[channel][word], content)

    async def match(self) -> None:
        await match_due(self.db, now=self.now)
        self.world.match(self.now)

    async def replay(self) -> None:
        place = self.chance.randrange(len(self.world.dead))
        row = (await self.db.fetch(DEAD))[place]
        (outcome,) = (await replay(self.db, [row["id"]], now=self.now)).values()
        assert outcome.name == self.world.replay(self.world.dead[place], self.now)

    async def retry(self) -> None:
        chosen = [m for m in self.world.messages.values() if self.chance.random() < 0.5]
        tried = await send_now(self.db, [message.id for message in chosen], now=self.now)
        assert set(tried) == {message.id for message in chosen if message.send_now(self.now)}

    async def terminate(self) -> None:
        await terminate_expired(self.db, now=self.now, offset=OFFSET, batch_size=2)
        for message in self.world.messages.values():
            message.terminate(self.now)

    async def settle(self) -> None:
        await settle_silent_mail(self.db, now=self.now, batch_size=100)
        for message in self.world.messages.values():
            message.fall_silent(self.now)

    # --- what must be so

    async def _compare(self) -> None:
        self.world.complete()
        states = {row["id"]: row for row in await self.db.fetch(STATES)}
        assert {id_: _of_row(row) for id_, row in states.items()} == {
            message.id: _of_message(message) for message in self.world.messages.values()
        }
        lines: dict[Any, list[str]] = {id_: [] for id_ in states}
        for row in await self.db.fetch(LINES):
            lines[row["id"]].append(row["kind"])
        assert lines == {message.id: message.lines for message in self.world.messages.values()}
        self._demand_that_nothing_final_is_undone(states, lines)
        await self._demand_one_announcement()
        dead = [(row["reason"], row["attempt_count"], row["resolved"]) for row in await self.db.fetch(DEAD)]
        assert dead == [(each.reason, each.attempts, each.is_resolved) for each in self.world.dead]

    def _demand_that_nothing_final_is_undone(self, states: dict[Any, Any], lines: dict[Any, list[str]]) -> None:
        """Whatever the model says: from a final result only a report leads on, and only to another final one."""
        for id_, row in states.items():
            before, reports = self.seen.get(id_, ("New", 0))
            applied = lines[id_].count("report-applied")
            is_undone = before not in PENDING and row["result"] != before
            assert not is_undone or (row["result"] not in PENDING and applied > reports)
            self.seen[id_] = row["result"], applied

    async def _demand_one_announcement(self) -> None:
        announced = self.world.announced
        assert {row["order_id"] for row in await self.db.fetch(COMPLETED)} == set(announced)
        assert {row["order_id"]: row["entries"] for row in await self.db.fetch(FEED)} == dict.fromkeys(announced, 1)
        logged = [(row["id"], row["status"]) for row in await self.db.fetch(LOG)]
        assert Counter(logged) == Counter(pair for results in announced.values() for pair in results.items())

    async def _end(self) -> None:
        """Time runs out for everything; then nothing is open, and each call has its line."""
        self.clock.turn(3 * DAY)
        await self.terminate()
        await self.match()
        await self._compare()
        assert set(self.world.announced) == {message.order_id for message in self.world.messages.values()}
        told: dict[Any, set[int]] = {}
        for row in await self.db.fetch(LINES):
            told.setdefault(row["id"], set()).add(row["detail"].get("attempt", 0))
        for message in self.world.messages.values():
            silent = set(range(1, message.attempts + 1)) - told.get(message.id, set())
            # A report under the name of an open call is its end, if its worker never says more.
            assert silent <= ({message.attempts} if "report-applied" in message.lines else set())
        assert await kept(self.db) == await counted_anew(self.db)


def _of_row(row: Any) -> tuple[Any, ...]:
    wake = row["wake_at"] if row["result"] in PENDING else None
    columns = ("result", "reference", "attempts", "attempt_open", "outcome_unknown", "poll_at")
    return *(row[name] for name in columns), wake


def _of_message(message: Message) -> tuple[Any, ...]:
    return (
        message.result,
        message.reference,
        message.attempts,
        message.has_open_call,
        message.may_have_arrived,
        message.poll,
        message.wake if message.is_pending else None,
    )


def unknown_calls() -> float:
    """How many calls were counted of which nobody knows what became of them."""
    samples = (
        REGISTRY.get_sample_value("provider_outcome_unknown_total", {"channel": name}) for name in ("email", "sms")
    )
    return sum(sample or 0 for sample in samples)


async def test_whatever_happens_to_a_message_it_ends_as_the_table_says_and_its_order_is_completed_once(
    db: Database,
) -> None:
    forget_everything = "; ".join(f"DELETE FROM {row['tablename']}" for row in await db.fetch(TABLES))  # noqa: S608 - the names are PostgreSQL's own
    for seed in [int(SEED)] if SEED else [random.getrandbits(32) for _ in range(RUNS)]:
        run = Run(db, seed)
        try:
            await run.go()
        except Exception as error:
            error.add_note(f"INTERLEAVING_SEED={seed}: {' '.join(run.done)}")
            raise
        await db.execute(forget_everything)
