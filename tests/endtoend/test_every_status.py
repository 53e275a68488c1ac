"""Every row of the table of statuses is tried with all processes running: `docs/testing.md`, spec 13, 14, 15 and 17."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from altinn_notifications.lifecycle import PENDING_RESULTS, Channel
from altinn_notifications.tracking.status import exposed_result
from support import status_table
from support.composed import COMPOSED, SCOPE, an_attachment
from support.databases import a_database
from support.local_run import ENDED, FIRST_GENERATION, a_local_run, results
from support.requests import an_order_request, email_settings, sms_settings, to_email, to_person, to_sms
from support.seed_cases import P01
from support.status_table import ANY
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from support.local_run import LocalRun

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

ROWS: Final = status_table.rows()
(WITH_ACS,) = (row for row in ROWS if "acs" in row.how)
IN_TESTS_OF_THEIR_OWN: Final = {"Email_New", "SMS_New"}
"""What is seen in an outage only, and what by night only."""

OSLO: Final = ZoneInfo("Europe/Oslo")
WAITS: Final = {
    "SMS_GATEWAY_TIMEOUT_SECONDS": "1",
    "SMS_GATEWAY_RETRY_SECONDS": "2",
    "EMAIL_MESSAGE_RETRY_SECONDS": "2",
    "SIMULATOR_REPORT_DELAY_MS": "400",
    "EMAIL_INTERMITTENT_ERROR_DELAY_SECONDS": "1",
}
UNTIL_EXPIRED: Final = timedelta(hours=48, minutes=6)
SECONDS: Final = 30
LOOK_SECONDS: Final = 0.05
PENDING: Final = {exposed_result(channel, result) for channel in Channel for result in PENDING_RESULTS[channel]}


def pairs(*, by_clock: bool) -> list[tuple[str, str]]:
    """Status and whoever leads to it, with time going by or without."""
    found = ((row.status, who) for row in ROWS for who in row.everybody if row is not WITH_ACS)
    return [(status, who) for status, who in found if status.endswith("_TTL") is by_clock]


def order_to(who: str, channel: str = "EmailAndSms", policy: str = "Anytime", **changes: Any) -> dict[str, Any]:
    """An order to somebody, as the table writes it; to a person by this channel."""
    if who.isdigit():
        texts = {"emailSettings": email_settings(), "smsSettings": sms_settings(sendingTimePolicy=policy)}
        recipient = to_person(who, channelSchema=channel, **texts)
    elif "@" in who:
        recipient = to_email(who.replace("…", "epost.example"))
    else:
        recipient = to_sms(who.replace("…", "+4791234"), sendingTimePolicy=policy)
    return an_order_request(recipient, **changes)


@dataclass
class Watched:
    """A shipment, the statuses it should have had, and those that it and its recipients were seen with."""

    shipment_id: str
    awaited: set[str]
    seen: set[str] = field(default_factory=set)

    async def look(self, local: LocalRun) -> None:
        """See how it is now."""
        shipment = await local.shipment(self.shipment_id)
        self.seen |= {shipment["status"], *(status for _, status in results(shipment))}


async def place(local: LocalRun, who: str, status: str, **how: Any) -> Watched:
    """Order to somebody in order to see this status."""
    (shipment_id,) = await local.ordered(order_to(who, **how))
    return Watched(shipment_id, {status})


async def watch(local: LocalRun, watched: dict[str, Watched]) -> None:
    """Look at shipments for as long as they may show something new."""
    while True:
        await asyncio.gather(*(one.look(local) for one in watched.values() if not one.awaited <= one.seen))
        await asyncio.sleep(LOOK_SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRun]:
    """Everything as one command starts it; only the last tests turn its clock."""
    async with a_database() as url, a_local_run(url, tmp_path_factory.mktemp("local"), **WAITS) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(local: LocalRun) -> AsyncIterator[dict[str, Watched]]:
    """One order to everybody in the table, all at once, watched until the module ends."""
    everybody: dict[str, Watched] = {}
    task = asyncio.create_task(watch(local, everybody))

    async def order(who: str) -> None:
        (shipment_id,) = await local.ordered(order_to(who))
        everybody[who] = Watched(
            shipment_id, {row.status for row in ROWS if who in row.everybody and row is not WITH_ACS}
        )

    async with asyncio.TaskGroup() as orders:
        for who in {who for row in ROWS for who in row.everybody}:
            orders.create_task(order(who))
    yield everybody
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled(), task.exception()


async def told(local: LocalRun) -> dict[str, set[str]]:
    """What the feed says, by shipment."""
    return {
        entry["shipmentId"]: {entry["status"], *(one["status"] for one in entry["recipients"])}
        for entry in await local.feed()
    }


async def later(local: LocalRun, who: str, status: str) -> Watched:
    """Order for tomorrow."""
    tomorrow = await local.now() + timedelta(days=1)
    return await place(local, who, status, requestedSendTime=tomorrow.isoformat())


async def cancelled(local: LocalRun, who: str, status: str) -> Watched:
    """Order for tomorrow, and cancel it."""
    shipment = await later(local, who, status)
    assert (await local.call("PUT", f"{FIRST_GENERATION}/{shipment.shipment_id}/cancel")).status_code == 200
    return shipment


def on_condition(name: str) -> Callable[[LocalRun, str, str], Awaitable[Watched]]:
    """Order with one of the platform's send conditions."""

    async def order(local: LocalRun, who: str, status: str) -> Watched:
        return await place(local, who, status, conditionEndpoint=f"{local.platform_url}/sim/conditions/{name}")

    return order


