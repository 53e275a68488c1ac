"""`POST /future/orders` when the registers decide: who is reachable and who is not (spec 02, 7 to 9)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.platform_peer import EXTERNAL, ORGANIZATIONS, PERSONS, USERS, Reply, running_peer
from support.requests import (
    a_reminder,
    an_order_request,
    sms_settings,
    to_email,
    to_external_identity,
    to_organization,
    to_person,
    to_sms,
)
from support.service import EXPLAINED, ORDERS, running_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.types import Message

    from altinn_notifications.clock import FixedClock
    from support.platform_peer import PlatformPeer
    from support.service import Service

KARI, OLA = "16069412345", "05917921107"
COMPANY = "311000179"
COUNT_ROWS = "SELECT (SELECT count(*) FROM order_chains) + (SELECT count(*) FROM orders)"


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    async with running_peer() as peer:
        yield peer


@pytest.fixture
async def service(database_url: str, clock: FixedClock, peer: PlatformPeer) -> AsyncIterator[Service]:
    async with running_service(database_url, clock, platform=peer.settings().platform) as running:
        yield running


def a_person(number: str = KARI, **changes: Any) -> dict[str, Any]:
    """A person with an email address, as Profile tells it."""
    return {"nationalIdentityNumber": number, "isReserved": False, "email": "kari@example.no"} | changes


def an_organization(number: str = COMPANY, *emails: str) -> dict[str, Any]:
    """An organisation with official email addresses, as Profile tells it."""
    return {"organizationNumber": number, "partyId": 0, "emailList": list(emails), "mobileNumberList": []}


def assert_missing_contact(response: httpx.Response) -> None:
    body = response.json()
    assert (response.status_code, body["code"]) == (422, "NOT-00001")
    assert body["statusDescription"] == "Unprocessable Entity"
    assert set(body) == {"type", "title", "status", "code", "statusDescription", "traceId", *EXPLAINED}


async def stored_rows(service: Service) -> int:
    return int(await service.services.db.fetchval(COUNT_ROWS))


@pytest.mark.parametrize("number", [KARI, "00000000000"])
async def test_a_person_that_profile_can_reach_is_accepted(service: Service, peer: PlatformPeer, number: str) -> None:
    peer.persons.append(a_person(number))
    assert (await service.order(an_order_request(to_person(number)))).status_code == 201
    (call,) = peer.calls
    assert call.json == {"nationalIdentityNumbers": [number], "useStaleContactInfo": False}


async def test_addresses_that_were_found_are_not_stored(service: Service, peer: PlatformPeer) -> None:
    peer.persons.append(a_person())
    await service.order(an_order_request(to_person()))
    content = await service.services.db.fetchval("SELECT content FROM orders")
    assert content["recipients"] == [{"national_identity_number": KARI}]


async def test_an_unknown_person_is_refused_and_its_idempotency_id_stays_free(
    service: Service, peer: PlatformPeer
) -> None:
    request = an_order_request(to_person())
    assert_missing_contact(await service.order(request))
    assert await stored_rows(service) == 0
    peer.persons.append(a_person())
    assert (await service.order(request)).status_code == 201


async def test_one_unreachable_reminder_fails_the_whole_chain(service: Service, peer: PlatformPeer) -> None:
    peer.persons.append(a_person())
    peer.organizations.append(an_organization())
    reminders = [a_reminder(to_person()), a_reminder(to_organization()), a_reminder(to_external_identity())]
    assert_missing_contact(await service.order(an_order_request(to_person(), reminders=reminders)))
    assert await stored_rows(service) == 0
    assert [call.path for call in peer.calls] == [PERSONS, PERSONS, ORGANIZATIONS]


async def test_reminders_of_an_unreachable_main_order_are_not_looked_up(service: Service, peer: PlatformPeer) -> None:
    request = an_order_request(to_person(), reminders=[a_reminder(to_organization())])
    assert_missing_contact(await service.order(request))
    assert [call.path for call in peer.calls] == [PERSONS]


async def test_a_recipient_with_a_direct_address_is_not_looked_up(service: Service, peer: PlatformPeer) -> None:
    request = an_order_request(to_email(), reminders=[a_reminder(to_sms())])
    assert (await service.order(request)).status_code == 201
    assert peer.calls == []


@pytest.mark.parametrize("ignore_reservation", [False, True])
@pytest.mark.parametrize("email", [None, "kari@example.no"])
async def test_a_reserved_person_is_accepted_with_or_without_contact_information(
    service: Service, peer: PlatformPeer, *, email: str | None, ignore_reservation: bool
) -> None:
    peer.persons.append(a_person(isReserved=True, email=email))
    request = an_order_request(to_person(ignoreReservation=ignore_reservation))
    assert (await service.order(request)).status_code == 201


async def test_an_organisation_with_only_user_registered_addresses_is_refused(
    service: Service, peer: PlatformPeer
) -> None:
    peer.organizations.append(an_organization())
    peer.users.append(
        {
            "organizationNumber": COMPANY,
            "partyId": 51001,
            "userContactPoints": [{"userId": 20001, "email": "anna@bedrift.example"}],
        }
    )
    peer.permits.add((51001, 20001))
    recipient = to_organization(resourceId="urn:altinn:resource:ttd-demo")
    assert_missing_contact(await service.order(an_order_request(recipient)))
    assert peer.calls_to(USERS) == []


async def test_an_organisation_with_an_official_address_is_accepted(service: Service, peer: PlatformPeer) -> None:
    peer.organizations.append(an_organization("000000000", "post@bedrift.example"))
    assert (await service.order(an_order_request(to_organization("000000000")))).status_code == 201


@pytest.mark.parametrize(
    ("channel", "point", "status"),
    [
        ("EmailAndSms", {"email": None, "mobileNumber": "+4799999999"}, 201),
        ("EmailPreferred", {"email": None, "mobileNumber": "+4799999999"}, 201),
        ("SmsPreferred", {"mobileNumber": None}, 201),
        ("SmsPreferred", {"email": "", "mobileNumber": "12345678"}, 422),
        ("Sms", {"mobileNumber": "99315000"}, 201),
        ("Sms", {"mobileNumber": "81549300"}, 422),
        ("Sms", {"mobileNumber": None}, 422),
        ("Email", {"email": None, "mobileNumber": "+4799999999"}, 422),
        ("Email", {"email": "  "}, 422),
    ],
)
async def test_a_person_is_reachable_by_what_the_channel_can_use(
    service: Service, peer: PlatformPeer, channel: str, point: dict[str, Any], status: int
) -> None:
    peer.persons.append(a_person(**point))
    recipient = to_person(channelSchema=channel, smsSettings=sms_settings())
    assert (await service.order(an_order_request(recipient))).status_code == status


@pytest.mark.parametrize(
    "urn",
    [
        "urn:altinn:person:idporten-email:user@example.com",
        "urn:altinn:username:kari.n",
        "urn:altinn:party:username:ola_n7",
        "urn:altinn:person:legacy-selfidentified:ola_n7",
        "urn:altinn:person:idporten-email:user%2Btag@example.com",
    ],
)
async def test_an_external_identity_is_looked_up_as_spelled(service: Service, peer: PlatformPeer, urn: str) -> None:
    request = an_order_request(to_external_identity(urn))
    assert_missing_contact(await service.order(request))
    peer.external.append({"externalIdentity": urn.upper(), "email": "kari@example.no", "mobileNumber": None})
    assert (await service.order(request)).status_code == 201
    assert [call.json for call in peer.calls_to(EXTERNAL)] == [{"externalIdentities": [urn]}] * 2


@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), Reply(status=403), Reply(b"not json"), Reply({"somethingElse": []})],
    ids=["error", "refused", "no-json", "other"],
)
async def test_a_look_up_that_fails_may_be_tried_again(service: Service, peer: PlatformPeer, reply: Reply) -> None:
    peer.persons.append(a_person())
    peer.answer_next(PERSONS, reply)
    request = an_order_request(to_person())
    response = await service.order(request)
    assert (response.status_code, response.json()["code"]) == (503, "NOT-00004")
    assert await stored_rows(service) == 0
    assert (await service.order(request)).status_code == 201


async def test_a_profile_that_cannot_be_connected_to_is_told_like_any_failure(
    database_url: str, clock: FixedClock
) -> None:
    async with running_peer() as gone:
        settings = gone.settings().platform
    async with running_service(database_url, clock, platform=settings) as service:
        response = await service.order(an_order_request(to_person()))
        assert (response.status_code, response.json()["code"]) == (503, "NOT-00004")


async def test_a_known_id_is_answered_while_profile_is_down(service: Service, peer: PlatformPeer) -> None:
    peer.persons.append(a_person())
    request = an_order_request(to_person(), reminders=[a_reminder(to_person())])
    first = await service.order(request)
    peer.calls.clear()
    peer.answer_next(PERSONS, *[Reply(status=500)] * 9)
    repeat = await service.order(request)
    assert (repeat.status_code, repeat.content) == (200, first.content)
    assert peer.calls == []


@pytest.mark.parametrize(("creator", "is_stale"), [("skd", True), ("SKD", True), ("ttd", False)])
async def test_persons_of_a_listed_creator_are_looked_up_with_stale_contacts(
    service: Service, peer: PlatformPeer, *, creator: str, is_stale: bool
) -> None:
    peer.persons += [a_person(KARI), a_person(OLA)]
    request = an_order_request(
        to_person(useStaleContactInformation=False),
        reminders=[a_reminder(to_person(OLA, useStaleContactInformation=False))],
    )
    response = await service.order(request, headers=service.authorization(creator))
    assert response.status_code == 201
    assert [call.json for call in peer.calls] == [
        {"nationalIdentityNumbers": [number], "useStaleContactInfo": is_stale} for number in (KARI, OLA)
    ]
    stored = await service.services.db.fetch("SELECT content FROM orders")
    assert {row["content"].get("useStaleContactInformation", False) for row in stored} == {is_stale}


async def test_stale_contacts_are_used_when_the_order_says_so(service: Service, peer: PlatformPeer) -> None:
    peer.stale_persons.append(a_person())
    assert_missing_contact(await service.order(an_order_request(to_person())))
    request = an_order_request(to_person(useStaleContactInformation=True))
    assert (await service.order(request)).status_code == 201


async def test_the_stale_rule_does_not_touch_organisations(service: Service, peer: PlatformPeer) -> None:
    peer.organizations.append(an_organization(COMPANY, "post@bedrift.example"))
    response = await service.order(an_order_request(to_organization()), headers=service.authorization("skd"))
    assert response.status_code == 201
    (call,) = peer.calls
    assert call.json == {"organizationNumbers": [COMPANY]}


async def test_each_of_many_simultaneous_requests_gets_its_own_answer(service: Service, peer: PlatformPeer) -> None:
    numbers = [f"{number:011}" for number in range(60)]
    peer.persons += [a_person(number) for number in numbers[::2]]
    answers = await asyncio.gather(*(service.order(an_order_request(to_person(number))) for number in numbers))
    assert [answer.status_code for answer in answers] == [201, 422] * 30
    assert sorted(number for call in peer.calls for number in call.json["nationalIdentityNumbers"]) == numbers


async def test_a_client_that_leaves_during_the_look_up_leaves_nothing_behind(
    service: Service, peer: PlatformPeer
) -> None:
    peer.persons.append(a_person())
    request = an_order_request(to_person())
    sent = iter([{"type": "http.request", "body": json.dumps(request).encode()}])
    answers: list[Message] = []

    async def receive() -> Message:
        gone_after_the_look_up: Message = {"type": "http.disconnect"}
        message = next(sent, None)
        if message is None and not peer.calls:
            await asyncio.Event().wait()
        return message or gone_after_the_look_up

    async def send(message: Message) -> None:
        answers.append(message)

    await service.app(_scope(service), receive, send)
    assert answers[0]["status"] == 499
    assert len(peer.calls) == 1
    assert await stored_rows(service) == 0
    assert (await service.order(request)).status_code == 201


def _scope(service: Service) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {service.bearer}", "content-type": "application/json"}
    return {
        "type": "http",
        "method": "POST",
        "path": ORDERS,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
