"""`POST /orders`, `/orders/email` and `/orders/sms` as clients see them (spec 05, 2, 6, 7 and 16)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.api.first_generation.orders import ROUTES
from altinn_notifications.api.openapi import document
from altinn_notifications.lifecycle import Channel
from support.first_generation import (
    EMAIL_ORDERS,
    ORDERS,
    SMS_ORDERS,
    TO_KARI,
    TO_MOBILE,
    a_channel_request,
    an_email_request,
    an_sms_request,
)
from support.orders import processor
from support.platform_peer import ORGANIZATIONS, PERSONS, USERS, Reply, running_peer
from support.service import API, keys_of, running_service
from support.times import HOUR, NOON
from support.tokens import unsigned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from support.platform_peer import PlatformPeer
    from support.service import Service

KARI, OLA, COMPANY = "16069412345", "05917921107", "311000179"
PERSON = {"nationalIdentityNumber": KARI}
ORGANIZATION = {"organizationNumber": COMPANY}
ALL = [(ORDERS, a_channel_request("Email")), (EMAIL_ORDERS, an_email_request()), (SMS_ORDERS, an_sms_request())]


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    async with running_peer() as peer:
        yield peer


@pytest.fixture
async def service(database_url: str, clock: FixedClock, peer: PlatformPeer) -> AsyncIterator[Service]:
    async with running_service(database_url, clock, platform=peer.settings().platform) as running:
        yield running


def a_person(number: str = KARI, **changes: Any) -> dict[str, Any]:
    return {"nationalIdentityNumber": number, "isReserved": False, "email": "kari@example.no"} | changes


def an_organization(*emails: str) -> dict[str, Any]:
    return {"organizationNumber": COMPANY, "partyId": 51001, "emailList": list(emails), "mobileNumberList": []}


async def stored_orders(service: Service) -> int:
    return int(await service.services.db.fetchval("SELECT count(*) FROM orders"))


async def notifications_of(service: Service, clock: FixedClock) -> list[Any]:
    """Process what is due; every notification there is."""
    db = service.services.db
    worker = processor(db, clock, service.services.platform)
    while await worker.process_batch():
        await worker.settled()
    return await db.fetch(
        "SELECT n.channel, n.destination, s.result, s.lane, s.expiry FROM notifications n"
        " JOIN notification_states s ON s.notification_id = n.id ORDER BY n.channel, n.position"
    )


def lookup_of(response: httpx.Response) -> dict[str, Any] | None:
    """The look-up that a 202 tells of."""
    assert response.status_code == 202, response.text
    lookup: dict[str, Any] | None = response.json().get("recipientLookup")
    return lookup


@pytest.mark.parametrize(("path", "body"), ALL)
async def test_an_order_is_accepted_with_its_id_and_address(service: Service, path: str, body: dict[str, Any]) -> None:
    response = await service.post(path, body)
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    content = response.json()
    assert set(content) == {"orderId"}
    assert response.headers["location"] == f"http://localhost:5090{API}/orders/{content['orderId']}"
    order = await service.services.db.fetchrow("SELECT * FROM orders")
    assert order is not None
    assert (str(order["id"]), order["creator"], order["type"]) == (content["orderId"], "ttd", 0)
    assert (order["chain_id"], order["sms_policy"], order["requested_send_time"]) == (None, None, NOON)
    state = await service.services.db.fetchrow("SELECT status, last_change FROM order_states")
    assert tuple(state or ()) == ("Registered", NOON)
    assert await service.services.db.fetchval("SELECT count(*) FROM order_chains") == 0


async def test_the_same_request_twice_is_two_orders(service: Service) -> None:
    request = an_email_request(TO_KARI, {"emailAddress": "ola@example.no"}, sendersReference="sak-77")
    answers = [await service.post(EMAIL_ORDERS, request) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["orderId"] != answers[1].json()["orderId"]
    assert await stored_orders(service) == 2


@pytest.mark.parametrize(("path", "body"), ALL)
async def test_an_order_that_is_not_valid_is_not_stored(service: Service, path: str, body: dict[str, Any]) -> None:
    response = await service.post(path, body | {"recipients": []})
    assert keys_of(response) == {"Recipients"}
    assert await stored_orders(service) == 0


@pytest.mark.parametrize(("path", "body"), ALL)
async def test_only_those_with_the_scope_may_order(service: Service, path: str, body: dict[str, Any]) -> None:
    person = {"Authorization": f"Bearer {service.issuer.personal(scopes='altinn:portal')}"}
    refused = [
        await service.client.post(path, json=body),
        await service.post(path, body, headers=person),
        await service.post(path, body, headers={"PlatformAccessToken": unsigned({"iss": "skd"})}),
    ]
    assert [(answer.status_code, answer.content) for answer in refused] == [(401, b""), (403, b""), (401, b"")]
    nobody = service.authorization(None)
    assert keys_of(await service.post(path, body | {"recipients": []}, headers=nobody)) == {"Recipients"}
    assert (await service.post(path, body, headers=nobody)).status_code == 403
    assert await stored_orders(service) == 0


@pytest.mark.parametrize(("path", "body"), ALL)
async def test_a_platform_token_orders_for_its_issuer(service: Service, path: str, body: dict[str, Any]) -> None:
    token = {"PlatformAccessToken": service.issuer.platform("ttd")}
    response = await service.client.post(path, json=body, headers=token)
    assert response.status_code == 202
    order = await service.client.get(f"{ORDERS}/{response.json()['orderId']}", headers=token)
    assert order.json()["creator"] == "ttd"


async def test_paths_are_found_in_any_case_and_with_a_slash(service: Service) -> None:
    for path in (f"{EMAIL_ORDERS}/", "/Notifications/API/v1/Orders/Email"):
        assert (await service.post(path, an_email_request())).status_code == 202


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("text/plain", 415), ("application/json; charset=utf-8", 202), ("application/x.y+json", 202)],
)
async def test_a_body_is_json(service: Service, content_type: str, status: int) -> None:
    answer = await service.post(SMS_ORDERS, an_sms_request(), headers={"Content-Type": content_type})
    assert answer.status_code == status


async def test_other_methods_are_not_allowed(service: Service) -> None:
    refused = await service.client.delete(ORDERS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    refused = await service.client.put(SMS_ORDERS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


async def test_a_reachable_person_is_a_success(service: Service, peer: PlatformPeer) -> None:
    peer.persons.append(a_person())
    lookup = lookup_of(await service.post(EMAIL_ORDERS, an_email_request(PERSON)))
    assert lookup == {"status": "Success", "isReserved": [], "missingContact": []}
    (call,) = peer.calls
    assert call.json == {"nationalIdentityNumbers": [KARI], "useStaleContactInfo": False}


async def test_stale_contacts_are_not_used_for_any_creator(service: Service, peer: PlatformPeer) -> None:
    peer.stale_persons.append(a_person())
    response = await service.post(EMAIL_ORDERS, an_email_request(PERSON), headers=service.authorization("skd"))
    assert lookup_of(response) == {"status": "Failed", "isReserved": [], "missingContact": [KARI]}
    assert peer.calls[0].json["useStaleContactInfo"] is False


async def test_a_person_without_contact_information_is_told_and_ordered_all_the_same(service: Service) -> None:
    response = await service.post(EMAIL_ORDERS, an_email_request(PERSON))
    assert lookup_of(response) == {"status": "Failed", "isReserved": [], "missingContact": [KARI]}
    assert await stored_orders(service) == 1


@pytest.mark.parametrize("ignore_reservation", [None, True, False])
async def test_a_reserved_person_beside_a_reachable_organisation_is_a_partial_success(
    service: Service, peer: PlatformPeer, *, ignore_reservation: bool | None
) -> None:
    peer.persons.append(a_person(isReserved=True))
    peer.organizations.append(an_organization("post@bedrift.example"))
    request = an_email_request(PERSON, ORGANIZATION, TO_KARI, ignoreReservation=ignore_reservation)
    lookup = lookup_of(await service.post(EMAIL_ORDERS, request))
    assert lookup == {"status": "PartialSuccess", "isReserved": [KARI], "missingContact": []}


@pytest.mark.parametrize(
    ("channel", "status"),
    [("Email", "Failed"), ("Sms", "Success"), ("EmailPreferred", "Success"), ("EmailAndSms", "Success")],
)
async def test_a_person_with_a_mobile_number_alone_is_missing_to_email_only(
    service: Service, peer: PlatformPeer, channel: str, status: str
) -> None:
    peer.persons.append(a_person(email=None, mobileNumber="+4799999999"))
    lookup = lookup_of(await service.post(ORDERS, a_channel_request(channel, PERSON)))
    assert lookup is not None
    assert (lookup["status"], lookup["missingContact"]) == (status, [KARI] if status == "Failed" else [])


async def test_an_unreachable_number_that_is_listed_twice_counts_once(service: Service) -> None:
    lookup = lookup_of(await service.post(SMS_ORDERS, an_sms_request(PERSON, PERSON)))
    assert lookup == {"status": "Failed", "isReserved": [], "missingContact": [KARI]}


async def test_an_organisation_with_registered_users_only_is_missing_and_reached_later(
    service: Service, peer: PlatformPeer, clock: FixedClock
) -> None:
    peer.organizations.append(an_organization())
    anna = {"userId": 20001, "email": "anna@bedrift.example"}
    peer.users.append({"organizationNumber": COMPANY, "partyId": 51001, "userContactPoints": [anna]})
    peer.permits.add((51001, 20001))
    request = an_email_request(ORGANIZATION, resourceId="ttd-demo")
    lookup = lookup_of(await service.post(EMAIL_ORDERS, request))
    assert lookup == {"status": "Failed", "isReserved": [], "missingContact": [COMPANY]}
    assert peer.calls_to(USERS) == []
    (notification,) = await notifications_of(service, clock)
    assert (notification["destination"], notification["result"]) == ("anna@bedrift.example", "New")
    assert peer.calls_to(USERS)[0].json["resourceId"] == "ttd-demo"


async def test_nobody_is_asked_about_direct_addresses(service: Service, peer: PlatformPeer) -> None:
    peer.answer_next(PERSONS, *[Reply(status=500)] * 9)
    assert lookup_of(await service.post(ORDERS, a_channel_request("SmsPreferred", TO_KARI, TO_MOBILE))) is None
    assert peer.calls == []


@pytest.mark.parametrize(("recipient", "register"), [(PERSON, PERSONS), (ORGANIZATION, ORGANIZATIONS)])
async def test_a_register_that_is_away_fails_the_order_for_the_moment(
    service: Service, peer: PlatformPeer, recipient: dict[str, str], register: str
) -> None:
    peer.answer_next(register, *[Reply(status=500)] * 9)
    response = await service.post(ORDERS, a_channel_request("Email", recipient, TO_KARI))
    assert (response.status_code, response.json()["code"]) == (503, "NOT-00004")
    assert await stored_orders(service) == 0


async def test_a_recipient_with_both_addresses_gets_both_on_the_preferred_channels(
    service: Service, clock: FixedClock
) -> None:
    for channel in ("EmailPreferred", "SmsPreferred", "EmailAndSms"):
        await service.post(ORDERS, a_channel_request(channel, TO_KARI | TO_MOBILE))
    found = [(row["channel"], row["destination"]) for row in await notifications_of(service, clock)]
    assert found == [(Channel.EMAIL, "kari@example.no")] * 3 + [(Channel.SMS, "+4799999999")] * 3


async def test_sms_go_in_the_daytime_and_expire_after_two_days(service: Service, clock: FixedClock) -> None:
    late = NOON + 9 * HOUR  # 22:00 in Oslo
    clock.turn(9 * HOUR)
    await service.post(SMS_ORDERS, an_sms_request(), headers=service.authorization(exp=int((late + HOUR).timestamp())))
    (sms,) = await notifications_of(service, clock)
    assert (sms["lane"], sms["expiry"]) == ("sms-daytime", late + 48 * HOUR)


async def test_many_recipients_are_looked_up_and_stored_in_one_order(service: Service, peer: PlatformPeer) -> None:
    numbers = [f"{number:011}" for number in range(5000)]
    peer.persons += [a_person(number) for number in numbers[::2]]
    recipients = [{"nationalIdentityNumber": number} for number in numbers]
    lookup = lookup_of(await service.post(EMAIL_ORDERS, an_email_request(*recipients)))
    assert lookup == {"status": "PartialSuccess", "isReserved": [], "missingContact": numbers[1::2]}
    assert len(peer.calls_to(PERSONS)) == 5
    assert await stored_orders(service) == 1


async def test_a_large_body_is_refused_like_a_small_one(service: Service) -> None:
    recipients = [{"mobileNumber": "+4799999999"}] * 9000 + [{"mobileNumber": "12345"}]
    assert keys_of(await service.post(SMS_ORDERS, an_sms_request(*recipients))) == {"Recipients[9000].MobileNumber"}


async def test_orders_of_each_creator_are_their_own(service: Service) -> None:
    for creator in ("ttd", "skd"):
        await service.post(EMAIL_ORDERS, an_email_request(sendersReference="x"), headers=service.authorization(creator))
    rows = await service.services.db.fetch(
        "SELECT o.creator, s.creator AS state_creator FROM orders o JOIN order_states s ON s.order_id = o.id ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("skd", "skd"), ("ttd", "ttd")]


async def test_an_order_without_send_time_is_due_even_if_the_callers_clock_is_behind(service: Service) -> None:
    request = an_email_request(requestedSendTime="2026-03-02T11:56:00Z")
    response = await service.post(EMAIL_ORDERS, request)
    order = await service.get(f"{ORDERS}/{uuid.UUID(response.json()['orderId'])}")
    assert order.json()["requestedSendTime"] == "2026-03-02T11:56:00Z"


def test_the_document_describes_the_orders_as_deprecated() -> None:
    content = document(ROUTES, "http://here")
    for path, model in ((ORDERS, "ChannelOrderRequest"), (EMAIL_ORDERS, "EmailOrderRequest")):
        operation = content["paths"][path]["post"]
        assert (operation["tags"], operation["deprecated"]) == (["Deprecated"], True)
        assert {"202", "400", "401", "403", "415", "503"} <= set(operation["responses"])
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{model}"}
    assert content["components"]["schemas"]["EmailOrderRequest"]["required"] == ["subject", "body"]
    assert "default" not in content["components"]["schemas"]["EmailOrderRequest"]["properties"]["subject"]