def with_file(name: str, *, changed: str = "") -> Callable[[LocalRun, str, str], Awaitable[Watched]]:
    """Order an email with a file of the platform attached, `changed` before the signature of its link."""

    async def order(local: LocalRun, who: str, status: str) -> Watched:
        files = (await local.see("/sim/files"))["files"]
        (link,) = [file["url"] for file in files if file["name"] == name]
        attachment = an_attachment(link.replace("sig=", f"sig={changed}"))
        settings = email_settings(attachments=[attachment])
        body = an_order_request({"emailAddress": who.replace("…", "epost.example"), "emailSettings": settings})
        answer = await local.call("POST", COMPOSED, body, scope=SCOPE)
        assert answer.status_code == 201, answer.text
        return Watched(answer.json()["notification"]["shipmentId"], {status})

    return order


WAYS: Final[dict[str, Callable[[LocalRun, str, str], Awaitable[Watched]]]] = {
    "Order_Registered": later,
    "Order_Processing": on_condition("fail"),
    "Order_Completed": place,
    "Order_SendConditionNotMet": on_condition("never"),
    "Order_Cancelled": cancelled,
    "Email_Delivered": place,
    "Email_Failed_PayloadTooLarge": with_file("stor.zip"),
    "Email_Failed_InvalidSasUrl": with_file("vedtak.pdf", changed="x"),
    "SMS_Delivered": place,
}
"""What to do where it does not matter who the recipient is."""

ANYBODY: Final = {"Order": "hvem@…", "Email": "hvem@…", "SMS": "…000"}
CASES: Final = [
    *(
        (row.status, ANYBODY[row.channel])
        for row in ROWS
        if ANY in row.recipients and row.status not in IN_TESTS_OF_THEIR_OWN
    ),
    *((row.status, P01) for row in ROWS if ANY in row.persons and row.status not in IN_TESTS_OF_THEIR_OWN),
]


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("status", "who"), CASES)
async def test_any_recipient_leads_to_the_status_in_the_way_of_the_table(
    local: LocalRun, status: str, who: str
) -> None:
    shipment = await WAYS[status](local, who, status)

    async def is_seen() -> bool:
        await shipment.look(local)
        return status in shipment.seen

    await until(is_seen, f"{status} is seen", seconds=SECONDS)

    async def is_told() -> bool:
        return status in (await told(local)).get(shipment.shipment_id, ())

    if (shipment.seen & ENDED) - {"Order_Cancelled"}:
        await until(is_told, f"the feed tells {status}")


