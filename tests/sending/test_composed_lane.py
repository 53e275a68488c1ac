"""From an ordered email with attachments to its outcome: downloads, results, sizes and claims (spec 04, 9 to 11)."""

from __future__ import annotations

import asyncio
import email
import email.policy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.channels.protocol import Deferred, Refused, Scope, Unknown
from altinn_notifications.reports.matching import match_due
from altinn_notifications.sending.termination import terminate_expired
from altinn_notifications.timestamps import to_wire
from support.composed import a_composed_request, an_attachment, running_composed_service
from support.file_peer import File
from support.orders import feed_of, kinds_of, log_of, processor
from support.platform_peer import CONDITION, Reply, connected, encoded_jwk, running_peer
from support.providers import ScriptedProvider
from support.service import API
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from altinn_notifications.clock import FixedClock
    from support.composed import ComposedService
    from support.smtp_peer import ReceivedMail

DOWN = Deferred(Scope.PROVIDER, "429 too many requests", retry_after=timedelta(seconds=30))
WAITS = [1, 5, 10, 60, 120, 120]


@pytest.fixture
async def composed(database_url: str, clock: FixedClock) -> AsyncIterator[ComposedService]:
    async with running_composed_service(database_url, clock) as running:
        yield running


def parsed(mail: ReceivedMail) -> EmailMessage:
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def files_in(message: EmailMessage) -> list[tuple[str | None, str, Any]]:
    return [(part.get_filename(), part.get_content_type(), part.get_content()) for part in message.iter_attachments()]


async def test_a_mail_carries_its_text_and_its_files_in_the_sequence_of_the_order(composed: ComposedService) -> None:
    links = [composed.files.serve(name, File(name.encode())) for name in ("a.pdf", "b.png", "c.txt")]
    await composed.ordered(
        an_attachment(links[0], filename="første vedtak №1.pdf"),
        an_attachment(links[1], filename="b.png", mimeType="image/png"),
        an_attachment(links[2], filename="c.txt", mimeType="text/csv"),
        settings={"subject": "A\r\nB\nC", "body": "Til $recipientName$"},
    )
    await composed.send()
    (mail,) = composed.smtp.mails
    message = parsed(mail)
    body = message.get_body()
    assert body is not None
    assert body.get_content().strip() == "Til $recipientName$"
    assert message["Subject"] == "A B C"
    assert files_in(message) == [
        ("første vedtak №1.pdf", "application/pdf", b"a.pdf"),
        ("b.png", "image/png", b"b.png"),
        ("c.txt", "text/csv", "c.txt"),
    ]
    stored = await composed.mail()
    assert (stored["result"], stored["attachment_bytes"]) == ("Succeeded", 15)
    assert stored["expiry"] == NOON + 2 * DAY


async def test_links_are_asked_for_exactly_as_they_were_given(composed: ComposedService) -> None:
    composed.files.serve("a.pdf", File(b"1"))
    odd = "/a.pdf?sv=2022&se=2027-01-01T00%3a00%3A00Z&sp=r&sr=b&sig=ab%2fCD%2B/=:@!$'()*,;~"
    await composed.ordered(an_attachment(composed.files.origin + odd))
    await composed.send()
    assert composed.files.requests == [odd]


@pytest.mark.parametrize("attachments", [None, []])
async def test_an_email_without_attachments_goes_through_the_same_lane(
    composed: ComposedService, attachments: Any
) -> None:
    await composed.ordered(settings={"attachments": attachments})
    await composed.send()
    assert files_in(parsed(composed.smtp.mails[0])) == []
    stored = await composed.mail()
    assert (stored["result"], stored["attachment_bytes"], stored["lane"]) == ("Succeeded", 0, "composed")


