from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.sending.claims import hand_back
from altinn_notifications.sending.pauses import read_pauses
from altinn_notifications.sending.schedules import RetryPolicy
from altinn_notifications.sending.termination import settle_silent_mail, terminate_expired
from support.lanes import SMS_POLICY, WINDOW, a_lane, drain
from support.orders import (
    an_order,
    an_sms_order,
    feed_of,
    kinds_of,
    log_of,
    processed,
    result_of,
    status_of,
)
from support.providers import ScriptedProvider
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

REFUSE_ATTEMPTS = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'going away' USING ERRCODE = '57P01'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON notification_states FOR EACH ROW WHEN (NEW.attempt_open)
        EXECUTE FUNCTION refuse()"""
BUSY = Deferred(Scope.MESSAGE, "450 try later")
DOWN = Deferred(Scope.PROVIDER, "cannot connect")


async def wake_of(db: Database, notification_id: UUID) -> Any:
    return await db.fetchval("SELECT wake_at FROM notification_states WHERE notification_id = $1", notification_id)


async def test_accepted_mail_is_succeeded_and_its_order_stays_processed(db: Database, clock: FixedClock) -> None:
    order = an_order()
    (email,) = await processed(db, clock, order)
    smtp = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, smtp))
    assert await result_of(db, email) == "Succeeded"
    assert await status_of(db, order.id) == "Processed"
    assert await feed_of(db, order.id) == []
    (sent,) = smtp.sent
    assert (sent.to_address, sent.subject, sent.is_html) == ("kari@example.no", "Ny melding", False)


async def test_a_refusal_completes_the_order_with_one_feed_entry_and_one_log_row(
    db: Database, clock: FixedClock
) -> None:
    order = an_order(senders_reference="case-1")
    (email,) = await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [Refused("Failed_Bounced", "550 5.1.1")])))
    assert await result_of(db, email) == "Failed_Bounced"
    assert await status_of(db, order.id) == "Completed"
    (entry,) = await feed_of(db, order.id)
    assert entry["recipients"][0]["status"] == "Email_Failed_Bounced"
    (row,) = await log_of(db, order.id)
    assert (row["status"], row["channel"], row["destination"]) == ("Failed_Bounced", "Email", "kari@example.no")


async def test_an_order_completes_when_the_last_of_its_notifications_is_final(db: Database, clock: FixedClock) -> None:
    order = an_order(recipients=an_order().recipients * 3)
    await processed(db, clock, order)
    refused = Refused("Failed", "no")
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [refused, BUSY, refused]), concurrency=1))
    assert await status_of(db, order.id) == "Processed"
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [refused])))
    assert await status_of(db, order.id) == "Completed"
    assert len(await feed_of(db, order.id)) == 1
    assert len(await log_of(db, order.id)) == 3


async def test_last_results_that_arrive_at_once_complete_an_order_exactly_once(db: Database, clock: FixedClock) -> None:
    orders = [an_order(recipients=an_order().recipients * 2) for _ in range(20)]
    await processed(db, clock, *orders)
    refusals = [Refused("Failed", "no")] * 40
    lanes = [a_lane(db, clock, ScriptedProvider("smtp", refusals), batch_size=5, worker=n) for n in range(3)]
    await asyncio.gather(*map(drain, lanes))
    assert {await status_of(db, order.id) for order in orders} == {"Completed"}
    assert await db.fetchval("SELECT count(*) FROM status_feed_outbox") == 20
    assert await db.fetchval("SELECT count(*) FROM notification_log") == 40


async def test_a_temporary_refusal_of_one_mail_waits_by_the_schedule_and_holds_up_no_other(
    db: Database, clock: FixedClock
) -> None:
    slow, quick = await processed(db, clock, an_order(), an_order())
    smtp = ScriptedProvider("smtp", [BUSY])
    lane = a_lane(db, clock, smtp, concurrency=1)
    await drain(lane)
    assert (await result_of(db, slow), await result_of(db, quick)) == ("Sending", "Succeeded")
    waits = []
    for _ in range(6):
        wake = await wake_of(db, slow)
        waits.append((wake - clock.now()).total_seconds())
        smtp.outcomes.append(BUSY)
        clock.at = wake
        await drain(a_lane(db, clock, smtp))
    assert waits == [60, 300, 900, 1800, 3600, 3600]


async def test_trouble_of_the_whole_provider_pauses_it_and_uses_up_no_attempt(db: Database, clock: FixedClock) -> None:
    (email,) = await processed(db, clock, an_order())
    smtp = ScriptedProvider("smtp", [Deferred(Scope.PROVIDER, "421", retry_after=timedelta(seconds=120))])
    await drain(a_lane(db, clock, smtp))
    assert await result_of(db, email) == "New"
    assert [pause.until for pause in await read_pauses(db)] == [NOON + 2 * MINUTE]
    clock.turn(119 * SECOND)
    await drain(a_lane(db, clock, smtp))
    assert len(smtp.sent) == 1
    clock.turn(SECOND)
    await drain(a_lane(db, clock, smtp))
    assert await result_of(db, email) == "Succeeded"
    assert await db.fetchval("SELECT count(*) FROM provider_pauses") == 0


async def test_a_pause_is_never_shortened(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(), an_order())
    long, short = (Deferred(Scope.PROVIDER, "421", retry_after=wait) for wait in (HOUR, MINUTE))
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [long, short]), concurrency=1))
    assert [pause.until for pause in await read_pauses(db)] == [NOON + HOUR]


async def test_a_pause_of_mail_leaves_sms_alone(db: Database, clock: FixedClock) -> None:
    email, sms = await processed(db, clock, an_order(), an_sms_order())
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [DOWN])))
    await drain(a_lane(db, clock, ScriptedProvider("link"), "sms-anytime"))
    assert (await result_of(db, email), await result_of(db, sms)) == ("New", "Accepted")


async def test_each_submission_of_known_outcome_has_an_operation_id_of_its_own(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order())
    smtp = ScriptedProvider("smtp", [BUSY])
    await drain(a_lane(db, clock, smtp))
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, smtp))
    first, second = (sent.operation_id for sent in smtp.sent)
    assert first != second


async def test_a_submission_of_unknown_outcome_is_repeated_under_the_same_operation_id(
    db: Database, clock: FixedClock
) -> None:
    order = an_order()
    await processed(db, clock, order)
    smtp = ScriptedProvider("smtp", [Unknown("no reply to the final dot")])
    await drain(a_lane(db, clock, smtp))
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, smtp))
    first, second = (sent.operation_id for sent in smtp.sent)
    assert first == second
    assert await kinds_of(db, order.id) == ["order-processed", "send-unknown", "send-accepted"]


async def test_mail_that_may_have_arrived_keeps_its_operation_id_through_later_refusals(
    db: Database, clock: FixedClock
) -> None:
    await processed(db, clock, an_order())
    smtp = ScriptedProvider("smtp", [Unknown("no reply to the final dot"), BUSY, DOWN])
    for _ in range(4):
        await drain(a_lane(db, clock, smtp))
        clock.turn(HOUR)
    assert len(smtp.sent) == 4
    assert len({sent.operation_id for sent in smtp.sent}) == 1


async def test_an_sms_whose_reference_is_anothers_is_set_aside(db: Database, clock: FixedClock) -> None:
    orders = [an_sms_order(), an_sms_order()]
    both = await processed(db, clock, *orders)
    link = ScriptedProvider("link", [Accepted("same"), Accepted("same")])
    lane = a_lane(db, clock, link, "sms-anytime", concurrency=1)
    await drain(lane)
    results = {await result_of(db, sms): (sms, order.id) for sms, order in zip(both, orders, strict=True)}
    assert set(results) == {"Accepted", "Sending"}
    aside, its_order = results["Sending"]
    clock.turn(DAY)
    await drain(lane)
    assert len(link.sent) == 2
    await terminate_expired(db, now=NOON + 3 * DAY, offset=5 * MINUTE, batch_size=100)
    assert (await result_of(db, aside), await status_of(db, its_order)) == ("Failed_TTL", "Completed")


async def test_a_call_that_could_not_be_recorded_is_not_made_and_goes_out_when_the_database_is_back(
    db: Database, clock: FixedClock
) -> None:
    (email,) = await processed(db, clock, an_order())
    await db.execute(REFUSE_ATTEMPTS)
    smtp = ScriptedProvider("smtp")
    lane = a_lane(db, clock, smtp, worker=7)
    with pytest.raises(DatabaseUnavailable):
        await lane.run(asyncio.Event())
    assert (smtp.sent, await result_of(db, email)) == ([], "Sending")
    await db.execute("DROP TRIGGER refuse ON notification_states")
    await drain(lane)
    assert (len(smtp.sent), await result_of(db, email)) == (1, "Succeeded")


async def killed_during_a_call(db: Database, clock: FixedClock, name: str, *, lane: str) -> ScriptedProvider:
    """A worker that died while the provider was being called; returns its provider."""
    provider = ScriptedProvider(name)
    provider.hang = asyncio.Event()
    task = asyncio.create_task(a_lane(db, clock, provider, lane).run(asyncio.Event()))
    await provider.called.wait()
    task.cancel()
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        if "_send" in repr(other) or "run" in repr(other):
            other.cancel()
    await asyncio.sleep(0)
    return provider


async def test_a_call_that_was_open_when_its_worker_died_is_marked_before_it_is_repeated(
    db: Database, clock: FixedClock
) -> None:
    order = an_order()
    (email,) = await processed(db, clock, order)
    dead = await killed_during_a_call(db, clock, "smtp", lane="email")
    clock.turn(5 * MINUTE)
    alive = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, alive, worker=2))
    assert await result_of(db, email) == "Succeeded"
    assert alive.sent[0].operation_id == dead.sent[0].operation_id
    assert await kinds_of(db, order.id) == ["order-processed", "send-unknown", "send-accepted"]


async def test_mail_whose_workers_died_one_after_the_other_keeps_the_operation_id_of_the_open_call(
    db: Database, clock: FixedClock
) -> None:
    await processed(db, clock, an_order())
    dead = await killed_during_a_call(db, clock, "smtp", lane="email")
    for _ in range(2):
        clock.turn(5 * MINUTE)
        ((_, mail, _),) = await a_lane(db, clock, ScriptedProvider("smtp")).claim()
        assert mail.operation_id == dead.sent[0].operation_id


async def test_nothing_is_claimed_while_its_provider_pauses(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(), an_order(), an_sms_order())
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [BUSY, DOWN]), concurrency=1))
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [DOWN, DOWN]), concurrency=2))
    assert await a_lane(db, clock, ScriptedProvider("smtp")).claim() == []
    assert len(await a_lane(db, clock, ScriptedProvider("link"), "sms-anytime").claim()) == 1


async def test_a_claim_without_an_open_call_is_repeated_without_a_mark(db: Database, clock: FixedClock) -> None:
    order = an_order()
    await processed(db, clock, order)
    assert len(await a_lane(db, clock, ScriptedProvider("smtp")).claim()) == 1
    clock.turn(5 * MINUTE)
    await drain(a_lane(db, clock, ScriptedProvider("smtp"), worker=2))
    assert await kinds_of(db, order.id) == ["order-processed", "send-accepted"]


@pytest.mark.parametrize(("hold", "calls"), [(False, 1), (True, 0)])
async def test_an_sms_of_unknown_outcome_is_repeated_or_held_as_its_owner_decided(
    db: Database, clock: FixedClock, *, hold: bool, calls: int
) -> None:
    order = an_sms_order()
    (sms,) = await processed(db, clock, order)
    await killed_during_a_call(db, clock, "link", lane="sms-anytime")
    clock.turn(5 * MINUTE)
    policy = RetryPolicy(SMS_POLICY.waits, SMS_POLICY.provider_pause, WINDOW, hold_creators={"ttd"} if hold else ())
    link = ScriptedProvider("link")
    for _ in range(2):
        await drain(a_lane(db, clock, link, "sms-anytime", policy=policy, worker=2))
    assert len(link.sent) == calls
    assert "send-unknown" in await kinds_of(db, order.id)
    if hold:
        await terminate_expired(db, now=NOON + 2 * DAY + 6 * MINUTE, offset=5 * MINUTE, batch_size=100)
        assert await result_of(db, sms) == "Failed_TTL"


async def test_a_sender_whose_claim_was_taken_over_calls_nobody(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order())
    late, quick = ScriptedProvider("smtp"), ScriptedProvider("smtp")
    lane = a_lane(db, clock, late)
    (claimed,) = await lane.claim()
    clock.turn(5 * MINUTE)
    await drain(a_lane(db, clock, quick, worker=2))
    await lane._send(*claimed)
    assert (len(late.sent), len(quick.sent)) == (0, 1)


async def test_an_expired_notification_is_never_claimed(db: Database, clock: FixedClock) -> None:
    (email,) = await processed(db, clock, an_order())
    clock.turn(2 * DAY + SECOND)
    smtp = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, smtp))
    assert (smtp.sent, await result_of(db, email)) == ([], "New")


async def test_lanes_that_claim_at_the_same_time_claim_different_messages(db: Database, clock: FixedClock) -> None:
    emails = await processed(db, clock, an_order(recipients=an_order().recipients * 25))
    lanes = [a_lane(db, clock, ScriptedProvider("smtp"), batch_size=10, worker=number) for number in range(2)]
    batches = await asyncio.gather(*(lane.claim() for lane in lanes))
    batches += [await lanes[0].claim(), await lanes[1].claim()]
    claimed = [claim.notification_id for batch in batches for claim, *_ in batch]
    assert all(len(batch) <= 10 for batch in batches)
    assert sorted(claimed) == sorted(emails)
    assert await lanes[0].claim() == []


async def test_one_owners_half_million_does_not_hold_up_another_owners_single_mail(
    db: Database, clock: FixedClock
) -> None:
    campaign = an_order(recipients=an_order().recipients * 50)
    await processed(db, clock, campaign, an_order(creator="skd", recipients=an_order().recipients))
    lane = a_lane(db, clock, ScriptedProvider("smtp"), batch_size=10)
    assert "skd" in {claim.creator for claim, *_ in await lane.claim()}


@pytest.mark.parametrize(
    ("utc", "sent"),
    [("07:59:59", 0), ("08:00:00", 0), ("08:00:00.001", 1), ("15:59:59", 1), ("16:00:00", 0)],
)
async def test_daytime_sms_leave_only_strictly_inside_the_window(
    db: Database, clock: FixedClock, utc: str, sent: int
) -> None:
    await processed(db, clock, an_sms_order(sms_policy=None))
    clock.at = NOON.fromisoformat(f"2026-03-03T{utc}+00:00")
    link = ScriptedProvider("link")
    await drain(a_lane(db, clock, link, "sms-daytime"))
    await drain(a_lane(db, clock, link, "sms-anytime"))
    assert len(link.sent) == sent


async def test_a_daytime_retry_outside_the_window_waits_for_its_opening(db: Database, clock: FixedClock) -> None:
    daytime, anytime = await processed(db, clock, an_sms_order(sms_policy=None), an_sms_order())
    clock.at = NOON.replace(hour=15, minute=58)
    for lane in ("sms-daytime", "sms-anytime"):
        await drain(a_lane(db, clock, ScriptedProvider("link", [Deferred(Scope.MESSAGE, "504")]), lane))
    opening = (NOON + DAY).replace(hour=8, minute=0)
    assert opening < await wake_of(db, daytime) < opening + SECOND
    assert await wake_of(db, anytime) == clock.now() + 5 * MINUTE


async def test_stopping_gives_back_what_was_not_sent_and_waits_for_open_calls(db: Database, clock: FixedClock) -> None:
    emails = await processed(db, clock, an_order(recipients=an_order().recipients * 10))
    smtp, stop = ScriptedProvider("smtp"), asyncio.Event()
    smtp.hang = asyncio.Event()
    task = asyncio.create_task(a_lane(db, clock, smtp, concurrency=2).run(stop))
    await smtp.called.wait()
    stop.set()
    smtp.hang.set()
    await task
    results = [await result_of(db, email) for email in emails]
    assert set(results) == {"Succeeded", "New"}
    assert results.count("Succeeded") == len(smtp.sent) < 10


async def test_handing_back_leaves_a_claim_that_somebody_else_took(db: Database, clock: FixedClock) -> None:
    (email,) = await processed(db, clock, an_order())
    lane = a_lane(db, clock, ScriptedProvider("smtp"))
    (first,) = await lane.claim()
    clock.turn(5 * MINUTE)
    await lane.claim()
    await hand_back(db, [first[0]], now=clock.now())
    assert await result_of(db, email) == "Sending"


async def test_an_outcome_after_expiry_changes_nothing_and_becomes_a_dead_report(
    db: Database, clock: FixedClock
) -> None:
    (email,) = await processed(db, clock, an_order())
    smtp = ScriptedProvider("smtp")
    smtp.hang = asyncio.Event()
    task = asyncio.create_task(drain(a_lane(db, clock, smtp)))
    await smtp.called.wait()
    clock.turn(2 * DAY + SECOND)
    smtp.hang.set()
    await task
    assert await result_of(db, email) == "Sending"
    dead = await db.fetchrow("SELECT * FROM dead_delivery_reports")
    assert dead is not None
    assert (dead["channel"], dead["reason"], dead["attempt_count"]) == (3, "NOTIFICATION_EXPIRED", 1)
    assert dead["delivery_report"]["sendResult"] == "Succeeded"


@pytest.mark.parametrize("state", ["New", "Sending", "Succeeded"])
async def test_whatever_is_pending_ends_five_minutes_after_its_expiry(
    db: Database, clock: FixedClock, state: str
) -> None:
    order = an_order()
    (email,) = await processed(db, clock, order)
    await db.execute("UPDATE notification_states SET result = $1", state)
    expiry = NOON + 2 * DAY
    assert await terminate_expired(db, now=expiry + 10 * SECOND, offset=5 * MINUTE, batch_size=100) == 0
    assert await terminate_expired(db, now=expiry + 315 * SECOND, offset=5 * MINUTE, batch_size=100) == 1
    assert (await result_of(db, email), await status_of(db, order.id)) == ("Failed_TTL", "Completed")
    assert len(await feed_of(db, order.id)) == len(await log_of(db, order.id)) == 1


async def test_one_termination_ends_more_than_a_batch(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, *(an_sms_order() for _ in range(25)))
    assert await terminate_expired(db, now=NOON + 3 * DAY, offset=5 * MINUTE, batch_size=10) == 25


async def test_what_somebody_holds_just_then_is_ended_as_soon_as_it_is_let_go(db: Database, clock: FixedClock) -> None:
    email, held = await processed(db, clock, an_order(recipients=an_order().recipients * 2))
    async with db.transaction() as sender:
        await sender.execute("SELECT FROM notification_states WHERE notification_id = $1 FOR UPDATE", held)
        ending = asyncio.create_task(terminate_expired(db, now=NOON + 3 * DAY, offset=5 * MINUTE, batch_size=100))
        await until(lambda: ended(db, email), "the other is ended meanwhile")
        assert await result_of(db, held) == "New"
    assert await ending == 2
    assert await result_of(db, held) == "Failed_TTL"


async def ended(db: Database, notification_id: UUID) -> bool:
    return await result_of(db, notification_id) == "Failed_TTL"


async def test_accepted_mail_without_a_report_counts_as_delivered_after_the_set_time(
    db: Database, clock: FixedClock
) -> None:
    order = an_order()
    (email,) = await processed(db, clock, order)
    policy = RetryPolicy((60,), MINUTE, WINDOW, settle_after=HOUR)
    await drain(a_lane(db, clock, ScriptedProvider("smtp"), policy=policy))
    assert await settle_silent_mail(db, now=NOON + HOUR - SECOND, batch_size=10) == 0
    assert await settle_silent_mail(db, now=NOON + HOUR, batch_size=10) == 1
    assert (await result_of(db, email), await status_of(db, order.id)) == ("Delivered", "Completed")


async def test_an_sms_accepted_without_a_reference_ends_as_ttl(db: Database, clock: FixedClock) -> None:
    (sms,) = await processed(db, clock, an_sms_order())
    await drain(a_lane(db, clock, ScriptedProvider("link", [Accepted(None)]), "sms-anytime"))
    assert await result_of(db, sms) == "Accepted"
    await terminate_expired(db, now=NOON + 3 * DAY, offset=5 * MINUTE, batch_size=10)
    assert await result_of(db, sms) == "Failed_TTL"