@pytest.mark.parametrize(("status", "who"), pairs(by_clock=False))
async def test_everybody_in_the_table_leads_to_the_status(
    local: LocalRun, watched: dict[str, Watched], status: str, who: str
) -> None:
    shipment = watched[who]

    async def is_seen() -> bool:
        return status in shipment.seen

    async def is_told() -> bool:
        return status in (await told(local)).get(shipment.shipment_id, ())

    if (status, who) == ("SMS_Delivered", "…915"):  # contradicted before anybody can look
        await until(is_told, "the feed tells it", seconds=SECONDS)
    else:
        await until(is_seen, f"{status} is seen", seconds=SECONDS)


async def test_the_feed_tells_every_end(local: LocalRun, watched: dict[str, Watched]) -> None:
    await assert_told(local, watched, by_clock=False)


async def assert_told(local: LocalRun, watched: dict[str, Watched], *, by_clock: bool) -> None:
    expected = {
        (watched[who].shipment_id, status)
        for status, who in pairs(by_clock=by_clock)
        if status not in PENDING and status != "Order_Processed" and (status, who) != ("SMS_Failed", "…915")
    }

    async def are_told() -> bool:
        return expected <= {(shipment, status) for shipment, all_ in (await told(local)).items() for status in all_}

    await until(are_told, "the feed tells every end", seconds=SECONDS)


async def test_mail_is_new_while_the_relay_fails(local: LocalRun) -> None:
    await local.tell("POST", "/sim/faults", {"target": "smtp", "mode": "error", "count": 10_000})
    shipments = [await place(local, who, "Email_New", channel="Email") for who in (ANYBODY["Email"], P01)]

    async def is_met() -> bool:
        (fault,) = (await local.see("/sim/faults"))["faults"]
        return bool(fault["count"] < 10_000)

    await until(is_met, "the relay has failed", seconds=SECONDS)
    for shipment in shipments:
        await local.has_status(shipment.shipment_id, "Email_New")
    await local.tell("POST", "/sim/faults", {"target": "smtp", "mode": "error", "count": 0})
    for shipment in shipments:
        assert [status for _, status in results(await local.ended(shipment.shipment_id))] == ["Email_Delivered"]


async def test_what_ends_by_time_ends_so_when_the_clock_is_turned(local: LocalRun, watched: dict[str, Watched]) -> None:
    await expire(local)
    await assert_told(local, watched, by_clock=True)
    assert not any("TransientError" in status for one in watched.values() for status in one.seen)


async def expire(local: LocalRun) -> None:
    """Let 48 hours and the grace go by."""
    await local.turn_clock(UNTIL_EXPIRED)
    await local.tell("POST", "/sim/run/terminateexpirednotifications")


async def test_a_daytime_sms_is_new_at_night(local: LocalRun) -> None:
    now = (await local.now()).astimezone(OSLO)
    evening = datetime.combine(now.date() + timedelta(days=1), time(22), OSLO)
    await local.turn_clock(evening - now)
    for who in (ANYBODY["SMS"], P01):
        shipment = await place(local, who, "SMS_New", channel="Sms", policy="Daytime")
        await local.has_status(shipment.shipment_id, "SMS_New")


async def test_with_acs_mail_that_is_never_finished_is_sending_until_it_expires(tmp_path: Path) -> None:
    async with a_database() as url, a_local_run(url, tmp_path, EMAIL_PROVIDERS="acs") as local:
        shipments = [await place(local, who, WITH_ACS.status, channel="Email") for who in WITH_ACS.everybody]
        for shipment in shipments:
            await local.has_status(shipment.shipment_id, WITH_ACS.status)
        await local.turn_clock(UNTIL_EXPIRED)

        async def have_expired() -> bool:
            await local.tell("POST", "/sim/run/terminateexpirednotifications")
            shown = [results(await local.shipment(shipment.shipment_id)) for shipment in shipments]
            return {status for recipients in shown for _, status in recipients} == {"Email_Failed_TTL"}

        await until(have_expired, "the mails have expired", seconds=SECONDS)  # one that is asked about cannot yet