@pytest.mark.parametrize("status", [404, 403, 409, 302])
async def test_a_link_that_is_refused_ends_the_mail_for_good(
    composed: ComposedService, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    link = composed.files.serve("a.pdf", File(b"", status=status))
    shipment = await composed.ordered(an_attachment(link))
    provider = ScriptedProvider("smtp")
    await composed.send(provider)
    mail = await composed.mail()
    assert provider.sent == []
    assert (mail["result"], mail["order_status"], mail["attachment_bytes"], mail["attempts"]) == (
        "Failed_InvalidSasUrl", "Completed", 0, 0,
    )  # fmt: skip
    (entry,) = await feed_of(composed.db, mail["order_id"])
    assert entry["recipients"][0]["status"] == "Email_Failed_InvalidSasUrl"
    assert entry["shipmentType"] == "Composed"
    (row,) = await log_of(composed.db, mail["order_id"])
    assert row["status"] == "Failed_InvalidSasUrl"
    assert await composed.links() == 0
    emails = (await composed.service.get(f"{API}/orders/{shipment}/notifications/email")).json()
    assert emails["notifications"][0]["sendStatus"]["status"] == "Failed_InvalidSasUrl"
    assert emails["notifications"][0]["succeeded"] is False
    status_now = (await composed.service.get(f"{API}/future/shipment/{shipment}")).json()
    assert status_now["recipients"][0]["status"] == "Email_Failed_InvalidSasUrl"
    events = await composed.db.fetch("SELECT detail::text FROM events")
    assert all("s3cr3t" not in (event["detail"] or "") for event in events)
    shown = capsys.readouterr()
    assert "s3cr3t" not in shown.out + shown.err


@pytest.mark.parametrize("status", [503, 500, 429, 408])
async def test_a_download_that_may_succeed_later_is_repeated(
    composed: ComposedService, clock: FixedClock, status: int
) -> None:
    busy = File(b"", status=status)
    link = composed.files.serve("a.pdf", File(b"1234"), busy, busy)
    await composed.ordered(an_attachment(link))
    await composed.send()
    assert (await composed.mail())["result"] == "Sending"
    assert composed.smtp.mails == []
    clock.turn(SECOND)
    await composed.send()
    clock.turn(5 * SECOND)
    await composed.send()
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"], mail["attempts"], mail["download_failures"]) == (
        "Succeeded", 4, 1, 0,
    )  # fmt: skip
    assert await kinds_of(composed.db, mail["order_id"]) == [
        "order-processed", "attachments-deferred", "attachments-deferred", "send-accepted",
    ]  # fmt: skip


async def test_retries_keep_to_their_schedule_and_then_the_mail_has_failed(
    composed: ComposedService, clock: FixedClock
) -> None:
    link = composed.files.serve("a.pdf", File(b"", status=503))
    await composed.ordered(an_attachment(link))
    waits = []
    for _ in WAITS:
        await composed.send()
        mail = await composed.mail()
        assert mail["result"] == "Sending"
        waits.append((mail["wake_at"] - clock.now()).total_seconds())
        clock.at = mail["wake_at"]
    await composed.send()
    mail = await composed.mail()
    assert waits == WAITS
    assert (mail["result"], mail["order_status"], mail["attachment_bytes"]) == ("Failed_InvalidSasUrl", "Completed", 0)
    assert len(composed.files.requests) == 7
    assert await composed.links() == 0


@pytest.mark.parametrize("file", [File(hangs=True), File(drops=True)], ids=["silent", "hangs up"])
async def test_a_store_that_gives_no_answer_in_time_is_asked_again(
    database_url: str, clock: FixedClock, file: File
) -> None:
    async with running_composed_service(database_url, clock, blob_download_timeout_seconds=0.3) as composed:
        link = composed.files.serve("a.pdf", File(b"1"), file)
        await composed.ordered(an_attachment(link))
        await composed.send()
        assert (await composed.mail())["result"] == "Sending"
        clock.turn(SECOND)
        await composed.send()
        assert (await composed.mail())["result"] == "Succeeded"


async def test_the_time_limit_covers_the_content_too(database_url: str, clock: FixedClock) -> None:
    async with running_composed_service(database_url, clock, blob_download_timeout_seconds=0.3) as composed:
        link = composed.files.serve("a.pdf", File(b"1", holds=asyncio.Event()))
        await composed.ordered(an_attachment(link))
        await composed.send()
        mail = await composed.mail()
        assert (mail["result"], mail["download_failures"]) == ("Sending", 1)


