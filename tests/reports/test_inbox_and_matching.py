from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import Channel
from altinn_notifications.reports import matching
from altinn_notifications.reports.inbox import ReportInbox
from altinn_notifications.reports.matching import LADDER_SECONDS, match_due
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource
from support.lanes import a_lane, drain
from support.orders import an_order, an_sms_order, feed_of, kinds_of, log_of, processed, result_of, status_of
from support.providers import ScriptedProvider
from support.times import DAY, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

SMS = "sms-anytime"
BUSY = Deferred(Scope.MESSAGE, "450 try later")
IS_ACCEPTED = "SELECT true FROM notification_states WHERE result = 'Accepted'"


def sms_report(result: str = "Delivered", reference: str = "ref-1") -> DeliveryReport:
    return DeliveryReport(ReportSource.SMS_GATEWAY, Channel.SMS, reference, result, {"state": result})


async def receive(db: Database, clock: FixedClock, *reports: DeliveryReport | InvalidReport) -> None:
    """Store reports and try to match them once."""
    await ReportInbox(db, Wakeups(db)).store(reports, now=clock.now())
    await match_due(db, now=clock.now())


async def sent_sms(db: Database, clock: FixedClock, reference: str = "ref-1") -> tuple[UUID, UUID]:
    """An accepted SMS; its order's id and its own."""
    order = an_sms_order()
    (sms,) = await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider("link", [Accepted(reference)]), "sms-anytime"))
    return order.id, sms


async def dead_reports(db: Database) -> Sequence[Any]:
    return await db.fetch("SELECT * FROM dead_delivery_reports ORDER BY id")


async def test_a_report_ends_its_notification_and_completes_the_order(db: Database, clock: FixedClock) -> None:
    order, sms = await sent_sms(db, clock)
    await receive(db, clock, sms_report())
    assert (await result_of(db, sms), await status_of(db, order)) == ("Delivered", "Completed")
    (row,) = await log_of(db, order)
    assert (row["status"], row["delivery_reference"]) == ("Delivered", "ref-1")
    assert len(await feed_of(db, order)) == 1


async def test_a_repeated_report_changes_nothing_more(db: Database, clock: FixedClock) -> None:
    order, _ = await sent_sms(db, clock)
    await receive(db, clock, sms_report(), sms_report())
    await receive(db, clock, sms_report())
    assert len(await feed_of(db, order)) == len(await log_of(db, order)) == 1
    assert (await kinds_of(db, order)).count("report-applied") == 3


async def test_a_later_truth_shows_on_the_notification_but_not_in_feed_or_log(db: Database, clock: FixedClock) -> None:
    order, sms = await sent_sms(db, clock)
    await receive(db, clock, sms_report())
    await receive(db, clock, sms_report("Failed"))
    assert (await result_of(db, sms), await status_of(db, order)) == ("Failed", "Completed")
    assert [entry["recipients"][0]["status"] for entry in await feed_of(db, order)] == ["SMS_Delivered"]
    assert [row["status"] for row in await log_of(db, order)] == ["Delivered"]


async def test_of_two_reports_in_one_batch_the_last_decides(db: Database, clock: FixedClock) -> None:
    _, sms = await sent_sms(db, clock)
    await receive(db, clock, sms_report("Failed_Expired"), sms_report())
    assert await result_of(db, sms) == "Delivered"


@pytest.mark.parametrize("late", [Accepted("op-1"), Refused("Failed", "554"), BUSY], ids=["yes", "no", "later"])
async def test_a_send_result_after_the_report_leaves_the_final_state(
    db: Database, clock: FixedClock, late: Outcome
) -> None:
    order = an_order()
    (email,) = await processed(db, clock, order)
    smtp = ScriptedProvider("smtp", [late])
    smtp.hang = asyncio.Event()
    task = asyncio.create_task(drain(a_lane(db, clock, smtp)))
    await smtp.called.wait()
    raw = {"action": "delivered"}
    report = DeliveryReport(ReportSource.SMTP, Channel.EMAIL, str(smtp.sent[0].operation_id), "Delivered", raw)
    await receive(db, clock, report)
    smtp.hang.set()
    await task
    assert await result_of(db, email) == "Delivered"
    assert await db.fetchval("SELECT report FROM notification_states") == raw
    assert len(smtp.sent) == 1
    assert len(await feed_of(db, order.id)) == 1


