"""The instant endpoints as clients see them, over a real gateway and a real relay (spec 03)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from altinn_notifications.lifecycle import Channel
from altinn_notifications.reports.matching import match_due
from altinn_notifications.reports.model import DeliveryReport, ReportSource
from altinn_notifications.sending.termination import terminate_expired
from support.gateway_peer import DROP, HANG, Answer, accepted, answered
from support.instant import (
    EMAIL,
    OLDER,
    SMS,
    an_instant_email,
    an_instant_sms,
    an_older_instant_sms,
    running_instant_service,
)
from support.orders import feed_of, kinds_of, log_of
from support.requests import an_order_request
from support.service import API
from support.times import DAY, MINUTE, NOON, SECOND
from support.tokens import CREATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta

    from altinn_notifications.clock import FixedClock
    from support.instant import InstantService

COMPOSED = "altinn:serviceowner/notifications.composedemail.create"
INVALID_RECEIVER = answered("<MSG><ID>1</ID><STATUS>FAIL</STATUS><INFO>Invalid RCV '12345678'.</INFO></MSG>")


@pytest.fixture
async def instant(database_url: str, clock: FixedClock) -> AsyncIterator[InstantService]:
    async with running_instant_service(database_url, clock) as running:
        yield running


async def found_by_reference(instant: InstantService, reference: str) -> int:
    response = await instant.service.get(f"{API}/orders?sendersReference={reference}")
    return int(response.json()["count"])


async def test_an_sms_is_sent_during_the_request_and_answered_with_its_ids(instant: InstantService) -> None:
    request = an_instant_sms(sendersReference="login-1", seconds=90)
    response = await instant.post(SMS, request)
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"notificationOrderId", "notification"}
    assert body["notification"]["sendersReference"] == "login-1"
    assert response.headers["location"].endswith(f"{API}/orders/chain/{body['notificationOrderId']}")
    (sent,) = instant.gateway.requests
    assert [sent.value(name) for name in ("TEXT", "SND", "RCV", "TTL")] == [
        "Koden er 481516",
        "Altinn",
        "4799999999",
        "2",
    ]
    order = await instant.only_stored()
    assert order["id"] == UUID(body["notification"]["shipmentId"])
    assert order["chain_id"] == UUID(body["notificationOrderId"])
    assert (order["status"], order["result"], order["lane"]) == ("Processed", "Accepted", "sms-anytime")


async def test_an_email_is_sent_during_the_request(instant: InstantService) -> None:
    response = await instant.post(EMAIL, an_instant_email(subject="a\r\nb", senderEmailAddress="  avsender@etat.no "))
    assert response.status_code == 201
    (mail,) = instant.smtp.mails
    assert b"Subject: a b\r\n" in mail.content
    assert mail.mail.startswith("MAIL FROM:<avsender@etat.no>")
    order = await instant.only_stored()
    assert (order["status"], order["result"], order["channel"]) == ("Processed", "Succeeded", "Email")
    assert order["email"]["from_address"] == "avsender@etat.no"
    assert str(order["provider_reference"]).encode() in mail.content


async def test_what_is_stored_of_an_sms(instant: InstantService) -> None:
    await instant.post(SMS, an_instant_sms(body="ê" * 71, sendersReference="  ", seconds=60, sender="  "))
    order = await instant.only_stored()
    assert (order["type"], order["sms_policy"], order["channel"]) == (2, 1, "Sms")
    assert (order["created"], order["requested_send_time"]) == (NOON, NOON)
    assert (order["expiry"], order["result_time"], order["segments"]) == (NOON + MINUTE, NOON, 2)
    assert order["senders_reference"] is None
    assert order["sms"] == {"sender": "Altinn", "body": "ê" * 71}
    assert order["content"] == {"recipients": [{"mobile_number": "+4799999999"}], "sendersReference": "  "}
    assert await kinds_of(instant.service.services.db, order["id"]) == ["send-accepted"]


async def test_an_email_lives_two_days_and_has_defaults(instant: InstantService) -> None:
    await instant.post(EMAIL, an_instant_email())
    order = await instant.only_stored()
    assert (order["expiry"], order["segments"], order["sms_policy"]) == (NOON + 2 * DAY, None, 1)
    assert order["email"] == {
        "from_address": "noreply@altinn.cloud",
        "subject": "Kode",
        "body": "481516",
        "content_type": "Plain",
    }


@pytest.mark.parametrize("sender", [None, "", "  "])
async def test_an_sms_without_sender_is_from_the_default_one(instant: InstantService, sender: str | None) -> None:
    assert (await instant.post(SMS, an_instant_sms(sender=sender))).status_code == 201
    assert instant.gateway.requests[0].value("SND") == "Altinn"
    assert (await instant.only_stored())["sms"]["sender"] == "Altinn"


async def test_html_is_sent_as_html(instant: InstantService) -> None:
    assert (await instant.post(EMAIL, an_instant_email(contentType="html"))).status_code == 201
    assert (await instant.only_stored())["email"]["content_type"] == "Html"
    assert b"Content-Type: text/html" in instant.smtp.mails[0].content


async def test_a_mail_without_bounce_settles_like_any_other(instant: InstantService) -> None:
    await instant.post(EMAIL, an_instant_email())
    assert (await instant.only_stored())["wake_at"] == NOON + 3600 * SECOND


async def test_addresses_are_stored_as_given_and_sent_in_the_providers_form(instant: InstantService) -> None:
    await instant.post(SMS, an_instant_sms("+47 99 99 99 99"))
    await instant.post(SMS, an_instant_sms("004799999999"))
    await instant.post(EMAIL, an_instant_email(" kari@example.no "))
    destinations = [order["destination"] for order in await instant.stored()]
    assert destinations == ["+47 99 99 99 99", "004799999999", " kari@example.no "]
    assert [sent.value("RCV") for sent in instant.gateway.requests] == ["4799999999"] * 2
    assert instant.smtp.mails[0].rcpt.startswith("RCPT TO:<kari@example.no>")


async def test_placeholders_are_sent_as_they_are(instant: InstantService) -> None:
    await instant.post(SMS, an_instant_sms(body="Hei $recipientName$"))
    assert instant.gateway.requests[0].value("TEXT") == "Hei $recipientName$"


async def test_a_repeat_tells_the_first_ids_and_sends_nothing(instant: InstantService) -> None:
    request = an_instant_sms(sendersReference="")
    first = await instant.post(SMS, request)
    repeat = await instant.post(SMS, request | {"sendersReference": "another"})
    assert (first.status_code, repeat.status_code) == (201, 200)
    assert repeat.content == first.content
    assert "location" not in repeat.headers
    assert first.json()["notification"]["sendersReference"] == ""
    assert len(instant.gateway.requests) == 1


async def test_the_three_endpoints_share_their_ids(instant: InstantService) -> None:
    first = await instant.post(OLDER, an_older_instant_sms(idempotencyId="one"))
    second = await instant.post(SMS, an_instant_sms(idempotencyId="one"))
    third = await instant.post(EMAIL, an_instant_email() | {"idempotencyId": "one"})
    assert [answer.status_code for answer in (first, second, third)] == [201, 200, 200]
    assert first.content == second.content == third.content
    assert (len(instant.gateway.requests), instant.smtp.mails) == (1, [])


async def test_orders_other_creators_and_other_spellings_have_ids_of_their_own(instant: InstantService) -> None:
    assert (await instant.post(f"{API}/future/orders", an_order_request(idempotencyId="one"))).status_code == 201
    assert (await instant.post(SMS, an_instant_sms(idempotencyId="one"))).status_code == 201
    assert (await instant.post(SMS, an_instant_sms(idempotencyId="One"))).status_code == 201
    other = await instant.post(
        SMS, an_instant_sms(idempotencyId="one"), headers=instant.service.authorization("digdir")
    )
    assert other.status_code == 201


@pytest.mark.parametrize(
    ("path", "make"), [(SMS, an_instant_sms), (OLDER, an_older_instant_sms), (EMAIL, an_instant_email)]
)
async def test_of_twenty_identical_requests_at_once_one_is_sent_and_all_tell_its_ids(
    instant: InstantService, path: str, make: Any
) -> None:
    request = make()
    answers = await asyncio.gather(*(instant.post(path, request) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert len(instant.gateway.requests) + len(instant.smtp.mails) == 1
    assert await instant.reservations() == 0


async def test_twenty_different_messages_at_once_are_all_sent(instant: InstantService) -> None:
    answers = await asyncio.gather(*(instant.post(SMS, an_instant_sms()) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(instant.gateway.requests) == 20
    # An account may give the same reference to several messages; only one of them can be found by it.
    assert {order["status"] for order in await instant.stored()} == {"Processed"}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer("", status=502), id="the gateway is in trouble"),
        pytest.param(Answer("nonsense"), id="the answer cannot be read"),
        pytest.param(DROP, id="the connection is lost"),
        pytest.param(answered("", logon="<LOGON>FAIL</LOGON><REASON>no</REASON>"), id="we are not let in"),
    ],
)
async def test_an_sms_that_was_not_taken_leaves_nothing_and_may_be_repeated(
    instant: InstantService, answer: object
) -> None:
    instant.gateway.next(answer)
    request = an_instant_sms(sendersReference="r-1")
    response = await instant.post(SMS, request)
    assert response.status_code == 503
    assert (response.json()["code"], response.json()["status"]) == ("NOT-00004", 503)
    assert (await instant.stored(), await instant.reservations()) == ([], 0)
    assert await found_by_reference(instant, "r-1") == 0
    assert (await instant.post(SMS, request)).status_code == 201
    assert await found_by_reference(instant, "r-1") == 1
    assert len(instant.gateway.requests) == 2


async def test_a_gateway_that_stays_silent_is_not_waited_for_longer_than_set(
    database_url: str, clock: FixedClock
) -> None:
    async with running_instant_service(database_url, clock, gateway_timeout_seconds=0.05) as instant:
        instant.gateway.next(HANG)
        request = an_instant_sms()
        assert (await instant.post(SMS, request)).status_code == 503
        assert await instant.stored() == []
        assert (await instant.post(SMS, request)).status_code == 201


async def test_a_gateway_that_is_not_there_gives_503_and_nothing_is_stored(
    database_url: str, clock: FixedClock
) -> None:
    async with running_instant_service(database_url, clock) as instant:
        await instant.gateway.__aexit__(None, None, None)
        assert (await instant.post(SMS, an_instant_sms())).status_code == 503
        assert await instant.stored() == []
        await instant.gateway.__aenter__()


async def test_a_requests_failure_lets_those_that_wait_for_it_send_themselves(instant: InstantService) -> None:
    instant.gateway.next(Answer("", status=500), accepted("ref-2"))
    request = an_instant_sms()
    answers = await asyncio.gather(*(instant.post(SMS, request) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201, 503]
    assert len(instant.gateway.requests) == 2


async def test_a_refusal_by_the_gateway_is_no_failure_of_the_request(instant: InstantService) -> None:
    instant.gateway.next(INVALID_RECEIVER)
    assert (await instant.post(SMS, an_instant_sms())).status_code == 201
    order = await instant.only_stored()
    assert (order["status"], order["result"]) == ("Completed", "Failed_InvalidRecipient")
    db = instant.service.services.db
    (entry,) = await feed_of(db, order["id"])
    assert (entry["status"], entry["shipmentType"]) == ("Order_Completed", "Instant")
    (row,) = await log_of(db, order["id"])
    assert (row["type"], row["status"], row["order_chain_id"]) == (
        "Instant",
        "Failed_InvalidRecipient",
        order["chain_id"],
    )


async def test_a_refusal_by_the_relay_is_no_failure_of_the_request(instant: InstantService) -> None:
    instant.smtp.next("RCPT", "550 5.1.1 No such user")
    assert (await instant.post(EMAIL, an_instant_email())).status_code == 201
    order = await instant.only_stored()
    assert (order["status"], order["result"]) == ("Completed", "Failed_Bounced")


@pytest.mark.parametrize(("point", "reply"), [("RCPT", "450 4.7.1 Slow down"), ("MAIL", "421 4.3.2 Not now")])
async def test_a_mail_that_was_put_off_goes_to_the_ordinary_queue(
    instant: InstantService, point: str, reply: str
) -> None:
    instant.smtp.next(point, reply, reply)
    request = an_instant_email()
    assert (await instant.post(EMAIL, request)).status_code == 201
    assert (await instant.post(EMAIL, request)).status_code == 200
    order = await instant.only_stored()
    assert (order["status"], order["result"], order["lane"]) == ("Processed", "New", "email")
    assert not order["outcome_unknown"]


async def test_a_mail_of_which_nobody_knows_whether_it_was_taken_leaves_nothing(instant: InstantService) -> None:
    instant.smtp.next("CONTENT", DROP)
    instant.smtp.next("CONTENT", "250 2.0.0 Ok")
    request = an_instant_email()
    first = await instant.post(EMAIL, request)
    assert (first.status_code, await instant.stored()) == (503, [])


async def test_the_shipment_is_there_as_soon_as_the_answer_is(instant: InstantService) -> None:
    shipment = (await instant.post(SMS, an_instant_sms())).json()["notification"]["shipmentId"]
    manifest = (await instant.service.get(f"{API}/future/shipment/{shipment}")).json()
    assert (manifest["type"], manifest["status"]) == ("Instant", "Order_Processed")
    assert [recipient["status"] for recipient in manifest["recipients"]] == ["SMS_Accepted"]
    status = (await instant.service.get(f"{API}/orders/{shipment}/status")).json()
    assert status["processingStatus"]["status"] == "Completed"
    summary = status["notificationsStatusSummary"]["sms"]
    # The gateway's yes came before the answer did, so that it counts already.
    assert (summary["generated"], summary["succeeded"]) == (1, 1)
    headers = instant.service.authorization()
    cancelled = await instant.service.client.put(f"{API}/orders/{shipment}/cancel", headers=headers)
    assert cancelled.status_code == 409


async def test_an_sms_without_report_ends_five_minutes_after_its_lifetime(
    instant: InstantService, clock: FixedClock
) -> None:
    await instant.post(SMS, an_instant_sms(seconds=60))
    db = instant.service.services.db
    clock.turn(90 * SECOND)
    reference = (await instant.only_stored())["provider_reference"]
    late = DeliveryReport(ReportSource.SMS_GATEWAY, Channel.SMS, reference, "Delivered", {})
    await instant.service.services.reports.store([late], now=clock.now())
    await match_due(db, now=clock.now())
    assert (await instant.only_stored())["result"] == "Accepted"
    assert await db.fetchval("SELECT reason FROM dead_delivery_reports") == "NOTIFICATION_EXPIRED"
    clock.turn(270 * SECOND)
    await terminate_expired(db, now=clock.now(), offset=5 * MINUTE, batch_size=10)
    assert (await instant.only_stored())["result"] == "Accepted"
    clock.turn(SECOND)
    await terminate_expired(db, now=clock.now(), offset=5 * MINUTE, batch_size=10)
    order = await instant.only_stored()
    assert (order["status"], order["result"]) == ("Completed", "Failed_TTL")


@pytest.mark.parametrize(
    ("waits", "result", "status"),
    [(59 * SECOND, "Failed_Undelivered", "Completed"), (MINUTE, "Accepted", "Processed")],
)
async def test_a_report_decides_an_sms_until_it_expires(
    database_url: str, clock: FixedClock, waits: timedelta, result: str, status: str
) -> None:
    report = "<MSGLST><MSG><ID>1</ID><REF>ref-1</REF><RCV>4799999999</RCV><STATE>UNDELIV</STATE></MSG></MSGLST>"
    account = {"report_username": "gateway", "report_password": "secret"}
    async with running_instant_service(database_url, clock, **account) as instant:
        instant.gateway.next(accepted("ref-1"))
        await instant.post(SMS, an_instant_sms(seconds=60))
        clock.turn(waits)
        answer = await instant.service.client.post(
            "/notifications/sms/api/v1/reports",
            content=report,
            headers={"Content-Type": "application/xml"},
            auth=("gateway", "secret"),
        )
        assert answer.status_code == 200
        await match_due(instant.service.services.db, now=clock.now())
        order = await instant.only_stored()
    assert (order["result"], order["status"]) == (result, status)


async def test_a_caller_without_organisation_is_refused_after_its_body_was_judged(instant: InstantService) -> None:
    nobody = instant.service.authorization(None)
    assert (await instant.post(SMS, an_instant_sms(), headers=nobody)).status_code == 403
    assert (await instant.post(SMS, an_instant_sms("12"), headers=nobody)).status_code == 400
    assert instant.gateway.requests == []


@pytest.mark.parametrize("path", [SMS, OLDER, EMAIL])
async def test_only_the_create_scope_opens_the_endpoints(instant: InstantService, path: str) -> None:
    for scopes, status in ((COMPOSED, 403), (CREATE, 400)):
        headers = {"Authorization": f"Bearer {instant.service.issuer.enterprise(scopes=scopes)}"}
        assert (await instant.post(path, {}, headers=headers)).status_code == status
    assert (await instant.service.client.post(path, json={})).status_code == 401
    text = {"Content-Type": "text/plain"}
    assert (await instant.service.client.post(path, content=b"{}", headers=text)).status_code == 415


async def test_without_database_nothing_is_sent(instant: InstantService) -> None:
    await instant.post(SMS, an_instant_sms())
    await instant.service.services.db.close()
    response = await instant.post(SMS, an_instant_sms())
    assert (response.status_code, response.json()["code"]) == (503, "NOT-00004")
    assert len(instant.gateway.requests) == 1


async def test_a_client_that_left_before_its_message_was_sent_gets_nothing_sent(instant: InstantService) -> None:
    body = json.dumps(an_instant_sms()).encode()
    messages = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])
    answer: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        answer.append(message)

    headers = [(b"authorization", f"Bearer {instant.service.bearer}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": SMS, "query_string": b"", "headers": headers}
    await instant.service.app(scope, receive, send)
    assert (answer[0]["status"], json.loads(answer[1]["body"])["code"]) == (499, "NOT-00002")
    assert (instant.gateway.requests, await instant.reservations()) == ([], 0)
