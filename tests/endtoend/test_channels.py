"""Whole ways through both channels: test environments, captures, the gateway's bad days, and collected bounces."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from altinn_notifications.clock import TurnableClock
from altinn_notifications.reports.matching import LADDER_SECONDS
from altinn_notifications.settings import (
    AcsSettings,
    DatabaseSettings,
    EmailSettings,
    NotificationSettings,
    Settings,
    SmsSettings,
)
from altinn_notifications.simulator.app import bound, create_simulator, http_config
from altinn_notifications.worker import build_worker
from support.gateway_peer import HANG, Answer, GatewayPeer, accepted
from support.instant import SMS as INSTANT_SMS
from support.instant import an_instant_sms
from support.mails import a_dsn
from support.platform_peer import running_peer
from support.requests import an_order_request, to_email, to_sms
from support.service import API, running_service
from support.simulator import serving_config, simulator_settings
from support.smtp_peer import SmtpPeer
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.service import Service

LISTED = "+4799999001"
PUT_OFF = "SELECT count(*) FROM events WHERE kind = 'send-returned'"
TRIED = "SELECT count(*) FROM delivery_reports WHERE attempts = $1"
DEAD = "SELECT channel, reason, attempt_count FROM dead_delivery_reports"


@dataclass(slots=True)
class Site:
    """An API and a worker on real peers."""

    service: Service
    gateway: GatewayPeer
    smtp: SmtpPeer
    turned: datetime = NOON

    async def order(self, recipient: dict[str, Any]) -> str:
        """Order one message; its shipment id."""
        response = await self.service.order(an_order_request(recipient))
        assert response.status_code == 201, response.text
        return str(response.json()["notification"]["shipmentId"])

    async def sms(self, number: str) -> str:
        """Order one SMS for any time."""
        return await self.order(to_sms(number, sendingTimePolicy="Anytime"))

    async def ends_as(self, shipment_id: str, result: str) -> None:
        """Wait until the shipment's only message has this result."""
        await until(lambda: self.has(shipment_id, result), f"{result} is shown", seconds=20)

    async def ends_in_time_as(self, shipment_id: str, result: str) -> None:
        """The same, while time passes."""

        async def is_shown_later() -> bool:
            self.turned += SECOND
            await self.turn_to(self.turned)
            return await self.has(shipment_id, result)

        await until(is_shown_later, f"{result} is shown", seconds=20)

    async def has(self, shipment_id: str, result: str) -> bool:
        """Whether the shipment's only message has this result now."""
        shipment = (await self.service.get(f"{API}/future/shipment/{shipment_id}")).json()
        return [one["status"] for one in shipment["recipients"]] == [result]

    async def relay_heard(self, verb: str) -> bool:
        """Whether a command with this verb has reached the relay."""
        return any(command.startswith(verb) for command in self.smtp.commands)

    async def turn_to(self, moment: datetime) -> None:
        """Make it `moment` everywhere."""
        body = {"offsetSeconds": (moment - NOON).total_seconds()}
        assert (await self.service.client.put(f"{API}/tests/clock", json=body)).status_code == 204

    async def is_asked(self, times: int) -> None:
        """Wait until the gateway has been asked so often, and see that it is not asked more."""

        async def has_been() -> bool:
            return len(self.gateway.requests) >= times

        await until(has_been, f"the gateway is asked {times} times", seconds=20)
        assert len(self.gateway.requests) == times


@asynccontextmanager
async def a_site(
    database_url: str,
    clock: FixedClock,
    *,
    sms: dict[str, Any] | None = None,
    email: dict[str, Any] | None = None,
    notification: dict[str, Any] | None = None,
) -> AsyncIterator[Site]:
    """The site with these settings as long as the block lasts."""
    async with AsyncExitStack() as stack:
        gateway, smtp = await stack.enter_async_context(GatewayPeer()), await stack.enter_async_context(SmtpPeer())
        platform = await stack.enter_async_context(running_peer())
        groups: dict[str, Any] = {
            "database": DatabaseSettings(pool_size=5),
            "platform": platform.settings().platform,
            "acs": AcsSettings(poll_interval_ms=50),
            "notification": NotificationSettings(**(notification or {})),
            "email": EmailSettings.model_validate({"smtp_host": "127.0.0.1", "smtp_port": smtp.port} | (email or {})),
            "sms": SmsSettings.model_validate({"gateway_endpoint": gateway.url} | (sms or {})),
        }
        service = await stack.enter_async_context(running_service(database_url, TurnableClock(clock), **groups))
        worker = await stack.enter_async_context(build_worker(Settings(**groups), TurnableClock(clock), database_url))
        stop = asyncio.Event()
        work = asyncio.create_task(worker.run(stop))
        stack.push_async_callback(lambda: work)
        stack.callback(stop.set)
        yield Site(service, gateway, smtp)


