"""Dead delivery reports are tried again by the code that live ones go through (spec 07, 4.3 and 4.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.channels.protocol import Accepted
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import Channel
from altinn_notifications.reports.dead import Wanted, find_dead, list_dead
from altinn_notifications.reports.inbox import ReportInbox
from altinn_notifications.reports.matching import LADDER_SECONDS, match_due
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource
from altinn_notifications.reports.replay import Outcome, dismiss, replay
from support.lanes import a_lane, drain
from support.orders import an_order, an_sms_order, feed_of, kinds_of, processed, result_of, status_of
from support.providers import ScriptedProvider
from support.rows import StoredDeadReport, insert
from support.times import DAY, SECOND

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

BURIED = "SELECT id FROM dead_delivery_reports ORDER BY id"
DSN = (
    b"From: mailer-daemon@mx.example\r\nTo: bounce+0198f0c2-7b1a-7c3e-9d52-4f1f6f6b2f11@altinn.cloud\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nMIME-Version: 1.0\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; kari@example.no\r\nAction: failed\r\n"
    b"Status: 5.1.1\r\n\r\n--b--\r\n"
)


async def sent_sms(db: Database, clock: FixedClock, reference: str = "ref-1") -> tuple[UUID, UUID]:
    """An accepted SMS; its order's id and its own."""
    order = an_sms_order()
    (sms,) = await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider("link", [Accepted(reference)]), "sms-anytime"))
    return order.id, sms


async def sent_email(db: Database, clock: FixedClock, provider: str = "smtp") -> tuple[UUID, UUID, str]:
    """An accepted email; its order's id, its own, and the operation id."""
    order = an_order()
    (email,) = await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider(provider)))
    reference = await db.fetchval(
        "SELECT provider_reference FROM notification_states WHERE notification_id = $1", email
    )
    return order.id, email, reference


async def a_dead(db: Database, content: Any, channel: int = 2, **changes: Any) -> int:
    await insert(db, StoredDeadReport(channel=channel, delivery_report=content, **changes))
    newest: int = await db.fetchval("SELECT max(id) FROM dead_delivery_reports")
    return newest


async def buried_sms_report(db: Database, clock: FixedClock, reference: str = "ref-1") -> int:
    """A report that came long before anybody knew its reference; its dead report's id."""
    report = DeliveryReport(ReportSource.SMS_GATEWAY, Channel.SMS, reference, "Delivered", {"state": "DELIVRD"})
    await ReportInbox(db, Wakeups(db)).store([report], now=clock.now())
    for seconds in (0, *LADDER_SECONDS):
        clock.turn(timedelta(seconds=seconds))
        await match_due(db, now=clock.now())
    (row,) = await db.fetch(BURIED)
    return int(row["id"])


async def test_a_report_of_an_unknown_message_waits_on_and_is_not_resolved(db: Database, clock: FixedClock) -> None:
    dead = await buried_sms_report(db, clock)
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.NOT_KNOWN}
    found = await find_dead(db, dead)
    assert found is not None
    assert (found.is_resolved, found.attempts) == (False, 8)
    order, sms = await sent_sms(db, clock)
    assert (await result_of(db, sms), await status_of(db, order)) == ("Delivered", "Completed")
    assert await list_dead(db, Wanted(), limit=9) == []
    assert (await kinds_of(db, order)).count("report-applied") == 1


SHAPES = [
    ({"gatewayReference": "ref-1", "sendResult": "Delivered", "deliveryReport": '{"state": "DELIVRD"}'}, "Delivered"),
    ({"gatewayReference": " ref-1 ", "sendResult": "failed_expired"}, "Failed_Expired"),
    ({"notificationId": "SMS", "sendResult": "Failed_InvalidRecipient"}, "Failed_InvalidRecipient"),
    ({"notificationId": "SMS", "gatewayReference": "ref-1", "sendResult": "Failed"}, "Failed"),
]


@pytest.mark.parametrize(("content", "result"), SHAPES)
async def test_every_shape_of_an_sms_report_is_understood(
    db: Database, clock: FixedClock, content: dict[str, str], result: str
) -> None:
    order, sms = await sent_sms(db, clock)
    dead = await a_dead(db, {name: str(sms) if value == "SMS" else value for name, value in content.items()})
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.APPLIED}
    assert (await result_of(db, sms), await status_of(db, order)) == (result, "Completed")
    assert len(await feed_of(db, order)) == 1


EMAIL_SHAPES = [
    (1, {"messageId": "OP", "status": "Bounced", "recipient": "kari@example.no"}, "Failed_Bounced"),
    (1, {"operationId": "OP", "sendResult": "Failed_FilteredSpam"}, "Failed_FilteredSpam"),
    (1, {"operationId": "OP", "sendResult": "Quarantined"}, "Failed_Quarantined"),
    (1, {"notificationId": "ID", "sendResult": "Failed_SupressedRecipient"}, "Failed_SupressedRecipient"),
    (1, {"eventType": "x", "data": {"messageId": "OP", "status": "Delivered"}}, "Delivered"),
    (3, {"messageId": "OP", "action": "failed", "status": "5.2.1"}, "Failed_Bounced"),
    (3, {"messageId": "OP", "action": "delivered", "status": "2.0.0"}, "Delivered"),
    (4, {"messageId": "OP", "status": "FilteredSpam"}, "Failed_FilteredSpam"),
]


