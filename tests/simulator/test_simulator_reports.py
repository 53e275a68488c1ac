from __future__ import annotations

import base64
import json
from datetime import timedelta

import aiosmtplib
import httpx
import pytest
from defusedxml.ElementTree import fromstring

from altinn_notifications.simulator.app import bound
from altinn_notifications.simulator.outbox import Outbox, Report
from support.simulator import (
    ACCESS_KEY,
    MAIL_REPORTS,
    SMS_REPORTS,
    Running,
    a_mail,
    a_simulator,
    eventually,
    serving,
)
from support.times import NOON

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = timedelta()


def a_report(reference: str, state: str = "DELIVRD") -> Report:
    return Report(reference, "+4799999001", state, NOON)


async def send_mails(simulator: Running, count: int) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        for number in range(count):
            await smtp.sendmail("noreply@altinn.no", ["kari@epost.example"], a_mail(operation_id=f"op-{number}"))


async def test_a_mail_report_is_an_event_grid_event_for_the_webhook_with_its_key(simulator: Running) -> None:
    await send_mails(simulator, 1)
    await eventually(simulator.service.mail_reports)
    (request,) = simulator.service.received
    (event,) = json.loads(request.body)
    assert request.method == "POST"
    assert httpx.URL(request.target.decode()).params["accesskey"] == ACCESS_KEY
    assert request.header("content-type") == "application/json"
    assert event["eventType"] == "Microsoft.Communication.EmailDeliveryReportReceived"
    assert event["eventTime"] == "2026-03-02T12:00:00Z"
    assert event["subject"] == "sender/noreply@altinn.no/message/op-0"
    assert (event["data"]["messageId"], event["data"]["status"]) == ("op-0", "Delivered")


async def test_an_sms_report_is_the_gateways_xml_with_basic_authentication(simulator: Running) -> None:
    reference = (await simulator.send_sms("4799999902"))["REF"]
    await eventually(simulator.service.sms_reports)
    (request,) = simulator.service.received
    message = fromstring(request.body).iterfind("MSG/*")
    assert (request.method, request.path) == ("POST", SMS_REPORTS)
    assert request.header("content-type") == "application/xml"
    assert base64.b64decode(request.header("authorization").removeprefix("Basic ")) == b"report-user:report:password"
    assert b'<!DOCTYPE MSGLST SYSTEM "pswincom_report_request.dtd">' in request.body
    assert {element.tag: element.text for element in message} == {
        "ID": "1",
        "REF": reference,
        "RCV": "4799999902",
        "STATE": "EXPIRED",
        "DELIVERYTIME": "2026.03.02 13:00:00",
    }


async def test_what_was_told_to_the_service_is_seen_on_the_message(simulator: Running) -> None:
    await send_mails(simulator, 1)
    await eventually(lambda: is_delivered(simulator, "kari@epost.example"))
    (mail,) = await simulator.mailbox("kari@epost.example")
    assert mail["reports"] == [
        {"state": "Delivered", "dueAt": "2026-03-02T12:00:00Z", "sentAt": "2026-03-02T12:00:00Z"}
    ]


async def is_delivered(simulator: Running, address: str) -> bool:
    return [mail["state"] for mail in await simulator.mailbox(address)] == ["Delivered"]


async def test_reports_wait_until_they_are_due(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"reportDelayMs": 3_600_000})
    await send_mails(simulator, 1)
    (mail,) = await simulator.mailbox("kari@epost.example")
    assert mail["reports"] == [{"state": "Delivered", "dueAt": "2026-03-02T13:00:00Z", "sentAt": None}]
    assert (await simulator.http.get("/sim/state")).json()["mailbox"] == {"messages": 1, "reportsWaiting": 1}
    assert simulator.service.received == []


@pytest.mark.parametrize("status", [500, 503, 401, 404, 429])
async def test_reports_the_service_does_not_take_are_repeated_until_it_does(simulator: Running, status: int) -> None:
    simulator.service.status = status
    await send_mails(simulator, 1)
    await eventually(lambda: len(simulator.service.mail_reports()) >= 1)
    simulator.service.status = 200
    await eventually(lambda: len(simulator.service.mail_reports()) >= 2)
    assert (await simulator.http.get("/sim/state")).json()["mailbox"]["reportsWaiting"] == 0


async def test_reports_the_service_calls_nonsense_are_not_repeated(simulator: Running) -> None:
    simulator.service.status = 400
    await send_mails(simulator, 1)
    await eventually(simulator.service.mail_reports)
    simulator.service.status = 200
    await simulator.http.post("/sim/reset")
    await send_mails(simulator, 2)
    await eventually(lambda: {report["messageId"] for report in simulator.service.mail_reports()} == {"op-0", "op-1"})
    assert len(simulator.service.mail_reports()) == 3


async def test_a_service_that_is_away_gets_every_report_in_batches_once_it_is_back() -> None:
    away = bound("127.0.0.1", 0)
    address = away.getsockname()
    async with a_simulator(service_listener=away) as simulator:
        away.close()
        await send_mails(simulator, 250)
        sent = [(await simulator.send_sms("4799999001"))["REF"] for _ in range(150)]
        with bound(*address) as back:
            async with serving(simulator.service, back):
                await eventually(lambda: len(simulator.service.mail_reports()) == 250)
                await eventually(lambda: len(simulator.service.sms_reports()) == 150)
    assert [report["messageId"] for report in simulator.service.mail_reports()] == [f"op-{n}" for n in range(250)]
    assert simulator.service.sms_reports() == [(reference, "DELIVRD") for reference in sent]
    posts = [request.path for request in simulator.service.received]
    assert (posts.count(MAIL_REPORTS), posts.count(SMS_REPORTS)) == (3, 2)


async def test_a_batch_holds_at_most_a_hundred_reports() -> None:
    outbox = Outbox()
    for number in range(250):
        outbox.put(a_report(str(number)), AT_ONCE)
    batches = [[waiting.report.reference for waiting in await outbox.next_batch()] for _ in range(3)]
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert [reference for batch in batches for reference in batch] == [str(number) for number in range(250)]


async def test_two_reports_on_one_message_are_never_posted_together() -> None:
    outbox = Outbox()
    for reference, state in [("a", "DELIVRD"), ("b", "DELIVRD"), ("a", "FAILED"), ("c", "DELIVRD")]:
        outbox.put(a_report(reference, state), AT_ONCE)
    batches = [[waiting.report.reference for waiting in await outbox.next_batch()] for _ in range(2)]
    assert batches == [["a", "b"], ["a", "c"]]


async def test_a_batch_that_comes_back_goes_first_again_unless_everything_was_forgotten() -> None:
    outbox = Outbox()
    outbox.put(a_report("a"), AT_ONCE)
    batch = await outbox.next_batch()
    outbox.put(a_report("b"), AT_ONCE)
    outbox.put_back(batch)
    assert [waiting.report.reference for waiting in await outbox.next_batch()] == ["a", "b"]
    outbox.clear()
    outbox.put_back(batch)
    assert len(outbox) == 0


async def test_a_report_that_is_due_sooner_overtakes_one_that_waits() -> None:
    outbox = Outbox()
    outbox.put(a_report("later"), timedelta(hours=1))
    waiting = outbox.next_batch()
    outbox.put(a_report("sooner"), AT_ONCE)
    assert [entry.report.reference for entry in await waiting] == ["sooner"]