@pytest.fixture
async def listing(database_url: str, clock: FixedClock) -> AsyncIterator[Site]:
    """A site where only one number gets real SMS."""
    sms = {"allow_list": [LISTED], "capture_delivery_delay_seconds": 0}
    async with a_site(database_url, clock, sms=sms) as site:
        yield site


async def test_a_number_off_the_list_looks_delivered_and_one_on_it_is_handed_to_the_gateway(listing: Site) -> None:
    other, listed = await listing.sms("+4799999002"), await listing.sms(LISTED)
    await listing.ends_as(other, "SMS_Delivered")
    await listing.ends_as(listed, "SMS_Accepted")
    assert [request.value("RCV") for request in listing.gateway.requests] == ["4799999001"]


async def test_an_instant_sms_obeys_the_list_too(listing: Site) -> None:
    other = await listing.service.post(INSTANT_SMS, an_instant_sms("+4799999002"))
    assert other.status_code == 201
    await listing.ends_as(other.json()["notification"]["shipmentId"], "SMS_Delivered")
    assert listing.gateway.requests == []
    assert (await listing.service.post(INSTANT_SMS, an_instant_sms(LISTED))).status_code == 201
    assert len(listing.gateway.requests) == 1


async def test_an_instant_sms_to_a_number_that_is_unavailable_once_may_be_asked_again(listing: Site) -> None:
    request = an_instant_sms("+4741000002")
    assert (await listing.service.post(INSTANT_SMS, request)).status_code == 503
    assert (await listing.service.post(INSTANT_SMS, request)).status_code == 201


@pytest.mark.parametrize(
    ("number", "result"),
    [
        ("+4790000907", "SMS_Failed_BarredReceiver"),
        ("+4741000001", "SMS_Failed_InvalidRecipient"),
        ("+4741000003", "SMS_Failed_Rejected"),
    ],
)
async def test_magic_numbers_steer_what_is_captured(listing: Site, number: str, result: str) -> None:
    await listing.ends_as(await listing.sms(number), result)