async def test_the_first_failure_ends_the_other_downloads_and_decides(composed: ComposedService) -> None:
    slow = composed.files.serve("slow.pdf", File(hangs=True))
    gone = composed.files.serve("gone.pdf", File(b"", status=404))
    await composed.ordered(an_attachment(slow), an_attachment(gone), an_attachment(slow))
    await composed.send()
    assert (await composed.mail())["result"] == "Failed_InvalidSasUrl"

    async def both_left() -> bool:
        return len(composed.files.abandoned) == 2

    await until(both_left, "the other downloads are given up")


async def test_no_more_files_of_one_mail_are_fetched_at_once_than_the_settings_say(composed: ComposedService) -> None:
    held = asyncio.Event()
    links = [composed.files.serve(f"{number}.pdf", File(b"1", holds=held)) for number in range(12)]
    await composed.ordered(*map(an_attachment, links))
    async with composed.sending():

        async def five_are_open() -> bool:
            return composed.files.open_now == 5

        await until(five_are_open, "five downloads at once")
        held.set()
        await until(lambda: _is_sent(composed), "the mail is sent")
    assert composed.files.most_open == 5
    assert len(files_in(parsed(composed.smtp.mails[0]))) == 12


async def _is_sent(composed: ComposedService) -> bool:
    return bool((await composed.mail())["result"] == "Succeeded")


async def test_more_than_may_be_downloaded_ends_the_mail_with_what_was_read(
    database_url: str, clock: FixedClock
) -> None:
    async with running_composed_service(database_url, clock, max_download_bytes=150_000) as composed:
        links = [composed.files.serve(f"{number}.pdf", File(b"x" * 100_000)) for number in range(2)]
        await composed.ordered(*map(an_attachment, links))
        provider = ScriptedProvider("smtp")
        await composed.send(provider)
        mail = await composed.mail()
        assert mail["result"] == "Failed_PayloadTooLarge"
        assert 150_000 < mail["attachment_bytes"] <= 200_000
        assert provider.sent == []


async def test_exactly_as_much_as_may_be_downloaded_is_sent(database_url: str, clock: FixedClock) -> None:
    async with running_composed_service(database_url, clock, max_download_bytes=200_000) as composed:
        links = [composed.files.serve(f"{number}.pdf", File(b"x" * 100_000)) for number in range(2)]
        await composed.ordered(*map(an_attachment, links))
        await composed.send()
        assert (await composed.mail())["result"] == "Succeeded"


async def test_a_message_above_the_limit_is_too_large_and_keeps_its_size(composed: ComposedService) -> None:
    link = composed.files.serve("film.mp4", File(b"x" * 12_534_336))
    await composed.ordered(an_attachment(link, filename="film.mp4", mimeType="video/mp4"))
    await composed.send()
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"]) == ("Failed_PayloadTooLarge", 12_534_336)
    assert composed.smtp.mails == []
    (entry,) = await feed_of(composed.db, mail["order_id"])
    assert entry["recipients"][0]["status"] == "Email_Failed_PayloadTooLarge"


async def test_the_limit_counts_the_whole_encoded_message(database_url: str, clock: FixedClock) -> None:
    async with running_composed_service(database_url, clock, max_message_bytes=20_000) as composed:
        small = composed.files.serve("small.pdf", File(b"x" * 14_000))
        large = composed.files.serve("large.pdf", File(b"x" * 15_000))
        await composed.ordered(an_attachment(small))
        await composed.ordered(an_attachment(large))
        await composed.send()
        results = {mail["attachment_bytes"]: mail["result"] for mail in await composed.mails()}
        assert results == {14_000: "Succeeded", 15_000: "Failed_PayloadTooLarge"}


async def test_a_relay_that_refuses_the_size_ends_the_mail_with_its_size(composed: ComposedService) -> None:
    composed.smtp.next("CONTENT", "552 5.3.4 Message too big")
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"x" * 999))))
    await composed.send()
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"]) == ("Failed_PayloadTooLarge", 999)


