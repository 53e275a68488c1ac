"""Everybody in the seed is reached as who they are, through the API alone, with all processes running (spec 13, 17)."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from support.databases import a_database
from support.local_run import FIRST_GENERATION, a_local_run, results
from support.requests import an_order_request, email_settings, sms_settings, to_email
from support.seed_cases import (
    APP,
    BOTH,
    BOTH_OF_P01,
    CASES,
    DEMO,
    EMAIL,
    EMAIL_FIRST,
    O2,
    O6,
    O7,
    OFFICIAL_AND_ANNA,
    P01,
    P02,
    P03,
    P04,
    P05,
    P07,
    P10,
    P11,
    P13,
    P14,
    P18,
    SMS,
)
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.local_run import LocalRun
    from support.seed_cases import Case

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

OSLO: Final = ZoneInfo("Europe/Oslo")
SECONDS_TO_RECOVER: Final = 10


def recipient(who: str, channel: str = EMAIL, mark: str = "Ny melding", **options: Any) -> dict[str, Any]:
    """A recipient by number or URN, written to with `mark` as subject and as text."""
    kinds = {11: ("recipientPerson", "nationalIdentityNumber"), 9: ("recipientOrganization", "orgNumber")}
    kind, number = kinds.get(len(who), ("recipientExternalIdentity", "externalIdentity"))
    texts = {
        "emailSettings": email_settings(subject=mark),
        "smsSettings": sms_settings(body=mark, sendingTimePolicy="Anytime"),
    }
    return {kind: {number: who, "channelSchema": channel, **texts, **options}}


def a_mark() -> str:
    """A text that stands in one order only."""
    return f"merke {uuid.uuid4().hex}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRun]:
    """Everything as one command starts it, for all tests of this module; its clock only goes forward."""
    folder = tmp_path_factory.mktemp("local")
    async with (
        a_database() as url,
        a_local_run(url, folder, LOG_FORMAT="json", PLATFORM_TIMEOUT_SECONDS="2") as running,
    ):
        yield running


@dataclass
class Placed:
    """What became of the request for each case, and the text that its messages carry."""

    answers: dict[str, tuple[int, Any, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def placed(local: LocalRun) -> Placed:
    """All cases ordered at once, so that nobody waits for one after the other."""

    async def place(case: Case) -> tuple[int, Any, str]:
        mark = a_mark()
        order = an_order_request(recipient(case.who, case.channel, mark, **case.options))
        answer = await local.order(order, creator=case.creator)
        return answer.status_code, answer.json(), mark

    return Placed(dict(zip(map(str, CASES), await asyncio.gather(*map(place, CASES)), strict=True)))


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_everybody_is_reached_as_the_seed_says(local: LocalRun, placed: Placed, case: Case) -> None:
    status, answer, mark = placed.answers[str(case)]
    if case.reached is None:
        assert (status, answer["code"]) == (422, "NOT-00001")
        return
    shipment = await local.ended(answer["notification"]["shipmentId"], creator=case.creator)
    expected = [_expected(text) for text in case.reached]
    assert sorted(results(shipment)) == sorted(expected)
    assert await local.received(mark) == sorted((address, mark) for address, _ in expected if address)


def _expected(text: str) -> tuple[str, str]:
    address, _, status = text.partition(":")
    return address, status or ("SMS_Delivered" if address.startswith("+") else "Email_Delivered")


async def test_decisions_are_asked_for_in_batches_and_name_an_app_by_its_parts(local: LocalRun, placed: Placed) -> None:
    """Spec 13, 17, 18 and 23."""
    concerned = [answer for status, answer, _ in placed.answers.values() if status == 201]
    for answer in concerned[-20:]:
        await local.ended(answer["notification"]["shipmentId"])
    questions = [call["body"] for call in await local.see_calls("authorization")]
    assert len([body for body in questions if '"subject30' in body]) == 2  # of 500 users, and of one more
    (app,) = [body for body in questions if '"urn:altinn:app"' in body]
    assert '"urn:altinn:org"' in app
    assert '"urn:altinn:resource"' not in app
    (other,) = [body for body in questions if "ttd-annen-tjeneste" in body]
    assert all(f'"{user}"' in other for user in ("20001", "20003", "20004"))


async def first_generation(local: LocalRun, *recipients: dict[str, Any], mark: str, **changes: Any) -> dict[str, Any]:
    """Order an email to several recipients at once; the answer."""
    body = {"recipients": recipients, "subject": mark, "body": "Hei", **changes}
    answer = await local.call("POST", f"{FIRST_GENERATION}/email", body)
    assert answer.status_code == 202, answer.text
    content: dict[str, Any] = answer.json()
    return content


def person(number: str) -> dict[str, Any]:
    """A person as the first generation writes one."""
    return {"nationalIdentityNumber": number}


@pytest.mark.parametrize(
    ("recipients", "changes", "lookup", "got"),
    [
        ([person(P04), person(P05)], {}, ("Failed", [P04], [P05]), []),
        ([person(P04)], {"ignoreReservation": True}, ("Failed", [P04], []), ["reservert@epost.example"]),
        ([person(P07), person(P01)], {}, ("PartialSuccess", [], [P07]), ["begge@epost.example"]),
        (
            [{"organizationNumber": O7}],
            DEMO,
            ("Failed", [], [O7]),
            ["anna@kun.example", "bjarne@kun.example"],
        ),
        (
            [person(P02), {"emailAddress": "direkte@epost.example"}],
            {},
            ("Success", [], []),
            ["bare-epost@epost.example", "direkte@epost.example"],
        ),
    ],
    ids=["2-3-reserved", "3-ignoring", "stale", "20-users-only", "with-a-direct-address"],
)
async def test_a_first_generation_order_tells_who_is_missing_and_reaches_the_rest(
    local: LocalRun,
    recipients: list[dict[str, Any]],
    changes: dict[str, Any],
    lookup: tuple[str, list[str], list[str]],
    got: list[str],
) -> None:
    mark = a_mark()
    answer = await first_generation(local, *recipients, mark=mark, **changes)
    found = answer["recipientLookup"]
    assert (found["status"], found["isReserved"], found["missingContact"]) == lookup
    await local.ended(answer["orderId"])
    assert await local.received(mark) == [(address, mark) for address in got]
    order = f"{FIRST_GENERATION}/{answer['orderId']}"
    status = (await local.call("GET", f"{order}/status")).json()
    assert status["processingStatus"]["status"] == "Completed"
    summary = (await local.call("GET", f"{order}/notifications/email")).json()
    assert summary["succeeded"] == len(got)


async def test_keywords_become_what_register_knows(local: LocalRun) -> None:
    """Spec 13, 10 and 11."""
    mark = a_mark()
    everybody = [person(P01), person(P13), person(P14), {"organizationNumber": O2}, {"emailAddress": "a@b.example"}]
    answer = await first_generation(local, *everybody, mark=f"{mark} <$recipientName$|$recipientNumber$>")
    await local.ended(answer["orderId"])
    assert await local.received(mark) == [
        ("a@b.example", f"{mark} <$recipientName$|$recipientNumber$>"),
        ("begge@epost.example", f"{mark} <RASK BADEHETTE|>"),
        ("navnlos@epost.example", f"{mark} <|>"),
        ("post@bare-epost.example", f"{mark} <BARE EPOST AS|{O2}>"),
    ]


async def test_a_repeat_is_answered_with_the_same_ids_and_reaches_nobody_again(local: LocalRun) -> None:
    mark = a_mark()
    body = an_order_request(recipient(P01, EMAIL, mark), reminders=[{"recipient": recipient(P02), "delayDays": 3}])
    answers = await asyncio.gather(*(local.order(body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.text for answer in answers}) == 1
    await local.ended(answers[0].json()["notification"]["shipmentId"])
    assert await local.received(mark) == [("begge@epost.example", mark)]


async def test_the_feed_tells_the_end_of_every_shipment_once(local: LocalRun, placed: Placed) -> None:
    taken = [(status, answer) for status, answer, _ in placed.answers.values() if status == 201]
    shipments = {answer["notification"]["shipmentId"] for _, answer in taken}

    async def are_told() -> bool:
        entries = [entry["shipmentId"] for entry in await local.feed()]
        assert len(entries) == len(set(entries))
        return len(shipments & set(entries)) >= len(shipments) - 1  # one belongs to another owner

    await until(are_told, "every end is in the feed")


@pytest.mark.parametrize(
    ("target", "fault", "orders", "addresses"),
    [
        (
            "profile",
            {"status": 500},
            [(P01, {}), (P02, {}), (P11, {}), (P14, {}), (P18, {}), (O2, {})],
            [
                "begge@epost.example",
                "bare-epost@epost.example",
                "dnummer@epost.example",
                "navnlos@epost.example",
                "nav@epost.example",
                "post@bare-epost.example",
            ],
        ),
        ("authorization", {"mode": "garbage"}, [(O6, DEMO | {"resourceAction": "sign"})], list(OFFICIAL_AND_ANNA)),
        ("authorization", {"status": 503}, [(O6, APP)], [*OFFICIAL_AND_ANNA, "bjarne@delt.example"]),
        ("register", {"mode": "timeout"}, [(P01, {}), (O2, {})], ["begge@epost.example", "post@bare-epost.example"]),
    ],
    ids=["profile-error", "authorization-garbage", "authorization-error", "register-silent"],
)
async def test_whoever_is_away_is_waited_for_and_noticed_when_back(
    local: LocalRun, target: str, fault: dict[str, Any], orders: list[tuple[str, dict[str, Any]]], addresses: list[str]
) -> None:
    mark, due = a_mark(), (await local.now() + timedelta(minutes=9)).isoformat()
    subject = f"{mark} $recipientName$" if target == "register" else mark
    bodies = [an_order_request(recipient(to, EMAIL, subject, **how), requestedSendTime=due) for to, how in orders]
    shipments = [(await local.ordered(body))[0] for body in bodies]
    await local.tell("POST", "/sim/faults", {"target": target, "mode": "error", "count": 10_000, **fault})
    await local.turn_clock(timedelta(minutes=9))
    metric = f'orders_waiting_for_dependency{{dependency="{target}"}}'
    await until(lambda: local.has_metric(metric, len(shipments)), "all orders wait", seconds=20)
    assert "does not answer as it should" in (await local.http.get(f"{local.api_url}/")).text
    assert await local.received(mark) == []
    unconcerned = a_mark()
    await local.ended((await local.ordered(an_order_request(to_email("a@b.example", subject=unconcerned))))[0])
    refused = an_order_request(recipient(P01, EMAIL, mark))
    if target == "profile":
        await until(lambda: local.has_metric('dependency_up{dependency="profile"}', 0), "the breaker is open")
        answer = await local.order(refused)
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT-00004")
    await local.tell("POST", "/sim/faults", {"target": target, "mode": "error", "count": 0})
    async with asyncio.timeout(SECONDS_TO_RECOVER):
        await asyncio.gather(*(local.ended(shipment) for shipment in shipments))
    assert [address for address, _ in await local.received(mark)] == sorted(addresses)
    await until(lambda: local.has_metric(f'dependency_up{{dependency="{target}"}}', 1), "it counts as up")
    if target == "profile":
        assert (await local.order(refused)).status_code == 201


@pytest.mark.parametrize(
    ("name", "asked", "status", "is_sent"),
    [
        ("always", [200], "Order_Completed", True),
        ("never", [200], "Order_SendConditionNotMet", False),
        ("unauthorized-once", [401, 200], "Order_Completed", True),
        ("fail-once", [500, 200], "Order_Completed", True),
        ("fail", [500, 500], "Order_Completed", True),
    ],
)
async def test_a_send_condition_decides(
    local: LocalRun, name: str, asked: list[int], status: str, *, is_sent: bool
) -> None:
    """Spec 13, 38 and 39."""
    mark = a_mark()
    query = mark.replace(" ", "-")
    condition = f"{local.platform_url}/sim/conditions/{name}?{query}"
    (shipment,) = await local.ordered(an_order_request(recipient(P01, EMAIL, mark), conditionEndpoint=condition))
    if 500 in asked:
        await until(lambda: local.is_asked(name, query, times=1), "the condition is asked")
        assert (await local.shipment(shipment))["status"] == "Order_Processing"
        await local.turn_clock(timedelta(seconds=60))
    assert (await local.ended(shipment))["status"] == status
    calls = await local.condition_calls(name, query)
    assert [call["status"] for call in reversed(calls)] == asked
    assert len({call["claims"]["jti"] for call in calls}) == asked.count(401) + 1
    assert await local.received(mark) == ([("begge@epost.example", mark)] if is_sent else [])


async def test_a_condition_may_change_its_mind_between_two_orders(local: LocalRun) -> None:
    mark = a_mark()
    condition = f"{local.platform_url}/sim/conditions/flip?{mark.replace(' ', '-')}"
    for status in ("Order_Completed", "Order_SendConditionNotMet"):
        body = an_order_request(recipient(P01, EMAIL, mark), conditionEndpoint=condition)
        assert (await local.ended((await local.ordered(body))[0]))["status"] == status
    assert await local.received(mark) == [("begge@epost.example", mark)]


async def test_what_is_cancelled_is_not_sent_and_its_reminder_is(local: LocalRun) -> None:
    mark, tomorrow = a_mark(), await local.now() + timedelta(days=1)
    body = an_order_request(
        recipient(P01, EMAIL, mark),
        requestedSendTime=tomorrow.isoformat(),
        reminders=[{"recipient": recipient(P02, EMAIL, mark), "delayDays": 1}],
    )
    main, reminder = await local.ordered(body)
    answers = [await local.call("PUT", f"{FIRST_GENERATION}/{main}/cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (await local.shipment(main))["status"] == "Order_Cancelled"
    assert (await local.shipment(reminder))["status"] == "Order_Registered"
    soon = (await local.now() + timedelta(minutes=4)).isoformat()
    (late,) = await local.ordered(an_order_request(recipient(P01), requestedSendTime=soon))
    assert (await local.call("PUT", f"{FIRST_GENERATION}/{late}/cancel")).status_code == 409
    await local.turn_clock(timedelta(days=2))
    await local.ended(reminder)
    assert await local.received(mark) == [("bare-epost@epost.example", mark)]


async def test_an_edited_contact_is_used_after_the_registers_delay(local: LocalRun) -> None:
    """Spec 13, 24."""
    await local.tell("PUT", "/sim/settings", {"contactDelaySeconds": 600})
    await local.tell("PUT", f"/sim/persons/{P14}", {"email": "flyttet@epost.example"})
    entry = {"organizationNumber": O6, "email": "ny-anna@delt.example"}
    await local.tell("PUT", "/sim/users/20001", {"contactPoints": [entry]})
    for wait, address in ((0, "navnlos@epost.example"), (601, "flyttet@epost.example")):
        await local.turn_clock(timedelta(seconds=wait))
        shipment = await local.ended((await local.ordered(an_order_request(recipient(P14))))[0])
        assert results(shipment) == [(address, "Email_Delivered")]
        shipment = await local.ended((await local.ordered(an_order_request(recipient(O6, **DEMO))))[0])
        assert [to for to, _ in results(shipment)] == ["post@delt.example", "ny-anna@delt.example"]


async def test_reminders_days_ahead_look_at_the_day_they_are_sent(local: LocalRun) -> None:
    mark = a_mark()
    never = f"{local.platform_url}/sim/conditions/never"
    reminders = [
        {"recipient": recipient(P03, EMAIL_FIRST, mark), "delayDays": 7},
        {"recipient": recipient(P02, EMAIL, mark), "delayDays": 7, "conditionEndpoint": never},
    ]
    main, to_p03, to_p02 = await local.ordered(an_order_request(recipient(P01, EMAIL, mark), reminders=reminders))
    await local.ended(main)
    await local.tell("PUT", f"/sim/persons/{P03}", {"email": "ny-p03@epost.example"})
    await local.turn_clock(timedelta(days=7))
    assert results(await local.ended(to_p03)) == [("ny-p03@epost.example", "Email_Delivered")]
    assert (await local.ended(to_p02))["status"] == "Order_SendConditionNotMet"
    assert await local.received(mark) == [("begge@epost.example", mark), ("ny-p03@epost.example", mark)]


async def test_a_daytime_sms_of_friday_evening_waits_for_saturday_and_every_day_counts(local: LocalRun) -> None:
    friday = _next(await local.now(), weekday=4, hour=18)
    await local.turn_clock(friday - await local.now())
    mark = a_mark()
    night = recipient(P10, SMS, mark, smsSettings=sms_settings(body=mark, sendingTimePolicy="Daytime"))
    (shipment,) = await local.ordered(an_order_request(night))
    (other,) = await local.ordered(an_order_request(recipient(P10, SMS, f"{mark} anytime")))
    await local.ended(other)
    await local.has_status(shipment, "SMS_New")
    await local.turn_clock(_next(friday, weekday=5, hour=9) + timedelta(minutes=1) - await local.now())
    assert results(await local.ended(shipment)) == [("+4799999010", "SMS_Delivered")]
    assert await local.received(mark) == [("+4799999010", mark), ("+4799999010", f"{mark} anytime")]


async def test_what_nobody_reports_on_ends_after_48_hours_and_the_grace(local: LocalRun) -> None:
    """Spec 13, 26, with a mail beside the SMS."""
    number = "12838530417"
    await local.tell(
        "PUT", f"/sim/persons/{number}", {"email": "noreport@epost.example", "mobileNumber": "+4799999909"}
    )
    await local.turn_clock(timedelta(seconds=601))  # the delay of an earlier test
    (shipment,) = await local.ordered(an_order_request(recipient(number, BOTH)))
    await local.has_status(shipment, "Email_Succeeded", "SMS_Accepted")
    await local.turn_clock(timedelta(hours=48, minutes=4))
    await local.tell("POST", "/sim/run/terminateexpirednotifications")
    await local.has_status(shipment, "Email_Succeeded", "SMS_Accepted")
    await local.turn_clock(timedelta(minutes=2))
    ended = await local.ended(shipment)
    assert [status for _, status in results(ended)] == ["Email_Failed_TTL", "SMS_Failed_TTL"]


async def test_a_reset_brings_back_exactly_the_seed(local: LocalRun) -> None:
    """Spec 13, 1."""
    await local.tell("POST", "/sim/reset")
    shipment = await local.ended((await local.ordered(an_order_request(recipient(P01, BOTH))))[0])
    assert [to for to, _ in results(shipment)] == list(BOTH_OF_P01)


async def test_no_log_line_shows_whom_it_is_about(local: LocalRun) -> None:
    lines = [line for line in local.log.splitlines() if line.lstrip().startswith(("api │", "worker │"))]
    assert lines
    private = (P01, O6, "begge@epost.example", "+4799999010", "@delt.example", "merke ")
    assert [text for text in private if any(text in line for line in lines)] == []


def _next(moment: datetime, *, weekday: int, hour: int) -> datetime:
    """The next time after `moment` that it is that hour of that weekday (Monday is 0) in Oslo."""
    today = moment.astimezone(OSLO).date()
    day = today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)
    return datetime.combine(day, time(hour), OSLO)
