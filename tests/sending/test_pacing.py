"""No more messages in a second than a provider or a sender's domain may have, and every owner its share of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.sending.fair_queue import FairQueue
from altinn_notifications.sending.pacing import Limit, Pacing
from altinn_notifications.sending.shares import shares
from altinn_notifications.settings import SendingSettings
from support.lanes import a_lane, drain
from support.orders import EMAIL, an_order, processed
from support.providers import ScriptedProvider
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import Order

TEN = SendingSettings(messages_per_second={"smtp": 10})
ANYWHERE = {"ttd.no": 10**6, "": 10**6}


def an_order_from(domain: str, creator: str = "ttd", mails: int = 1) -> Order:
    template = replace(EMAIL, from_address=f"noreply@{domain}")
    return an_order(creator=creator, email=template, recipients=an_order().recipients * mails)


async def test_never_more_leave_than_the_limit_allows_and_never_fewer(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 50))
    smtp, sent = ScriptedProvider("smtp"), []
    for _ in range(4):
        await drain(a_lane(db, clock, smtp, limits=TEN, concurrency=20))
        sent.append(len(smtp.sent))
        clock.turn(SECOND)
    assert sent == [10, 20, 30, 40]


async def test_all_workers_together_keep_the_limit(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 50))
    smtp = ScriptedProvider("smtp")
    for _ in range(3):
        await asyncio.gather(
            *(drain(a_lane(db, clock, smtp, limits=TEN, concurrency=20, worker=number)) for number in range(3))
        )
        clock.turn(SECOND)
    assert len(smtp.sent) == 30


async def test_a_turned_clock_neither_saves_up_nor_stops_the_sending(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 60))
    smtp, sent = ScriptedProvider("smtp"), []
    for turn in (HOUR, -HOUR, SECOND, SECOND):
        await drain(a_lane(db, clock, smtp, limits=TEN, concurrency=20))
        sent.append(len(smtp.sent))
        clock.turn(turn)
    assert sent == [10, 20, 20, 30]


async def test_a_domain_has_a_limit_of_its_own_that_holds_up_no_other(db: Database, clock: FixedClock) -> None:
    limits = SendingSettings(domain_messages_per_second={"ttd.no": 2, "*": 5})
    await processed(db, clock, *(an_order_from(name, mails=20) for name in ("ttd.no", "skd.no")))
    smtp = ScriptedProvider("smtp")
    for expected in ((2, 5), (4, 10)):
        await drain(a_lane(db, clock, smtp, limits=limits))
        senders = [sent.from_address.partition("@")[2] for sent in smtp.sent]
        assert (senders.count("ttd.no"), senders.count("skd.no")) == expected
        clock.turn(SECOND)


async def test_a_single_message_leaves_with_the_first_that_are_let_through(db: Database, clock: FixedClock) -> None:
    campaign = an_order(recipients=an_order().recipients * 300)
    await processed(db, clock, campaign)
    smtp = ScriptedProvider("smtp")
    lane = a_lane(db, clock, smtp, limits=TEN, concurrency=20)
    await drain(lane)
    (single,) = await processed(db, clock, an_order(creator="skd"))
    clock.turn(SECOND)
    await drain(lane)
    assert single in {sent.notification_id for sent in smtp.sent[10:]}


async def test_owners_take_turns_when_there_is_less_than_one_for_each(db: Database, clock: FixedClock) -> None:
    owners = [f"owner-{number}" for number in range(4)]
    await processed(db, clock, *(an_order_from("ttd.no", owner, mails=5) for owner in owners))
    smtp = ScriptedProvider("smtp")
    lane = a_lane(db, clock, smtp, limits=SendingSettings(messages_per_second={"smtp": 1}))
    for _ in range(8):
        await drain(lane)
        clock.turn(SECOND)
    ids = [sent.notification_id for sent in smtp.sent]
    rows = await db.fetch("SELECT creator FROM notification_states WHERE notification_id = ANY($1::uuid[])", ids)
    assert sorted(row["creator"] for row in rows) == sorted(owners * 2)


async def test_while_a_provider_is_slow_an_owner_who_comes_later_still_gets_a_turn(
    db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altinn_notifications.sending.lanes.NEWCOMER_SECONDS", 0.02)
    await processed(db, clock, an_order(recipients=an_order().recipients * 90))
    smtp, stop = ScriptedProvider("smtp"), asyncio.Event()
    smtp.hang = asyncio.Event()
    sending = asyncio.create_task(a_lane(db, clock, smtp, concurrency=2).run(stop))
    await smtp.called.wait()
    (single,) = await processed(db, clock, an_order(creator="skd"))
    claimed = "SELECT result = 'Sending' FROM notification_states WHERE notification_id = $1"
    await until(lambda: db.fetchval(claimed, single), "the newcomer is claimed although 88 others wait in memory")
    smtp.hang.set()
    stop.set()
    await sending
    assert len(smtp.sent) < 90


async def test_instant_messages_wait_for_nobody_and_are_paid_for_afterwards(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 50))
    smtp, pacing = ScriptedProvider("smtp"), Pacing(TEN)
    await drain(a_lane(db, clock, smtp, limits=TEN, concurrency=20))
    await pacing.note(db, "smtp", ["ttd.no"] * 6, now=clock.now())
    clock.turn(SECOND)
    await drain(a_lane(db, clock, smtp, limits=TEN, concurrency=20))
    assert len(smtp.sent) == 10 + 4


async def test_without_limits_no_bucket_is_kept(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order())
    await drain(a_lane(db, clock, ScriptedProvider("smtp")))
    await Pacing(SendingSettings()).note(db, "smtp", ["ttd.no"], now=clock.now())
    assert await db.fetchval("SELECT count(*) FROM send_buckets") == 0


@pytest.mark.parametrize(
    ("tokens", "since", "expected"),
    [(0, SECOND, 10), (5, SECOND / 2, 10), (0, DAY, 20), (3, -MINUTE, 3), (-5, SECOND, 5), (20, timedelta(), 20)],
)
def test_a_bucket_fills_steadily_and_not_beyond_its_size(tokens: float, since: timedelta, expected: float) -> None:
    assert Limit(per_second=10, burst=20).refilled(tokens, since) == expected


def test_a_batch_is_divided_between_owners_and_then_between_their_domains() -> None:
    sources = [("a", "x"), ("a", "y"), ("b", "x")]
    assert shares(sources, 12, most={"x": 99, "y": 99}, turn=0) == {("a", "x"): 3, ("a", "y"): 3, ("b", "x"): 6}
    assert shares(sources, 12, most={"x": 4, "y": 99}, turn=0) == {("a", "x"): 3, ("a", "y"): 3, ("b", "x"): 1}
    assert shares(sources, 12, most={"x": 0, "y": 99}, turn=0) == {("a", "y"): 3}
    assert shares([], 12, most={}, turn=0) == {}


def test_no_owner_is_always_last() -> None:
    sources = [(owner, "") for owner in "abc"]
    firsts = [next(iter(shares(sources, 1, most=ANYWHERE, turn=turn)))[0] for turn in range(6)]
    assert firsts == ["a", "b", "c", "a", "b", "c"]


def test_no_domain_of_an_owner_is_always_last() -> None:
    sources = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    firsts = [next(iter(shares(sources, 1, most={"x": 9, "y": 9}, turn=turn))) for turn in range(4)]
    assert firsts == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]


async def test_an_owner_whose_messages_have_expired_takes_nobodys_place(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order_from("old.no"), an_order_from("ttd.no"), an_order(creator="skd"))
    (sound,) = await processed(db, clock, an_order_from("ttd.no", "nav"))
    await db.execute("UPDATE notification_states SET expiry = $1 WHERE creator <> 'nav'", NOON - SECOND)
    smtp = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, smtp, limits=SendingSettings(messages_per_second={"smtp": 1})))
    assert [sent.notification_id for sent in smtp.sent] == [sound]


async def test_what_is_held_in_memory_leaves_one_owner_after_the_other(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 4), an_order(creator="skd"))
    queue: FairQueue[Any] = FairQueue()
    for item in await a_lane(db, clock, ScriptedProvider("smtp")).claim():
        queue.put_nowait(item)
    assert (queue.qsize(), set(queue.owners)) == (5, {"ttd", "skd"})
    creators = [queue.get_nowait()[0].creator for _ in range(5)]
    assert creators.index("skd") <= 1
    assert queue.empty()