async def test_a_report_that_comes_before_its_reference_is_applied_with_it(db: Database, clock: FixedClock) -> None:
    order = an_sms_order()
    (sms,) = await processed(db, clock, order)
    await receive(db, clock, sms_report())
    await drain(a_lane(db, clock, ScriptedProvider("link", [Accepted("ref-1")]), "sms-anytime"))
    assert (await result_of(db, sms), await status_of(db, order.id)) == ("Delivered", "Completed")
    assert await kinds_of(db, order.id) == ["order-processed", "send-accepted", "report-applied"]


async def climb(db: Database, clock: FixedClock) -> None:
    """Go up the whole ladder."""
    for seconds in LADDER_SECONDS:
        clock.turn(timedelta(seconds=seconds))
        await match_due(db, now=clock.now())


async def test_a_report_of_an_unknown_reference_is_tried_seven_times_and_then_dead(
    db: Database, clock: FixedClock
) -> None:
    await receive(db, clock, sms_report(reference="nobody"))
    for seconds in LADDER_SECONDS:
        assert await dead_reports(db) == []
        clock.turn(timedelta(seconds=seconds) - SECOND / 10)
        assert await match_due(db, now=clock.now()) == 0
        clock.turn(SECOND / 10)
        assert await match_due(db, now=clock.now()) == 1
    (dead,) = await dead_reports(db)
    assert (dead["channel"], dead["reason"], dead["attempt_count"]) == (2, "RETRY_THRESHOLD_EXCEEDED", 7)
    assert (dead["first_seen"], dead["resolved"]) == (NOON, False)
    assert dead["delivery_report"]["gatewayReference"] == "nobody"


async def test_a_dead_report_is_applied_and_resolved_when_its_reference_becomes_known(
    db: Database, clock: FixedClock
) -> None:
    (sms,) = await processed(db, clock, an_sms_order())
    await receive(db, clock, sms_report())
    await climb(db, clock)
    await drain(a_lane(db, clock, ScriptedProvider("link", [Accepted("ref-1")]), "sms-anytime"))
    assert await result_of(db, sms) == "Delivered"
    assert [row["resolved"] for row in await dead_reports(db)] == [True]


async def test_a_report_for_an_expired_notification_changes_nothing(db: Database, clock: FixedClock) -> None:
    _, sms = await sent_sms(db, clock)
    clock.turn(2 * DAY + SECOND)
    await receive(db, clock, sms_report())
    await climb(db, clock)
    assert await result_of(db, sms) == "Accepted"
    assert await db.fetchval("SELECT report FROM notification_states") is None
    assert [row["reason"] for row in await dead_reports(db)] == ["NOTIFICATION_EXPIRED"]


async def test_an_invalid_report_is_dead_at_once_with_what_came_in(db: Database, clock: FixedClock) -> None:
    await receive(db, clock, InvalidReport(ReportSource.ACS, "not json", "no message id"))
    (dead,) = await dead_reports(db)
    assert (dead["reason"], dead["attempt_count"], dead["delivery_report"]) == (
        "INVALID_DELIVERY_REPORT",
        1,
        "not json",
    )


async def test_a_report_received_before_our_clock_is_first_seen_no_later_than_its_last_attempt(
    db: Database, clock: FixedClock
) -> None:
    await ReportInbox(db, Wakeups(db)).store([sms_report(reference="x")], now=NOON)
    await db.execute("UPDATE delivery_reports SET received = $1, attempts = 6", NOON + SECOND)
    await match_due(db, now=clock.now())
    (dead,) = await dead_reports(db)
    assert dead["first_seen"] == dead["last_attempt"]


@pytest.mark.parametrize(("attempts", "payload"), [(0, {}), (-1, {})])
async def test_a_dead_report_with_no_attempts_is_refused_by_the_table(
    db: Database, attempts: int, payload: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="attempt_count"):
        await db.execute(
            "INSERT INTO dead_delivery_reports (channel, delivery_report, first_seen, last_attempt, attempt_count)"
            " VALUES (1, $1, $2, $2, $3)",
            payload,
            NOON,
            attempts,
        )


