"""The capture providers: what they keep, answer and report (spec 09, 8.4; spec 10, 12; spec 13, 14 and 15)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from altinn_notifications.channels.capture import CaptureStore, delete_captured, newest
from altinn_notifications.channels.email.capture import EmailCapture
from altinn_notifications.channels.magic import EMAIL_WORDS, SMS_ENDINGS
from altinn_notifications.channels.protocol import (
    Accepted,
    Attachment,
    Deferred,
    OutgoingSms,
    Refused,
    Scope,
    Unfinished,
    Unknown,
)
from altinn_notifications.channels.sms.capture import SmsCapture
from altinn_notifications.lifecycle import Channel, EmailResult, SmsResult
from altinn_notifications.reports.captured import report_captured
from altinn_notifications.settings import EmailSettings, SmsSettings
from support.emails import an_email
from support.times import DAY, NOON, SECOND

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

REPORTS = "SELECT provider, channel, provider_reference, result, report FROM delivery_reports ORDER BY id"


@pytest.fixture
def sms(db: Database, clock: FixedClock) -> SmsCapture:
    return SmsCapture(SmsSettings(), CaptureStore(db), clock)


@pytest.fixture
def mailbox(db: Database, clock: FixedClock) -> EmailCapture:
    return EmailCapture(EmailSettings(), CaptureStore(db), clock)


def an_sms(number: str = "+4799999999", body: str = "Hei") -> OutgoingSms:
    return OutgoingSms(uuid4(), "Altinn", number, body, timedelta(hours=48))


async def reported(db: Database, clock: FixedClock, after: timedelta) -> list[dict[str, Any]]:
    """The inbox once `after` has passed."""
    clock.turn(after)
    await report_captured(db, now=clock.now())
    return [dict(row) for row in await db.fetch(REPORTS)]


async def test_an_sms_is_kept_with_all_that_a_gateway_would_have_got(db: Database, sms: SmsCapture) -> None:
    outcome = await sms.send(an_sms("004799999999", "Blåbær"))
    [kept] = await newest(db, Channel.SMS, recipient=None, limit=10)
    assert outcome == Accepted(kept["reference"])
    assert UUID(kept["reference"])
    assert (kept["recipient"], kept["captured"]) == ("+4799999999", NOON)
    assert kept["message"] == {"sender": "Altinn", "text": "Blåbær", "timeToLiveMinutes": 2880}


async def test_its_report_follows_after_two_seconds_as_the_gateways_would(
    db: Database, clock: FixedClock, sms: SmsCapture
) -> None:
    outcome = await sms.send(an_sms("+4790000907"))
    assert isinstance(outcome, Accepted)
    assert await reported(db, clock, 1.9 * SECOND) == []
    [report] = await reported(db, clock, 0.2 * SECOND)
    assert (report["provider"], report["channel"], report["provider_reference"]) == (2, "Sms", outcome.reference)
    assert report["result"] == SmsResult.BARRED_RECEIVER
    assert report["report"] == {
        "reference": outcome.reference,
        "receiver": "4790000907",
        "state": "BARRED",
        "deliveryTime": "2026.03.02 12:00:02",
    }
    assert len(await reported(db, clock, DAY)) == 1


@pytest.mark.parametrize("ending", sorted(ending for ending, plan in SMS_ENDINGS.items() if plan.reports))
async def test_a_number_chooses_its_reports(db: Database, clock: FixedClock, sms: SmsCapture, ending: str) -> None:
    while not isinstance(await sms.send(an_sms(f"+4790000{ending}")), Accepted):
        pass
    words = [report["report"]["state"] for report in await reported(db, clock, 10 * SECOND)]
    assert words == list(SMS_ENDINGS[ending].reports)


async def test_a_number_ending_in_909_is_never_reported_on(db: Database, clock: FixedClock, sms: SmsCapture) -> None:
    assert isinstance(await sms.send(an_sms("+4790000909")), Accepted)
    assert await reported(db, clock, DAY) == []


@pytest.mark.parametrize(
    ("number", "result"),
    [
        ("+4790000911", SmsResult.INVALID_RECIPIENT),
        ("+4741000001", SmsResult.INVALID_RECIPIENT),
        ("004741000001", SmsResult.INVALID_RECIPIENT),
        ("+4790000912", SmsResult.FAILED),
    ],
)
async def test_a_refused_number_is_not_kept(db: Database, sms: SmsCapture, number: str, result: SmsResult) -> None:
    outcome = await sms.send(an_sms(number))
    assert isinstance(outcome, Refused)
    assert outcome.result == result
    assert number not in outcome.detail
    assert await newest(db, Channel.SMS, recipient=None, limit=10) == []


async def test_an_http_error_or_silence_of_the_table_is_a_gateway_error(sms: SmsCapture) -> None:
    assert await sms.send(an_sms("+4741000002")) == Deferred(Scope.MESSAGE, "the capture gateway answered HTTP 503")
    assert isinstance(await sms.send(an_sms("+4790000914")), Unknown)


async def test_attempts_are_counted_over_all_processes_and_anew_after_acceptance(
    db: Database, clock: FixedClock, sms: SmsCapture
) -> None:
    elsewhere = SmsCapture(SmsSettings(), CaptureStore(db), clock)
    assert isinstance(await sms.send(an_sms("+4790000913")), Deferred)
    assert isinstance(await elsewhere.send(an_sms("+4790000913", "another text")), Deferred)
    assert isinstance(await elsewhere.send(an_sms("+4790000913")), Deferred)
    assert isinstance(await sms.send(an_sms("+4790000913")), Accepted)
    assert isinstance(await sms.send(an_sms("+4790000913")), Deferred)


async def test_a_mail_is_kept_with_its_files_and_polled_to_its_end(db: Database, mailbox: EmailCapture) -> None:
    mail = an_email(is_html=True, attachments=(Attachment("brev.pdf", "application/pdf", b"%PDF-1.7"),))
    reference = str(mail.operation_id)
    assert await mailbox.send(mail) == Accepted(reference, is_final=False)
    assert await mailbox.poll(reference) == Accepted(reference)
    [kept] = await newest(db, Channel.EMAIL, recipient="kari@example.com", limit=10)
    assert kept["message"] == {
        "sender": "noreply@altinn.cloud",
        "subject": "Ny melding i Altinn",
        "body": "Hei!\nDu har ny post.",
        "contentType": "Html",
        "attachments": [{"filename": "brev.pdf", "mimeType": "application/pdf", "size": 8}],
    }
    assert await db.fetchval("SELECT content FROM captured_attachments") == b"%PDF-1.7"


async def test_the_report_on_a_mail_follows_two_seconds_after_the_poll(
    db: Database, clock: FixedClock, mailbox: EmailCapture
) -> None:
    mail = an_email(to_address="kari+quarantined@example.com")
    await mailbox.send(mail)
    assert await reported(db, clock, DAY) == []
    await mailbox.poll(str(mail.operation_id))
    await mailbox.poll(str(mail.operation_id))
    assert await reported(db, clock, 1.9 * SECOND) == []
    [report] = await reported(db, clock, 0.2 * SECOND)
    assert (report["provider"], report["channel"], report["result"]) == (4, "Email", EmailResult.QUARANTINED)
    assert report["provider_reference"] == str(mail.operation_id)
    assert report["report"]["messageId"] == str(mail.operation_id)


async def test_slow_delivery_is_reported_some_twenty_seconds_after_acceptance(
    db: Database, clock: FixedClock, mailbox: EmailCapture
) -> None:
    mail = an_email(to_address="slow-delivery@test.com")
    await mailbox.send(mail)
    clock.turn(8 * SECOND)
    await mailbox.poll(str(mail.operation_id))
    assert await reported(db, clock, 11 * SECOND) == []
    assert [report["result"] for report in await reported(db, clock, 2 * SECOND)] == [EmailResult.DELIVERED]


@pytest.mark.parametrize(
    "word", sorted(word for word, plan in EMAIL_WORDS.items() if plan.report and word != "suppressed")
)
async def test_a_word_chooses_the_report(db: Database, clock: FixedClock, mailbox: EmailCapture, word: str) -> None:
    mail = an_email(to_address=f"{word}@example.com")
    while not isinstance(await mailbox.send(mail), Accepted):
        pass
    await mailbox.poll(str(mail.operation_id))
    assert [r["report"]["status"] for r in await reported(db, clock, 5 * SECOND)] == [EMAIL_WORDS[word].report]


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("invalidformat", EmailResult.INVALID_EMAIL_FORMAT),
        ("toolarge", EmailResult.PAYLOAD_TOO_LARGE),
        ("refused", EmailResult.FAILED),
    ],
)
async def test_a_refused_mail_is_not_kept(db: Database, mailbox: EmailCapture, word: str, result: EmailResult) -> None:
    outcome = await mailbox.send(an_email(to_address=f"{word}@example.com"))
    assert isinstance(outcome, Refused)
    assert outcome.result == result
    assert await newest(db, Channel.EMAIL, recipient=None, limit=10) == []


async def test_a_suppressed_recipient_comes_out_at_the_poll(
    db: Database, clock: FixedClock, mailbox: EmailCapture
) -> None:
    mail = an_email(to_address="suppressed@example.com")
    assert isinstance(await mailbox.send(mail), Accepted)
    ended = await mailbox.poll(str(mail.operation_id))
    assert isinstance(ended, Refused)
    assert ended.result == EmailResult.SUPPRESSED_RECIPIENT
    assert await reported(db, clock, DAY) == []


async def test_a_running_mail_never_finishes_and_noreport_is_never_reported_on(
    db: Database, clock: FixedClock, mailbox: EmailCapture
) -> None:
    running, silent = (
        an_email(to_address=f"{word}@example.com", operation_id=uuid4()) for word in ("running", "noreport")
    )
    for mail in (running, silent):
        assert isinstance(await mailbox.send(mail), Accepted)
    assert await mailbox.poll(str(running.operation_id)) == Unfinished()
    assert await mailbox.poll(str(silent.operation_id)) == Accepted(str(silent.operation_id))
    assert await reported(db, clock, DAY) == []


async def test_transient_is_two_failures_of_this_mail_and_ratelimit_one_of_the_provider(mailbox: EmailCapture) -> None:
    transient = [await mailbox.send(an_email(to_address="transient@example.com")) for _ in range(3)]
    assert [type(outcome) for outcome in transient] == [Deferred, Deferred, Accepted]
    limited, after = [await mailbox.send(an_email(to_address="ratelimit@example.com")) for _ in range(2)]
    assert isinstance(limited, Deferred)
    assert (limited.scope, limited.retry_after) == (Scope.PROVIDER, 5 * SECOND)
    assert isinstance(after, Accepted)


async def test_a_repeat_under_the_same_operation_id_is_kept_once(db: Database, mailbox: EmailCapture) -> None:
    for _ in range(2):
        assert isinstance(await mailbox.send(an_email()), Accepted)
    assert len(await newest(db, Channel.EMAIL, recipient=None, limit=10)) == 1


async def test_what_was_captured_long_ago_is_let_go(db: Database, clock: FixedClock, sms: SmsCapture) -> None:
    await sms.send(an_sms())
    await delete_captured(db, before=NOON)
    assert len(await newest(db, Channel.SMS, recipient=None, limit=10)) == 1
    await delete_captured(db, before=NOON + SECOND)
    assert await newest(db, Channel.SMS, recipient=None, limit=10) == []
    assert await reported(db, clock, DAY) == []