async def test_a_file_without_content_is_never_sent(composed: ComposedService) -> None:
    empty = composed.files.serve("a.pdf", File(b""))
    full = composed.files.serve("b.pdf", File(b"123"))
    await composed.ordered(an_attachment(full), an_attachment(empty))
    await composed.send()
    mail = await composed.mail()
    assert (mail["result"], mail["attempts"], mail["attachment_bytes"]) == ("Failed", 0, 3)
    assert composed.smtp.mails == []


async def test_a_file_name_with_a_line_break_is_never_sent(composed: ComposedService) -> None:
    link = composed.files.serve("a.pdf", File(b"1"))
    await composed.ordered(an_attachment(link, filename="a\r\nBcc: x@y.no\r\n.pdf"))
    await composed.send()
    assert (await composed.mail())["result"] == "Failed"
    assert composed.smtp.mails == []


async def test_a_delivery_report_without_a_size_leaves_the_size(database_url: str, clock: FixedClock) -> None:
    async with running_composed_service(
        database_url, clock, delivered_without_bounce_after_seconds=0, report_access_key="key"
    ) as composed:
        link = composed.files.serve("a.pdf", File(b"x" * 158_304))
        await composed.ordered(an_attachment(link))
        await composed.send()
        mail = await composed.mail()
        assert (mail["result"], mail["attachment_bytes"]) == ("Succeeded", 158_304)
        event = {
            "eventType": "Microsoft.Communication.EmailDeliveryReportReceived",
            "data": {"messageId": mail["provider_reference"], "status": "Delivered", "recipient": "kari@example.no"},
        }
        path = "/notifications/email/api/v1/reports?accesskey=key"
        assert (await composed.service.client.post(path, json=[event])).status_code == 200
        await match_due(composed.db, now=clock.now())
        mail = await composed.mail()
        assert (mail["result"], mail["attachment_bytes"]) == ("Delivered", 158_304)
        assert await composed.links() == 0


async def test_a_report_before_the_send_result_stays_and_the_result_only_adds_the_size(
    composed: ComposedService,
) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"1234"))))
    provider = ScriptedProvider("smtp")
    provider.hang = asyncio.Event()
    async with composed.sending(provider):
        await asyncio.wait_for(provider.called.wait(), 10)
        await composed.db.execute(
            "UPDATE notification_states SET result = 'Delivered', result_time = $1 WHERE lane = 'composed'", NOON
        )
        provider.hang.set()
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"]) == ("Delivered", 4)


async def test_a_result_for_an_expired_mail_changes_no_size(composed: ComposedService, clock: FixedClock) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"1234"))))
    provider = ScriptedProvider("smtp")
    provider.hang = asyncio.Event()
    async with composed.sending(provider):
        await asyncio.wait_for(provider.called.wait(), 10)
        clock.turn(2 * DAY)
        provider.hang.set()
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"]) == ("Sending", 0)


async def test_links_stay_until_the_mail_is_final(composed: ComposedService, clock: FixedClock) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"1"))))
    await composed.send()
    assert (await composed.mail())["result"] == "Succeeded"
    assert await composed.links() == 1  # it may still be put back and fetched again
    clock.turn(2 * DAY + 6 * MINUTE)
    await terminate_expired(composed.db, now=clock.now(), offset=timedelta(seconds=300), batch_size=10)
    assert ((await composed.mail())["result"], await composed.links()) == ("Failed_TTL", 0)


async def test_an_expired_mail_that_was_never_claimed_ends_and_its_links_go(
    composed: ComposedService, clock: FixedClock
) -> None:
    await composed.ordered(an_attachment())
    clock.turn(2 * DAY + 6 * MINUTE)
    await terminate_expired(composed.db, now=clock.now(), offset=timedelta(seconds=300), batch_size=10)
    assert ((await composed.mail())["result"], await composed.links()) == ("Failed_TTL", 0)


