"""Days that pass in a moment: a whole service whose clock is turned from outside (design promise 13)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.clock import TurnableClock
from support.gateway_peer import GatewayPeer, accepted
from support.platform_peer import PERSONS, running_peer
from support.requests import a_reminder, an_order_request, sms_settings, to_email, to_person, to_sms
from support.running_worker import running_worker
from support.service import API, running_service
from support.smtp_peer import SmtpPeer
from support.times import DAY, HOUR, MINUTE, NOON
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from altinn_notifications.clock import FixedClock
    from support.platform_peer import PlatformPeer
    from support.service import Service

KARI = "16069412345"
FRIDAY_EVENING = NOON + 4 * DAY + 5 * HOUR  # 18:00 in Oslo
SATURDAY_OPENING = NOON + 4 * DAY + 20 * HOUR  # 09:00


@dataclass(slots=True)
class Site:
    """An API and a worker, each with a clock of its own, and everybody they talk to."""

    service: Service
    worker_clock: TurnableClock
    platform: PlatformPeer
    smtp: SmtpPeer = field(default_factory=SmtpPeer)
    gateway: GatewayPeer = field(default_factory=GatewayPeer)

    async def turn_to(self, moment: datetime) -> None:
        """Make it `moment` everywhere, as anybody can who reaches the API."""
        body = {"offsetSeconds": (moment - NOON).total_seconds()}
        assert (await self.service.client.put(f"{API}/tests/clock", json=body)).status_code == 204

    async def order(self, recipient: dict[str, Any], **changes: Any) -> str:
        """Order a chain; the shipment id of its main order."""
        response = await self.service.order(an_order_request(recipient, **changes))
        assert response.status_code == 201, response.text
        return str(response.json()["notification"]["shipmentId"])

    async def shipment(self, shipment_id: str) -> dict[str, Any]:
        """The shipment as its creator sees it."""
        answer: dict[str, Any] = (await self.service.get(f"{API}/future/shipment/{shipment_id}")).json()
        return answer

    async def has_result(self, shipment_id: str, result: str) -> dict[str, Any]:
        """Wait until the shipment's only notification has this result; the shipment."""
        shipment: dict[str, Any] = {}

        async def is_shown() -> bool:
            shipment.update(await self.shipment(shipment_id))
            return [one["status"] for one in shipment["recipients"]] == [result]

        await until(is_shown, f"{result} is shown")
        return shipment

    async def works(self) -> None:
        """Return when the worker has done something that became due just now, so that it had time for all the rest."""
        await self.has_result(await self.order(to_email("now@example.no")), "Email_Succeeded")
        await self.has_result(await self.order(to_sms("+4799999000", sendingTimePolicy="Anytime")), "SMS_Accepted")

    def mails_to(self, address: str) -> int:
        """How many mails the relay got for somebody."""
        return sum(address in mail.rcpt for mail in self.smtp.mails)

    def texts_to(self, number: str) -> int:
        """How many SMS the gateway got for somebody."""
        return sum(request.value("RCV") == number.removeprefix("+") for request in self.gateway.requests)


@pytest.fixture
async def site(database_url: str, clock: FixedClock) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(running_peer())
        settings = platform.settings().platform
        service = await stack.enter_async_context(
            running_service(database_url, TurnableClock(clock), platform=settings)
        )
        site = Site(service, TurnableClock(clock), platform)
        await stack.enter_async_context(site.smtp)
        await stack.enter_async_context(site.gateway)
        numbers = iter(range(1000))
        site.gateway.otherwise = lambda _: accepted(f"reference-{next(numbers)}")
        await stack.enter_async_context(
            running_worker(database_url, site.worker_clock, platform=platform, smtp=site.smtp, gateway=site.gateway)
        )
        yield site


async def test_a_reminder_follows_after_seven_days_and_is_looked_up_again(site: Site) -> None:
    site.platform.persons.append({"nationalIdentityNumber": KARI, "email": "before@example.no"})
    await site.order(to_person(), reminders=[a_reminder(to_person(), delayDays=7)])
    await until(lambda: _true(site.mails_to("before@example.no")), "the main order's mail has arrived")
    site.platform.persons[:] = [{"nationalIdentityNumber": KARI, "email": "after@example.no"}]
    site.platform.calls.clear()
    await site.turn_to(NOON + 7 * DAY - 2 * MINUTE)
    await site.works()
    assert site.platform.calls_to(PERSONS) == []
    await site.turn_to(NOON + 7 * DAY)
    await until(lambda: _true(site.mails_to("after@example.no")), "the reminder has arrived")
    assert (site.mails_to("before@example.no"), site.mails_to("after@example.no")) == (1, 1)


async def test_an_sms_without_report_expires_after_48_hours_and_five_minutes(site: Site) -> None:
    shipment_id = await site.order(to_sms(sendingTimePolicy="Anytime"))
    await site.has_result(shipment_id, "SMS_Accepted")
    await site.turn_to(NOON + 2 * DAY + 4 * MINUTE)
    await site.works()
    await site.has_result(shipment_id, "SMS_Accepted")
    await site.turn_to(NOON + 2 * DAY + 6 * MINUTE)
    expired = await site.has_result(shipment_id, "SMS_Failed_TTL")
    assert expired["status"] == "Order_Completed"
    assert expired["lastUpdate"] == "2026-03-04T12:06:00Z"


async def test_mail_without_bounce_counts_as_delivered_after_an_hour(site: Site) -> None:
    shipment_id = await site.order(to_email())
    await site.has_result(shipment_id, "Email_Succeeded")
    await site.turn_to(NOON + HOUR)
    assert (await site.has_result(shipment_id, "Email_Delivered"))["status"] == "Order_Completed"


async def test_a_daytime_sms_of_friday_evening_leaves_on_saturday_morning(site: Site) -> None:
    await site.turn_to(FRIDAY_EVENING)
    shipment_id = await site.order(to_sms("+4799999999", sendingTimePolicy="Daytime"))
    await site.has_result(shipment_id, "SMS_New")
    await site.turn_to(SATURDAY_OPENING)
    await site.works()
    assert site.texts_to("+4799999999") == 0
    await site.turn_to(SATURDAY_OPENING + MINUTE)
    await site.has_result(shipment_id, "SMS_Accepted")
    assert site.texts_to("+4799999999") == 1


async def test_an_order_for_next_year_waits_for_next_year(site: Site) -> None:
    next_year = NOON + 365 * DAY
    recipient = to_person(channelSchema="SmsPreferred", smsSettings=sms_settings(sendingTimePolicy="Anytime"))
    site.platform.persons.append({"nationalIdentityNumber": KARI, "mobileNumber": "+4799999999"})
    shipment_id = await site.order(recipient, requestedSendTime=next_year.isoformat())
    await site.works()
    assert (await site.shipment(shipment_id))["status"] == "Order_Registered"
    await site.turn_to(next_year)
    await site.has_result(shipment_id, "SMS_Accepted")


async def test_the_worker_comes_back_with_the_api(site: Site) -> None:
    await site.turn_to(NOON + DAY)
    await until(lambda: _true(site.worker_clock.now() == NOON + DAY), "the worker's clock is turned")
    await site.turn_to(NOON)
    await until(lambda: _true(site.worker_clock.now() == NOON), "the worker's clock is turned back")
    await site.works()


async def _true(value: object) -> bool:
    return bool(value)