@pytest.mark.parametrize(("source", "content", "result"), EMAIL_SHAPES)
async def test_every_shape_of_an_email_report_is_understood(
    db: Database, clock: FixedClock, source: int, content: dict[str, Any], result: str
) -> None:
    order, email, operation = await sent_email(db, clock)
    words = {"OP": operation, "ID": str(email)}

    def filled(value: Any) -> Any:
        return (
            {name: filled(inner) for name, inner in value.items()}
            if isinstance(value, dict)
            else words.get(value, value)
        )

    dead = await a_dead(db, filled(content), source)
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.APPLIED}
    assert (await result_of(db, email), await status_of(db, order)) == (result, "Completed")


async def test_a_bounce_that_was_kept_as_text_is_read_again(db: Database, clock: FixedClock) -> None:
    order, email, operation = await sent_email(db, clock)
    text = DSN.decode().replace("0198f0c2-7b1a-7c3e-9d52-4f1f6f6b2f11", operation)
    invalid = InvalidReport(ReportSource.SMTP, text, "It made no sense to an older version.")
    await ReportInbox(db, Wakeups(db)).store([invalid], now=clock.now())
    (row,) = await db.fetch(BURIED)
    assert await replay(db, [row["id"]], now=clock.now()) == {row["id"]: Outcome.APPLIED}
    assert (await result_of(db, email), await status_of(db, order)) == ("Failed_Bounced", "Completed")


@pytest.mark.parametrize(
    ("source", "content"),
    [
        (2, {}),
        (2, "<xml>"),
        (2, []),
        (2, {"gatewayReference": "ref-1", "sendResult": "Accepted"}),
        (2, {"gatewayReference": "ref-1", "sendResult": "Foo"}),
        (2, {"notificationId": "00000000-0000-0000-0000-000000000000", "sendResult": "Failed"}),
        (2, {"notificationId": "no uuid", "sendResult": "Failed"}),
        (1, {"messageId": "", "status": "Delivered"}),
        (1, {"messageId": "m", "status": "Unheard"}),
        (1, {"operationId": "m", "sendResult": "Succeeded"}),
        (1, {"operationId": "m", "sendResult": 7}),
        (3, "no mail"),
        (3, {"messageId": "m", "action": "delayed"}),
        (3, {"action": "failed"}),
    ],
)
async def test_what_says_nothing_final_is_left_as_it_is(
    db: Database, clock: FixedClock, source: int, content: Any
) -> None:
    await sent_sms(db, clock)
    dead = await a_dead(db, content, source)
    before = await find_dead(db, dead)
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.NOT_UNDERSTOOD}
    after = await find_dead(db, dead)
    assert after is not None
    assert before is not None
    assert (after.attempts, after.is_resolved) == (before.attempts, False)


async def test_an_old_report_does_not_replace_a_newer_result(db: Database, clock: FixedClock) -> None:
    _, sms = await sent_sms(db, clock)
    dead = await a_dead(db, {"gatewayReference": "ref-1", "sendResult": "Failed"})
    newer = DeliveryReport(ReportSource.SMS_GATEWAY, Channel.SMS, "ref-1", "Delivered", {})
    await ReportInbox(db, Wakeups(db)).store([newer], now=clock.now())
    await match_due(db, now=clock.now())
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.ALREADY_FINAL}
    assert await result_of(db, sms) == "Delivered"


async def test_an_expired_message_stays_as_it_is(db: Database, clock: FixedClock) -> None:
    order, sms = await sent_sms(db, clock)
    dead = await a_dead(db, {"gatewayReference": "ref-1", "sendResult": "Delivered"})
    clock.turn(3 * DAY)
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.EXPIRED}
    assert (await result_of(db, sms), await status_of(db, order)) == ("Accepted", "Processed")


async def test_to_replay_twice_changes_nothing_more(db: Database, clock: FixedClock) -> None:
    order, _ = await sent_sms(db, clock)
    dead = await a_dead(db, {"gatewayReference": "ref-1", "sendResult": "Delivered"})
    assert await replay(db, [dead, 999], now=clock.now()) == {dead: Outcome.APPLIED, 999: Outcome.MISSING}
    assert await replay(db, [dead], now=clock.now()) == {dead: Outcome.RESOLVED}
    assert len(await feed_of(db, order)) == 1
    assert (await kinds_of(db, order)).count("report-applied") == 1


async def test_they_are_chosen_by_id_reason_and_source(db: Database) -> None:
    one = await a_dead(db, {}, 1)
    two = await a_dead(db, {}, 2, reason="NOTIFICATION_EXPIRED")
    three = await a_dead(db, {}, 2)
    await a_dead(db, {}, 2, resolved=True)

    async def ids(**wanted: Any) -> list[int]:
        return [dead.id for dead in await list_dead(db, Wanted(**wanted), limit=9)]

    assert await ids() == [one, two, three]
    assert await ids(from_id=two) == [two, three]
    assert await ids(from_id=one, to_id=three) == [one, two]
    assert await ids(reason="NOTIFICATION_EXPIRED") == [two]
    assert await ids(source=ReportSource.SMS_GATEWAY) == [two, three]
    assert await dismiss(db, [one, one, 999]) == 1
    assert await dismiss(db, [one]) == 0
    assert await ids() == [two, three]


async def test_a_replayed_report_is_not_tried_by_itself_again(db: Database, clock: FixedClock) -> None:
    dead = await buried_sms_report(db, clock)
    await replay(db, [dead], now=clock.now())
    clock.turn(60 * SECOND)
    assert await match_due(db, now=clock.now()) == 0
    assert len(await db.fetch(BURIED)) == 1