async def test_an_unknown_outcome_downloads_again_and_repeats_the_operation_id(
    composed: ComposedService, clock: FixedClock
) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"1"))))
    provider = ScriptedProvider("smtp", [Unknown("connection lost")])
    await composed.send(provider)
    mail = await composed.mail()
    assert (mail["result"], mail["outcome_unknown"], mail["attachment_bytes"]) == ("Sending", True, 1)
    clock.at = mail["wake_at"]
    await composed.send(provider)
    first, second = provider.sent
    assert first.operation_id == second.operation_id
    assert [file.content for file in second.attachments] == [b"1"]


async def test_a_mail_put_back_to_new_ends_when_its_link_no_longer_works(
    composed: ComposedService, clock: FixedClock
) -> None:
    gone = File(b"", status=403)
    link = composed.files.serve("a.pdf", gone, File(b"1234"))
    await composed.ordered(an_attachment(link))
    provider = ScriptedProvider("smtp", [DOWN])

    async def is_back() -> bool:
        return bool(provider.sent) and (await composed.mail())["result"] == "New"

    await composed.send(provider, done=is_back)
    clock.turn(MINUTE)
    await composed.send(provider)
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"]) == ("Failed_InvalidSasUrl", 4)


async def test_links_that_are_gone_never_make_a_mail_without_its_files(composed: ComposedService) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"1"))))
    await composed.db.execute("DELETE FROM attachment_links")
    await composed.send()
    assert (await composed.mail())["result"] == "Failed_InvalidSasUrl"
    assert composed.smtp.mails == []


@pytest.mark.parametrize("target", ["http://localhost:1/x", "https://evil.example/x", "//evil.example/x", "::"])
async def test_a_redirect_that_leaves_the_allowed_origins_is_not_followed(
    composed: ComposedService, target: str
) -> None:
    link = composed.files.serve("a.pdf", File(b"", status=302, location=target))
    await composed.ordered(an_attachment(link))
    await composed.send()
    assert (await composed.mail())["result"] == "Failed_InvalidSasUrl"
    assert len(composed.files.requests) == 1


async def test_a_redirect_within_them_is_followed(composed: ComposedService) -> None:
    composed.files.serve("b.pdf", File(b"moved"))
    link = composed.files.serve("a.pdf", File(b"", status=302, location="/b.pdf?sig=1"))
    await composed.ordered(an_attachment(link))
    await composed.send()
    assert files_in(parsed(composed.smtp.mails[0]))[0][2] == b"moved"


async def test_a_condition_that_says_no_ends_the_order_and_its_links(
    composed: ComposedService, clock: FixedClock
) -> None:
    async with running_peer() as peer, connected(peer, maskinporten_jwk=encoded_jwk()) as platform:
        peer.answer_next(CONDITION, Reply({"sendNotification": False}))
        request = a_composed_request(an_attachment(), conditionEndpoint=f"{peer.url}{CONDITION}")
        shipment = (await composed.post(request)).json()["notification"]["shipmentId"]
        assert await composed.links() == 1
        asking = processor(composed.db, clock, platform)
        await asking.process_batch()
        await asking.settled()
    shown = (await composed.service.get(f"{API}/future/shipment/{shipment}")).json()
    assert shown["status"] == "Order_SendConditionNotMet"
    assert await composed.links() == 0


async def test_a_future_mail_is_fetched_only_when_it_is_due(composed: ComposedService, clock: FixedClock) -> None:
    link = composed.files.serve("a.pdf", File(b"1"))
    await composed.ordered(an_attachment(link), requestedSendTime=to_wire(NOON + HOUR))
    assert await composed.mails() == []
    clock.turn(HOUR)
    await composed.process()
    await composed.send()
    assert len(composed.smtp.mails) == 1


async def test_a_refusal_by_the_provider_is_final_and_keeps_the_size(composed: ComposedService) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"12"))))
    await composed.send(ScriptedProvider("smtp", [Refused("Failed_SupressedRecipient", "suppressed")]))
    mail = await composed.mail()
    assert (mail["result"], mail["attachment_bytes"], mail["order_status"]) == (
        "Failed_SupressedRecipient", 2, "Completed",
    )  # fmt: skip
