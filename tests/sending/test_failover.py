"""Two providers and every way in which one of them can be unwell (design promise 14; spec 08, 10.4)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.clock import FixedClock
from altinn_notifications.lifecycle import Channel
from altinn_notifications.sending.attempts import Opening
from altinn_notifications.sending.instant import InstantSender, NotDispatched
from altinn_notifications.sending.pauses import read_pauses, resume
from altinn_notifications.sending.schedules import RetryPolicy
from altinn_notifications.sending.termination import terminate_expired
from altinn_notifications.settings import NotificationSettings, SendingSettings, Settings
from support.instant import an_instant_message
from support.lanes import MAIL_POLICY, SMS_POLICY, WINDOW, a_lane, drain, routes_to
from support.orders import EMAIL, an_order, an_sms_order, feed_of, kinds_of, processed, result_of, status_of
from support.providers import ScriptedProvider
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.database.pool import Database

DOWN = Deferred(Scope.PROVIDER, "421 closing")
LOCKED_OUT = Deferred(Scope.PROVIDER, "535 no", misconfigured=True)
BAD_SENDER = Deferred(Scope.DOMAIN, "450 4.1.8 no such domain")
LOST = Unknown("no reply to the final dot")
PROVIDER_OF = "SELECT provider FROM notification_states WHERE notification_id = $1"


def pair(first: Sequence[Outcome] = (), second: Sequence[Outcome] = ()) -> list[ScriptedProvider]:
    return [ScriptedProvider("smtp", first), ScriptedProvider("acs", second)]


def sent_by(providers: Sequence[ScriptedProvider]) -> list[int]:
    return [len(provider.sent) for provider in providers]


async def mails(db: Database, clock: FixedClock, number: int) -> list[UUID]:
    return await processed(db, clock, an_order(recipients=an_order().recipients * number))


async def test_a_message_that_the_first_provider_cannot_take_leaves_through_the_second_at_once(
    db: Database, clock: FixedClock
) -> None:
    (email,) = await mails(db, clock, 1)
    providers = pair([DOWN])
    await drain(a_lane(db, clock, providers))
    assert (sent_by(providers), await result_of(db, email)) == ([1, 1], "Succeeded")
    assert await db.fetchval(PROVIDER_OF, email) == "acs"
    assert await db.fetchval("SELECT sum(deferrals) FROM notification_states") == 0


async def test_an_sms_goes_on_through_the_second_gateway_without_waiting(db: Database, clock: FixedClock) -> None:
    (sms,) = await processed(db, clock, an_sms_order())
    gateways = [ScriptedProvider("link", [DOWN]), ScriptedProvider("sms-capture")]
    await drain(a_lane(db, clock, gateways, "sms-anytime"))
    assert (sent_by(gateways), await result_of(db, sms)) == ([1, 1], "Accepted")


async def test_an_sms_that_waits_for_its_only_gateway_stays_sending(db: Database, clock: FixedClock) -> None:
    (sms,) = await processed(db, clock, an_sms_order())
    link = ScriptedProvider("link", [DOWN])
    await drain(a_lane(db, clock, link, "sms-anytime"))
    assert await result_of(db, sms) == "Sending"
    clock.turn(5 * MINUTE)
    await drain(a_lane(db, clock, link, "sms-anytime"))
    assert (await result_of(db, sms), len(link.sent)) == ("Accepted", 2)


async def test_what_waits_in_memory_is_not_thrown_at_a_provider_that_is_down(db: Database, clock: FixedClock) -> None:
    await mails(db, clock, 60)
    smtp = ScriptedProvider("smtp", [DOWN] * 60)
    await drain(a_lane(db, clock, smtp, concurrency=4))
    assert len(smtp.sent) <= 4
    assert await db.fetchval("SELECT count(*) FROM notification_states WHERE result = 'New'") == 60


async def test_traffic_returns_when_the_preferred_provider_answers_one_message(db: Database, clock: FixedClock) -> None:
    await mails(db, clock, 10)
    providers = pair([DOWN, DOWN])
    lane = a_lane(db, clock, providers, concurrency=1)
    await drain(lane)
    assert sent_by(providers) == [1, 10]
    await mails(db, clock, 10)
    clock.turn(MINUTE)
    await drain(lane)
    assert sent_by(providers) == [2, 20]
    await mails(db, clock, 10)
    clock.turn(MINUTE)
    await drain(lane)
    assert sent_by(providers) == [12, 20]
    assert await read_pauses(db) == []


async def test_several_calls_without_an_answer_turn_the_traffic_away(db: Database, clock: FixedClock) -> None:
    await mails(db, clock, 20)
    providers = pair([LOST] * 99)
    await drain(a_lane(db, clock, routes_to(*providers, failures=3), concurrency=1))
    assert sent_by(providers) == [3, 17]
    assert [pause.provider for pause in await read_pauses(db)] == ["smtp"]


async def test_messages_that_nobody_answers_do_not_keep_others_from_a_provider_that_works(
    db: Database, clock: FixedClock
) -> None:
    link = ScriptedProvider("link", [LOST, LOST])
    lane = a_lane(db, clock, routes_to(link, policy=SMS_POLICY, failures=2), "sms-anytime", concurrency=1)
    for _ in range(2):
        await processed(db, clock, an_sms_order())
    await drain(lane)
    (sound,) = await processed(db, clock, an_sms_order())
    clock.turn(SMS_POLICY.provider_pause)
    link.outcomes.extend([Accepted("sound"), LOST, LOST])
    await drain(lane)
    assert (await result_of(db, sound), link.sent[2].notification_id) == ("Accepted", sound)


@pytest.mark.parametrize("outcome", [LOST, DOWN], ids=["retry", "pause"])
async def test_a_lane_that_fell_asleep_during_a_call_wakes_for_what_follows_it(
    db: Database, clock: FixedClock, outcome: Outcome
) -> None:
    (sms,) = await processed(db, clock, an_sms_order())
    link, stop, asleep = ScriptedProvider("link", [outcome]), asyncio.Event(), asyncio.Event()
    link.hang = asyncio.Event()
    lane = a_lane(db, clock, link, "sms-anytime", policy=replace(SMS_POLICY, waits=(1,), provider_pause=SECOND))
    next_wake = lane._next_wake

    async def tell_when_it_is_known(now: datetime) -> datetime | None:
        wake = await next_wake(now)
        asleep.set()
        return wake

    setattr(lane, "_next_wake", tell_when_it_is_known)  # noqa: B010 - the last thing before it falls asleep
    running = asyncio.create_task(lane.run(stop))
    await link.called.wait()
    await asleep.wait()
    link.hang.set()

    async def is_deferred() -> bool:
        return bool(await db.fetchval("SELECT NOT attempt_open AND attempts = 1 FROM notification_states"))

    await until(is_deferred, "the outcome is stored")
    clock.turn(SECOND)

    async def is_accepted() -> bool:
        return await result_of(db, sms) == "Accepted"

    await until(is_accepted, "it is sent again")
    stop.set()
    await running


async def test_mail_that_may_have_arrived_is_repeated_by_its_own_provider_under_its_id(
    db: Database, clock: FixedClock
) -> None:
    order = an_order()
    await processed(db, clock, order)
    providers = pair([LOST])
    routes = routes_to(*providers, failures=1)
    await drain(a_lane(db, clock, routes))
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, routes))
    assert sent_by(providers) == [2, 0]
    assert len({sent.operation_id for sent in providers[0].sent}) == 1
    assert await kinds_of(db, order.id) == ["order-processed", "send-unknown", "send-accepted"]


async def test_mail_that_may_have_arrived_moves_only_when_its_provider_is_long_away(
    db: Database, clock: FixedClock
) -> None:
    (email,) = await mails(db, clock, 1)
    providers = pair([LOST, DOWN])
    providers[0].outcomes.append(Deferred(Scope.PROVIDER, "gone", retry_after=DAY))
    lane = a_lane(db, clock, providers)
    for wait in (timedelta(), MINUTE, MINUTE, 58 * MINUTE):
        clock.turn(wait)
        await drain(lane)
    assert sent_by(providers) == [3, 0]
    clock.turn(HOUR)
    for _ in range(2):
        await drain(lane)
        clock.turn(DAY / 2)
    assert sent_by(providers) == [3, 1]
    ids = {sent.operation_id for provider in providers for sent in provider.sent}
    assert (len(ids), await result_of(db, email)) == (1, "Succeeded")


async def test_mail_that_is_never_to_move_waits_for_its_own_provider(db: Database, clock: FixedClock) -> None:
    await mails(db, clock, 1)
    providers = pair([LOST, Deferred(Scope.PROVIDER, "gone", retry_after=DAY)])
    policy = RetryPolicy((60,), MINUTE, WINDOW, moves_after=timedelta.max)
    for wait in (timedelta(), MINUTE, 12 * HOUR, 13 * HOUR):
        clock.turn(wait)
        await drain(a_lane(db, clock, providers, policy=policy))
    assert sent_by(providers) == [3, 0]


@pytest.mark.parametrize(("hold", "second"), [(False, 1), (True, 0)])
async def test_an_sms_that_may_have_arrived_goes_to_another_gateway_only_if_its_owner_wants_repeats(
    db: Database, clock: FixedClock, *, hold: bool, second: int
) -> None:
    order = an_sms_order()
    await processed(db, clock, order)
    gateways = [ScriptedProvider("link", [LOST]), ScriptedProvider("sms-capture")]
    routes = routes_to(*gateways, policy=SMS_POLICY, failures=1, pause=HOUR)
    policy = RetryPolicy(SMS_POLICY.waits, MINUTE, WINDOW, hold_by_default=hold, stays_sending=True)
    for _ in range(2):
        await drain(a_lane(db, clock, routes, "sms-anytime", policy=policy))
        clock.turn(5 * MINUTE)
    assert sent_by(gateways) == [1, second]
    assert "send-unknown" in await kinds_of(db, order.id)


async def test_a_sender_domain_that_is_refused_holds_up_no_other_and_is_not_even_claimed(
    db: Database, clock: FixedClock
) -> None:
    ours, theirs = (
        an_order(email=EMAIL.__class__(f"a@{name}", "s", "b", EMAIL.content_type)) for name in ("a.no", "B.no")
    )
    bad, good = await processed(db, clock, ours, theirs)
    smtp = ScriptedProvider("smtp", [BAD_SENDER])
    lane = a_lane(db, clock, smtp, concurrency=1)
    await drain(lane)
    assert (await result_of(db, bad), await result_of(db, good)) == ("New", "Succeeded")
    (pause,) = await read_pauses(db)
    assert (pause.provider, pause.domain, pause.until) == ("smtp", "a.no", NOON + MINUTE)
    claims = "SELECT claim_count FROM notification_states WHERE notification_id = $1"
    before = await db.fetchval(claims, bad)
    await drain(lane)
    assert await a_lane(db, clock, smtp, worker=2).claim() == []
    assert await db.fetchval(claims, bad) == before
    clock.turn(MINUTE)
    await drain(lane)
    assert (await result_of(db, bad), await read_pauses(db)) == ("Succeeded", [])


async def test_wrong_credentials_stop_the_lane_and_fail_nobody(db: Database, clock: FixedClock) -> None:
    await mails(db, clock, 30)
    smtp = ScriptedProvider("smtp", [LOCKED_OUT] * 4)
    lane = a_lane(db, clock, smtp, concurrency=1)
    for tries in range(1, 5):
        await drain(lane)
        assert len(smtp.sent) == tries
        clock.turn(MINUTE)
    (pause,) = await read_pauses(db)
    assert pause.misconfigured
    assert await db.fetchval("SELECT count(*) FROM notification_states WHERE result = 'New' AND deferrals = 0") == 30
    await drain(lane)
    assert await db.fetchval("SELECT count(*) FROM notification_states WHERE result = 'Succeeded'") == 30
    assert await read_pauses(db) == []


async def test_an_operator_need_not_wait_for_the_next_try(db: Database, clock: FixedClock) -> None:
    (email,) = await mails(db, clock, 1)
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [LOCKED_OUT])))
    assert await resume(db, "smtp", now=clock.now())
    await drain(a_lane(db, clock, ScriptedProvider("smtp")))
    assert await result_of(db, email) == "Succeeded"


async def test_a_call_ends_before_its_lease_and_is_marked(db: Database, clock: FixedClock) -> None:
    order = an_order()
    await processed(db, clock, order)
    smtp = ScriptedProvider("smtp")
    smtp.hang = asyncio.Event()
    await drain(a_lane(db, clock, smtp, call_seconds=0.05))
    assert await kinds_of(db, order.id) == ["order-processed", "send-unknown"]


def test_a_call_may_not_last_as_long_as_its_lease() -> None:
    with pytest.raises(ValueError, match="provider_call_seconds must be less than claim_lease_seconds"):
        NotificationSettings(provider_call_seconds=300)


@pytest.mark.parametrize("channel", ["Sms", "Email"])
async def test_an_instant_message_takes_the_way_that_is_open(db: Database, clock: FixedClock, channel: str) -> None:
    names = ("smtp", "acs") if channel == Channel.EMAIL else ("link", "sms-capture")
    first, second = ScriptedProvider(names[0], [LOCKED_OUT]), ScriptedProvider(names[1])
    sender = InstantSender(db, clock, Settings(), email=[first, second], sms=[first, second])
    for _ in range(2):
        try:
            await sender.send(an_instant_message(channel), check_caller=lambda: None)
        except NotDispatched:
            assert channel == "Sms"
    assert sent_by([first, second]) == [1, 1]
    (pause,) = await read_pauses(db)
    assert (pause.provider, pause.misconfigured) == (names[0], True)


async def test_an_instant_message_with_one_provider_is_not_held_back_by_its_pause(
    db: Database, clock: FixedClock
) -> None:
    await mails(db, clock, 1)
    smtp = ScriptedProvider("smtp", [DOWN])
    await drain(a_lane(db, clock, smtp))
    sender = InstantSender(db, clock, Settings(sending=SendingSettings()), email=[smtp], sms=[smtp])
    assert (await sender.send(an_instant_message("Email"), check_caller=lambda: None))[1]


# --- whatever two providers do, and whenever workers die

OUTCOMES: dict[str, Outcome] = {
    "down": DOWN,
    "locked out": LOCKED_OUT,
    "bad sender": BAD_SENDER,
    "busy": Deferred(Scope.MESSAGE, "450"),
    "failing": Deferred(Scope.CALL, "503"),
    "lost": LOST,
    "refused": Refused("Failed", "554"),
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("smtp"), st.sampled_from(sorted(OUTCOMES))),
        st.tuples(st.just("acs"), st.sampled_from(sorted(OUTCOMES))),
        st.tuples(st.just("turn"), st.sampled_from([-MINUTE, SECOND, MINUTE, 5 * MINUTE, HOUR])),
        st.tuples(st.just("die"), st.booleans()),
    ),
    max_size=12,
)


class Recipient(ScriptedProvider):
    """Keeps which messages it took, those whose sender does not know included."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.taken: list[tuple[UUID, UUID, str]] = []

    async def send(self, message: Any) -> Outcome:
        outcome = await super().send(message)
        if isinstance(outcome, Accepted | Unknown):
            self.taken.append((message.notification_id, message.operation_id, type(outcome).__name__))
        return outcome


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS, seed=st.integers(0, 2**16))
async def test_whatever_two_providers_do_every_order_ends_once_and_only_marked_mail_comes_twice(
    db: Database, steps: list[tuple[str, Any]], seed: int
) -> None:
    clock, chance = FixedClock(NOON), random.Random(seed)  # noqa: S311 - made-up events, repeatable by their seed
    await db.execute("DELETE FROM provider_pauses")
    orders = [an_order(recipients=an_order().recipients * 2) for _ in range(2)]
    emails = await processed(db, clock, *orders)
    providers = {name: Recipient(name) for name in ("smtp", "acs")}
    routes = routes_to(*providers.values(), failures=3)
    for name, what in steps:
        if name in providers:
            providers[name].outcomes.append(OUTCOMES[what])
        elif name == "turn":
            clock.turn(what)
        else:
            await die_while_sending(a_lane(db, clock, routes, worker=2), is_open=what)
        if chance.random() < 0.7:
            await drain(a_lane(db, clock, routes))
    for provider in providers.values():
        provider.outcomes.clear()
    for _ in range(10):
        clock.turn(HOUR)
        await drain(a_lane(db, clock, routes))
    results = [await result_of(db, email) for email in emails]
    assert set(results) <= {"Succeeded", "Failed"}
    await terminate_expired(db, now=NOON + 4 * DAY, offset=5 * MINUTE, batch_size=100)
    for order in orders:
        assert await status_of(db, order.id) == "Completed"
        assert len(await feed_of(db, order.id)) == 1
    for email in emails:
        taken = [entry for provider in providers.values() for entry in provider.taken if entry[0] == email]
        assert len({operation_id for _, operation_id, _ in taken}) <= 1
        assert sum(kind == "Accepted" for *_, kind in taken) <= 1


async def die_while_sending(lane: Any, *, is_open: bool) -> None:
    """A worker claims what there is, perhaps notes that it is about to call, and is never heard of again."""
    now = lane._clock.now()
    for claim, _, reference in await lane.claim():
        if is_open:
            await lane._attempts.open(Opening(claim, "smtp", reference, now, now + timedelta(seconds=300)))


def test_mail_waits_for_its_own_provider_by_default() -> None:
    assert MAIL_POLICY.moves_after == timedelta(seconds=Settings().sending.unknown_mail_moves_after_seconds)