async def test_matchers_at_the_same_time_share_the_work(db: Database, clock: FixedClock) -> None:
    orders = [an_sms_order() for _ in range(12)]
    await processed(db, clock, *orders)
    accepted = [Accepted(f"r{n}") for n in range(12)]
    await drain(a_lane(db, clock, ScriptedProvider("link", accepted), "sms-anytime"))
    inbox = ReportInbox(db, Wakeups(db))
    reports = [sms_report(reference=f"r{n}") for n in range(12)]
    await asyncio.gather(*(inbox.store([report], now=clock.now()) for report in reports))
    tried = await asyncio.gather(*(match_due(db, now=clock.now(), limit=4) for _ in range(3)))
    assert sum(tried) + await match_due(db, now=clock.now()) == 12
    assert {await status_of(db, order.id) for order in orders} == {"Completed"}


async def test_a_report_that_is_being_tried_while_its_reference_is_stored_does_not_wait_for_the_ladder(
    db: Database, clock: FixedClock
) -> None:
    order = an_sms_order()
    (sms,) = await processed(db, clock, order)
    await ReportInbox(db, Wakeups(db)).store([sms_report()], now=clock.now())
    async with db.transaction() as connection:
        await connection.execute("SELECT FROM delivery_reports FOR UPDATE")
        sending = asyncio.create_task(drain(a_lane(db, clock, ScriptedProvider("link", [Accepted("ref-1")]), SMS)))
        await until(lambda: db.fetchval(IS_ACCEPTED), "the SMS is accepted")
        await connection.execute("UPDATE delivery_reports SET attempts = 7, wake_at = NULL")
    await sending
    assert (await result_of(db, sms), await status_of(db, order.id)) == ("Delivered", "Completed")


async def test_a_report_of_a_notification_that_is_being_changed_stays_due(db: Database, clock: FixedClock) -> None:
    _, sms = await sent_sms(db, clock)
    await ReportInbox(db, Wakeups(db)).store([sms_report()], now=clock.now())
    async with db.transaction() as connection:
        await connection.execute("SELECT FROM notification_states FOR UPDATE")
        assert await match_due(db, now=clock.now()) == 0
    assert await match_due(db, now=clock.now()) == 1
    assert await result_of(db, sms) == "Delivered"


async def test_of_two_reports_matched_at_the_same_moment_the_one_that_came_last_decides(
    db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, sms = await sent_sms(db, clock)
    await ReportInbox(db, Wakeups(db)).store([sms_report("Failed_Undelivered"), sms_report()], now=clock.now())
    first_is_claimed, second_is_applied = asyncio.Event(), asyncio.Event()
    apply_known = matching.apply_known

    async def first_after_second(connection: Any, reports: Sequence[Any], **options: Any) -> Any:
        if reports[0]["result"] == "Failed_Undelivered":
            first_is_claimed.set()
            await second_is_applied.wait()
        return await apply_known(connection, reports, **options)

    monkeypatch.setattr(matching, "apply_known", first_after_second)
    first = asyncio.create_task(match_due(db, now=clock.now(), limit=1))
    await first_is_claimed.wait()
    assert await match_due(db, now=clock.now(), limit=1) == 1
    second_is_applied.set()
    assert await first == 1
    assert await result_of(db, sms) == "Delivered"
    assert [row["status"] for row in await log_of(db, order)] == ["Delivered"]
    assert (await kinds_of(db, order))[-2:] == ["report-applied", "report-ignored"]
    assert await db.fetchval("SELECT count(*) FROM delivery_reports WHERE settled IS NULL") == 0


async def test_a_report_that_had_to_wait_does_not_replace_a_later_one(db: Database, clock: FixedClock) -> None:
    _, sms = await sent_sms(db, clock)
    await ReportInbox(db, Wakeups(db)).store([sms_report("Failed_Undelivered"), sms_report()], now=clock.now())
    async with db.transaction() as connection:
        await connection.execute("SELECT FROM delivery_reports WHERE result <> 'Delivered' FOR UPDATE")
        assert await match_due(db, now=clock.now()) == 1
    assert await match_due(db, now=clock.now()) == 1
    assert await result_of(db, sms) == "Delivered"
    await receive(db, clock, sms_report("Failed"))
    assert await result_of(db, sms) == "Failed"