async def test_the_phone_page_marks_as_simulated_what_nobody_received(listing: Site, clock: FixedClock) -> None:
    with bound("127.0.0.1", 0) as api_listener, bound("127.0.0.1", 0) as listener:
        api = uvicorn.Config(
            listing.service.app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        settings = simulator_settings(f"http://127.0.0.1:{api_listener.getsockname()[1]}")
        settings.sms = SmsSettings(allow_list=(LISTED,))
        platform = http_config(create_simulator(settings, clock))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with (
            serving_config(api, api_listener),
            serving_config(platform, listener),
            httpx.AsyncClient(base_url=base_url) as http,
        ):
            await listing.ends_as(await listing.sms("+4799999002"), "SMS_Delivered")

            async def shown() -> list[tuple[Any, ...]]:
                messages = (await http.get("/sim/phones/+4799999002/messages")).json()["messages"]
                found = [(sms["isSimulated"], sms["state"], sms["sender"]) for sms in messages]
                return found if found == [(True, "DELIVRD", "Altinn")] else []

            await until(shown, "the phone shows the SMS as simulated and delivered")
            page = (await http.get("/sim/phones/+4799999002/messages", headers={"Accept": "text/html"})).text
            assert "imulated" in page


async def test_captured_mail_is_succeeded_at_the_poll_and_ends_as_its_word_says(
    database_url: str, clock: FixedClock
) -> None:
    email = {"providers": ["capture"], "capture_delivery_delay_seconds": 0}
    async with a_site(database_url, clock, email=email) as site:
        quarantined = await site.order(to_email("kari+quarantined@example.com"))
        running = await site.order(to_email("running@example.com"))
        suppressed = await site.order(to_email("suppressed@example.com"))
        silent = await site.order(to_email("noreport@example.com"))
        await site.ends_in_time_as(quarantined, "Email_Failed_Quarantined")
        await site.ends_in_time_as(suppressed, "Email_Failed_SuppressedRecipient")
        await site.ends_in_time_as(silent, "Email_Succeeded")
        await site.ends_as(running, "Email_Sending")
        assert site.smtp.connections == 0


async def test_a_bounce_in_the_local_mailbox_ends_its_mail(
    database_url: str, clock: FixedClock, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    email = {"bounce_directory": tmp_path, "bounce_domain": "bounce.altinn.cloud"}
    async with a_site(database_url, clock, email=email) as site:
        shipment_id = await site.order(to_email())
        await site.ends_as(shipment_id, "Email_Succeeded")
        return_path = site.smtp.mails[0].mail.partition("<")[2].partition(">")[0]
        deliver(tmp_path, a_dsn(to=return_path, envelope_id=None, returned_id=None, returned_message_id=None))
        await site.turn_to(NOON + MINUTE)
        await site.ends_as(shipment_id, "Email_Failed_Bounced")


async def test_a_bounce_that_comes_after_an_hour_overtakes_the_assumed_delivery(
    database_url: str, clock: FixedClock, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    async with a_site(database_url, clock, email={"bounce_directory": tmp_path}) as site:
        shipment_id = await site.order(to_email())
        await site.ends_as(shipment_id, "Email_Succeeded")
        operation_id = site.smtp.mails[0].content.partition(b"Message-ID: <")[2][:36].decode()
        await site.turn_to(NOON + HOUR)
        await site.ends_as(shipment_id, "Email_Delivered")
        deliver(tmp_path, a_dsn(envelope_id=operation_id))
        await site.turn_to(NOON + HOUR + MINUTE)
        await site.ends_as(shipment_id, "Email_Failed_Bounced")


@pytest.mark.parametrize(
    ("point", "answer", "result"),
    [
        ("RCPT", "550 5.1.1 no such user", "Email_Failed_Bounced"),
        ("RCPT", "553 5.1.3 bad address", "Email_Failed_InvalidFormat"),
        ("CONTENT", "554 5.7.1 refused", "Email_Failed_FilteredSpam"),
        ("CONTENT", "552 too much", "Email_Failed_PayloadTooLarge"),
    ],
)
async def test_a_refusal_of_the_relay_ends_the_mail(
    database_url: str, clock: FixedClock, point: str, answer: str, result: str
) -> None:
    async with a_site(database_url, clock) as site:
        site.smtp.always(point, answer)
        await site.ends_as(await site.order(to_email()), result)


async def test_a_greylisted_mail_waits_a_minute_and_holds_up_no_other(database_url: str, clock: FixedClock) -> None:
    async with a_site(database_url, clock) as site:
        site.smtp.next("RCPT", "450 4.7.1 greylisted")
        greylisted = await site.order(to_email())
        await until(lambda: site.relay_heard("RCPT"), "the relay has refused the first mail for now", seconds=20)
        await site.ends_as(await site.order(to_email("ola@example.no")), "Email_Succeeded")
        await site.ends_as(greylisted, "Email_Sending")
        await site.turn_to(NOON + MINUTE)
        await site.ends_as(greylisted, "Email_Succeeded")


async def test_a_wrong_password_pauses_the_relay_and_fails_nobody(database_url: str, clock: FixedClock) -> None:
    account = {"smtp_username": "altinn", "smtp_password": "feil"}
    async with a_site(database_url, clock, email=account) as site:
        site.smtp.extensions = ("AUTH PLAIN",)
        site.smtp.next("AUTH", "535 5.7.8 bad credentials")
        shipment_id = await site.order(to_email())
        await until(lambda: site.relay_heard("AUTH"), "the relay has refused us", seconds=20)
        await site.ends_as(shipment_id, "Email_New")
        assert site.smtp.mails == []
        await site.turn_to(NOON + MINUTE)
        await site.ends_as(shipment_id, "Email_Succeeded")


def deliver(maildir: Path, raw: bytes) -> None:
    """Put one mail into the Maildir."""
    (maildir / "new" / "1772452800.M1P1.mx").write_bytes(raw)


async def test_a_throttling_gateway_is_asked_by_the_schedule_until_the_sms_expires(
    database_url: str, clock: FixedClock
) -> None:
    async with a_site(database_url, clock) as site:
        site.gateway.otherwise = lambda _: Answer("busy", 504)
        shipment_id = await site.sms("+4799999999")
        await site.is_asked(1)
        await site.turn_to(NOON + 295 * SECOND)
        await site.is_asked(1)
        now = NOON
        for number, wait in enumerate([300, 600, 900, 1800, 1800], start=2):
            now += wait * SECOND
            await site.turn_to(now)
            await site.is_asked(number)
        await site.ends_as(shipment_id, "SMS_Sending")
        await site.turn_to(NOON + 2 * DAY + 6 * MINUTE)
        await site.ends_as(shipment_id, "SMS_Failed_TTL")


async def test_a_silent_gateway_is_asked_once_for_an_owner_who_wants_no_sms_twice(
    database_url: str, clock: FixedClock
) -> None:
    settings = {"sms_unknown_outcome_hold_creators": ["ttd"]}
    async with a_site(database_url, clock, sms={"gateway_timeout_seconds": 0.2}, notification=settings) as site:
        site.gateway.next(HANG)
        held = await site.sms("+4799999999")
        await site.is_asked(1)
        site.gateway.next(Answer("busy", 503))
        repeated = await site.sms("+4799999998")
        await site.is_asked(2)
        await site.turn_to(NOON + 6 * MINUTE)
        await site.is_asked(3)
        await site.ends_as(repeated, "SMS_Accepted")
        await site.turn_to(NOON + 2 * DAY + 6 * MINUTE)
        await site.ends_as(held, "SMS_Failed_TTL")
        assert len(site.gateway.requests) == 3


async def test_a_gateway_that_is_not_there_has_taken_nothing_so_that_even_such_an_owners_sms_is_tried_again(
    database_url: str, db: Database, clock: FixedClock
) -> None:
    settings = {"sms_unknown_outcome_hold_creators": ["ttd"]}
    async with a_site(database_url, clock, notification=settings) as site:
        await site.gateway.shut()
        shipment_id = await site.sms("+4799999999")
        await until(lambda: db.fetchval(PUT_OFF), "the SMS waits for its gateway")
        await site.gateway.reopen()
        await site.turn_to(NOON + 6 * MINUTE)
        await site.ends_as(shipment_id, "SMS_Accepted")
        assert len(site.gateway.requests) == 1


async def test_a_report_about_nothing_is_tried_seven_times_and_then_dead(
    database_url: str, db: Database, clock: FixedClock
) -> None:
    report = "<MSGLST><MSG><REF>nobody's</REF><RCV>4799999999</RCV><STATE>DELIVRD</STATE></MSG></MSGLST>"
    credentials = {"report_username": "gateway", "report_password": "secret"}
    async with a_site(database_url, clock, sms=credentials) as site:
        answer = await site.service.client.post(
            "/notifications/sms/api/v1/reports",
            content=report,
            headers={"Content-Type": "application/xml"},
            auth=("gateway", "secret"),
        )
        assert answer.status_code == 200
        moment = NOON
        for tries, wait in enumerate(LADDER_SECONDS, start=1):
            await until(partial(db.fetchval, TRIED, tries), f"it was tried {tries} times")
            moment += wait * SECOND
            await site.turn_to(moment)
        (dead,) = await until(lambda: db.fetch(DEAD), "the report is dead")
        assert tuple(dead) == (2, "RETRY_THRESHOLD_EXCEEDED", 7)


async def test_a_report_that_overtakes_the_gateways_answer_is_applied_with_it(
    database_url: str, clock: FixedClock
) -> None:
    credentials = {"report_username": "gateway", "report_password": "secret"}
    report = "<MSGLST><MSG><ID>7</ID><REF>early</REF><RCV>4799999999</RCV><STATE>DELIVRD</STATE></MSG></MSGLST>"
    async with a_site(database_url, clock, sms=credentials) as site:
        site.gateway.delay = 0.5
        site.gateway.next(accepted("early"))
        shipment_id = await site.sms("+4799999999")
        await site.gateway.has_request.wait()
        answer = await site.service.client.post(
            "/notifications/sms/api/v1/reports",
            content=report,
            headers={"Content-Type": "application/xml"},
            auth=("gateway", "secret"),
        )
        assert (answer.status_code, "<ID>7</ID><STATUS>OK</STATUS>" in answer.text) == (200, True)
        await site.ends_as(shipment_id, "SMS_Delivered")
