"""The requests that the library of Altinn apps sends, and what becomes of them (spec 14, 4, 9 and 10)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from support.composed import COMPOSED as COMPOSED_EMAIL
from support.composed import a_composed_request, an_attachment
from support.first_generation import EMAIL_ORDERS, ORDERS, SMS_ORDERS
from support.gateway_peer import GatewayPeer
from support.orders import processor
from support.platform_peer import CONDITION, DECISION, Reply, encoded_jwk, running_peer
from support.requests import a_reminder, an_order_request, to_email, to_organization, to_person
from support.running_worker import running_worker
from support.service import API, keys_of, running_service
from support.service import ORDERS as CHAINS
from support.smtp_peer import SmtpPeer
from support.times import DAY, HOUR, MINUTE, NOON
from support.tokens import COMPOSED, CREATE
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.platform_peer import PlatformPeer
    from support.service import Service

KARI, COMPANY = "16069412345", "311000179"
EMAIL_URN = "urn:altinn:person:idporten-email:kari@epost.example"
RESOURCE = "urn:altinn:resource:app_ttd_demo-app"
INSTANCE = "51001/0b4f1b2e-5d0b-4a0e-8b54-2f0a8a0f7c11"
CODE = "?code=a%2Bb%3D.c-d_e"
EMAIL_ORDER: dict[str, Any] = {
    "subject": "Skjema mottatt",
    "body": "Vi har mottatt skjemaet.",
    "sendersReference": "skjema-1",
    "contentType": "Plain",
    "recipients": [{"emailAddress": "mottaker@epost.example"}],
    "requestedSendTime": "2026-03-02T12:00:00Z",
}
SMS_RECIPIENT = {"mobileNumber": "+4799999001", "organisationNumber": None, "nationalIdentityNumber": None}
SMS_ORDER: dict[str, Any] = {
    "senderNumber": "Altinn",
    "body": "Vi har mottatt skjemaet.",
    "requestedSendTime": "2026-03-02T12:00:00Z",
    "sendersReference": "skjema-1",
    "recipients": [SMS_RECIPIENT],
}
EMAIL_SETTINGS = {"subject": "Nytt skjema", "body": "Du har fått et skjema.", "contentType": "Plain"}
SMS_SETTINGS = {"sender": "Altinn", "body": "Du har fått et skjema.", "sendingTimePolicy": "Daytime"}
PERSON = {
    "recipientPerson": {
        "nationalIdentityNumber": KARI,
        "channelSchema": "EmailAndSms",
        "ignoreReservation": False,
        "resourceId": RESOURCE,
        "emailSettings": EMAIL_SETTINGS,
        "smsSettings": SMS_SETTINGS,
    }
}
ORGANIZATION = {
    "recipientOrganization": {
        "orgNumber": COMPANY,
        "channelSchema": "EmailAndSms",
        "resourceId": RESOURCE,
        "emailSettings": EMAIL_SETTINGS,
        "smsSettings": SMS_SETTINGS,
    }
}
EXTERNAL = {
    "recipientExternalIdentity": {
        "externalIdentity": EMAIL_URN,
        "channelSchema": "EmailPreferred",
        "resourceId": RESOURCE,
        "emailSettings": EMAIL_SETTINGS,
        "smsSettings": SMS_SETTINGS,
    }
}


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    """The platform, which knows Kari, a company with one more user, and a self-registered user."""
    async with running_peer() as peer:
        contact = {"email": "kari@epost.example", "mobileNumber": "+4799999001"}
        peer.persons.append({"nationalIdentityNumber": KARI, "isReserved": False, **contact})
        peer.external.append({"externalIdentity": EMAIL_URN, "email": "kari@epost.example", "mobileNumber": None})
        official = {"emailList": ["post@bedrift.example"], "mobileNumberList": ["+4799999109"]}
        peer.organizations.append({"organizationNumber": COMPANY, "partyId": 51001, **official})
        anna = {"userId": 20001, "email": "anna@bedrift.example"}
        peer.users.append({"organizationNumber": COMPANY, "partyId": 51001, "userContactPoints": [anna]})
        peer.permits.add((51001, 20001))
        yield peer


@pytest.fixture
async def service(database_url: str, clock: FixedClock, peer: PlatformPeer) -> AsyncIterator[Service]:
    platform = peer.settings(maskinporten_jwk=encoded_jwk()).platform
    async with running_service(database_url, clock, platform=platform) as running:
        yield running


def an_apps_headers(service: Service, owner: str = "ttd", app: str = "demo-app") -> dict[str, str]:
    return {
        "PlatformAccessToken": service.issuer.platform(owner, app),
        "Accept": "application/json",
        "Content-Type": "application/json; charset=utf-8",
    }


async def post(service: Service, path: str, body: Any) -> httpx.Response:
    """Order as an app of `ttd` does: with its platform token and nothing else."""
    content = json.dumps(body, ensure_ascii=False).encode()
    return await service.client.post(path, content=content, headers=an_apps_headers(service))


async def ordered(service: Service, path: str, body: Any) -> str:
    """Place an order of the first generation; its id."""
    response = await post(service, path, body)
    assert response.status_code == 202, response.text
    return str(response.json()["orderId"])


async def process(service: Service, clock: FixedClock) -> None:
    """Process what is due, until nothing goes on beside."""
    worker = processor(service.services.db, clock, service.services.platform)
    while await worker.process_batch():
        await worker.settled()


async def statuses(db: Database) -> list[str]:
    """The stored statuses of all orders, by send time."""
    rows = await db.fetch(
        "SELECT s.status FROM order_states s JOIN orders o ON o.id = s.order_id ORDER BY o.requested_send_time"
    )
    return [row["status"] for row in rows]


async def destinations(db: Database) -> list[str]:
    return [row["destination"] for row in await db.fetch("SELECT destination FROM notifications ORDER BY id")]


def at_instantiation(peer: PlatformPeer, recipient: dict[str, Any]) -> dict[str, Any]:
    """What the library orders when an instance is created, five minutes ahead in local time."""
    condition = f"{peer.url}{CONDITION}{CODE}"
    reminder = {"conditionEndpoint": condition, "recipient": recipient}
    return {
        "idempotencyId": f"{INSTANCE}-init",
        "sendersReference": f"app-{INSTANCE}",
        "requestedSendTime": "2026-03-02T14:05:00+02:00",
        "conditionEndpoint": condition,
        "recipient": recipient,
        "reminders": [
            {"delayDays": 7, **reminder},
            {"requestedSendTime": "2026-03-12T14:05:00+02:00", **reminder},
        ],
    }


async def test_an_email_order_for_now_is_accepted(service: Service) -> None:
    order_id = await ordered(service, EMAIL_ORDERS, EMAIL_ORDER)
    shown = (await service.client.get(f"{ORDERS}/{order_id}", headers=an_apps_headers(service))).json()
    assert (shown["creator"], shown["sendersReference"]) == ("ttd", "skjema-1")
    assert (shown["requestedSendTime"], shown["recipients"]) == ("2026-03-02T12:00:00Z", EMAIL_ORDER["recipients"])


@pytest.mark.parametrize("misspelt", [None, COMPANY])
async def test_an_sms_order_is_accepted_and_its_misspelt_member_is_nothing(
    service: Service, misspelt: str | None
) -> None:
    recipient = SMS_RECIPIENT | {"organisationNumber": misspelt}
    order_id = await ordered(service, SMS_ORDERS, SMS_ORDER | {"recipients": [recipient]})
    shown = (await service.get(f"{ORDERS}/{order_id}")).json()
    assert shown["recipients"] == [{"mobileNumber": "+4799999001"}]


async def test_the_misspelt_member_alone_names_no_recipient(service: Service) -> None:
    recipient = SMS_RECIPIENT | {"organisationNumber": COMPANY, "mobileNumber": None}
    assert keys_of(await post(service, SMS_ORDERS, SMS_ORDER | {"recipients": [recipient]})) == {"Recipients[0]"}


async def test_a_chain_may_have_null_for_its_reminders(service: Service) -> None:
    person = {"nationalIdentityNumber": KARI, "channelSchema": "Email", "ignoreReservation": False}
    body = {
        "idempotencyId": "skjema-1",
        "recipient": {"recipientPerson": {**person, "emailSettings": EMAIL_SETTINGS}},
        "reminders": None,
    }
    response = await post(service, CHAINS, body)
    assert response.status_code == 201, response.text
    assert UUID(response.json()["notificationOrderId"])
    assert list(response.json()["notification"]) == ["shipmentId"]


@pytest.mark.parametrize("recipient", [PERSON, ORGANIZATION, EXTERNAL], ids=lambda recipient: next(iter(recipient)))
async def test_what_is_ordered_at_instantiation_is_kept_as_it_was_meant(
    service: Service, peer: PlatformPeer, recipient: dict[str, Any]
) -> None:
    body = at_instantiation(peer, recipient)
    first = await post(service, CHAINS, body)
    assert first.status_code == 201, first.text
    repeat = await post(service, CHAINS, body)
    assert (repeat.status_code, repeat.content) == (200, first.content)
    notification = first.json()["notification"]
    assert notification["sendersReference"] == f"app-{INSTANCE}"
    assert [set(reminder) for reminder in notification["reminders"]] == [{"shipmentId"}] * 2
    rows = await service.services.db.fetch("SELECT requested_send_time FROM orders ORDER BY 1")
    due = NOON + 5 * MINUTE
    assert [row["requested_send_time"] for row in rows] == [due, due + 7 * DAY, due + 10 * DAY]


async def test_the_condition_is_asked_with_the_query_that_was_ordered(
    service: Service, peer: PlatformPeer, clock: FixedClock
) -> None:
    await post(service, CHAINS, at_instantiation(peer, PERSON))
    clock.turn(5 * MINUTE)
    await process(service, clock)
    (call,) = peer.calls_to(CONDITION)
    assert (call.method, call.target) == ("GET", f"{CONDITION}{CODE}")
    assert await statuses(service.services.db) == ["Processed", "Registered", "Registered"]


@pytest.mark.parametrize("status", [401, 500])
async def test_a_condition_that_cannot_be_told_twice_lets_the_notification_go(
    service: Service, peer: PlatformPeer, clock: FixedClock, status: int
) -> None:
    asked_at_a_check = 2 if status == 401 else 1
    peer.answer_next(CONDITION, *[Reply(status=status)] * 2 * asked_at_a_check)
    await post(service, CHAINS, at_instantiation(peer, PERSON) | {"reminders": None})
    clock.turn(5 * MINUTE)
    await process(service, clock)
    assert await statuses(service.services.db) == ["Processing"]
    clock.turn(MINUTE)
    await process(service, clock)
    assert await statuses(service.services.db) == ["Processed"]
    assert len(peer.calls_to(CONDITION)) == 2 * asked_at_a_check
    assert await destinations(service.services.db) == ["kari@epost.example", "+4799999001"]


async def test_when_the_instance_is_finished_neither_order_nor_reminders_are_sent(
    service: Service, peer: PlatformPeer, clock: FixedClock
) -> None:
    peer.answer_next(CONDITION, *[Reply({"sendNotification": False})] * 3)
    await post(service, CHAINS, at_instantiation(peer, PERSON))
    for days in (1, 7, 3):
        clock.turn(days * DAY)
        await process(service, clock)
    assert await statuses(service.services.db) == ["SendConditionNotMet"] * 3
    assert await destinations(service.services.db) == []


@pytest.mark.parametrize(
    ("recipient", "reached"),
    [
        (PERSON, ["kari@epost.example", "+4799999001"]),
        (ORGANIZATION, ["post@bedrift.example", "anna@bedrift.example", "+4799999109"]),
        (EXTERNAL, ["kari@epost.example"]),
    ],
    ids=lambda value: next(iter(value)),
)
async def test_each_kind_of_instance_owner_is_reached(
    service: Service, peer: PlatformPeer, clock: FixedClock, recipient: dict[str, Any], reached: list[str]
) -> None:
    await post(service, CHAINS, at_instantiation(peer, recipient) | {"reminders": None})
    clock.turn(5 * MINUTE)
    await process(service, clock)
    assert await destinations(service.services.db) == reached
    decisions = [call.json["request"]["resource"][0]["attribute"] for call in peer.calls_to(DECISION)]
    asked_about = [{one["attributeId"]: one["value"] for one in attributes} for attributes in decisions]
    app = {"urn:altinn:org": "ttd", "urn:altinn:app": "demo-app", "urn:altinn:partyid": "51001"}
    assert asked_about == ([app] if recipient is ORGANIZATION else [])


async def test_a_resource_without_its_prefix_is_for_orders_of_the_first_generation(
    service: Service, peer: PlatformPeer, clock: FixedClock
) -> None:
    refused = await post(service, CHAINS, an_order_request(to_organization(COMPANY, resourceId="app_ttd_demo-app")))
    assert keys_of(refused) == {"Recipient.RecipientOrganization.ResourceId"}
    to_company = {"recipients": [{"organizationNumber": COMPANY}], "resourceId": "app_ttd_demo-app"}
    await ordered(service, EMAIL_ORDERS, EMAIL_ORDER | to_company)
    await process(service, clock)
    (decision,) = peer.calls_to(DECISION)
    attributes = {one["attributeId"]: one["value"] for one in decision.json["request"]["resource"][0]["attribute"]}
    assert attributes["urn:altinn:app"] == "demo-app"


async def test_only_apps_of_the_owner_and_the_owner_cancel_and_read(service: Service) -> None:
    later = {"requestedSendTime": (NOON + HOUR).isoformat()}
    order_id = await ordered(service, EMAIL_ORDERS, EMAIL_ORDER | later)
    cancel = f"{ORDERS}/{order_id}/cancel"
    stranger = await service.client.put(cancel, headers=an_apps_headers(service, "skd"))
    assert stranger.status_code == 404
    assert (await service.get(f"{ORDERS}/{order_id}")).status_code == 200
    sibling = await service.client.put(cancel, headers=an_apps_headers(service, app="another-app"))
    assert (sibling.status_code, sibling.json()["processingStatus"]["status"]) == (200, "Cancelled")


async def test_what_the_provider_does_not_like_is_accepted_and_told_by_its_result(
    service: Service, database_url: str, clock: FixedClock, peer: PlatformPeer
) -> None:
    long_name = "Et avsendernavn paa 27 tegn"
    assert len(long_name) == 27
    async with SmtpPeer() as smtp, GatewayPeer() as gateway:
        smtp.always("MAIL", "550 5.7.1 Sender not known here")
        await ordered(service, SMS_ORDERS, SMS_ORDER | {"senderNumber": long_name})
        chain = await post(service, CHAINS, an_order_request(to_email(senderEmailAddress="hei@ukjent.example")))
        foreign = chain.json()["notification"]["shipmentId"]
        async with running_worker(database_url, clock, platform=peer, smtp=smtp, gateway=gateway):
            await service.client.post(f"{API}/trigger/pastdueorders")
            await until(lambda: is_over(service, foreign), "the email is refused")
            await until(lambda: has_requests(gateway), "the SMS is sent")
        assert gateway.requests[0].value("SND") == long_name
        assert any(command.startswith("MAIL FROM:<hei@ukjent.example>") for command in smtp.commands)
    (told,) = (await service.get(f"{ORDERS}/{foreign}/notifications/email")).json()["notifications"]
    assert told["sendStatus"]["status"].startswith("Failed")


async def is_over(service: Service, order_id: str) -> bool:
    status = await service.services.db.fetchval("SELECT status FROM order_states WHERE order_id = $1", UUID(order_id))
    return bool(status == "Completed")


async def has_requests(gateway: GatewayPeer) -> bool:
    return bool(gateway.requests)


async def test_one_token_may_have_the_scopes_for_both_kinds_of_orders(service: Service) -> None:
    both = service.authorization(scopes=f"{CREATE} {COMPOSED}")
    assert (await service.order(an_order_request(), headers=both)).status_code == 201
    composed = await service.post(COMPOSED_EMAIL, a_composed_request(an_attachment()), headers=both)
    assert composed.status_code == 201


def pascal(value: Any) -> Any:
    """The same with the names of all properties in PascalCase."""
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: pascal(inner) for name, inner in value.items()}
    return [pascal(inner) for inner in value] if isinstance(value, list) else value


def with_more(value: Any) -> Any:
    """The same with an unknown property in every object."""
    if isinstance(value, dict):
        return {**{name: with_more(inner) for name, inner in value.items()}, "fraFremtiden": {"x": [None, 1.5]}}
    return [with_more(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("change", [pascal, with_more])
async def test_names_are_read_in_any_case_and_unknown_ones_are_passed_over_everywhere(
    service: Service, change: Any
) -> None:
    for path, body in ((EMAIL_ORDERS, EMAIL_ORDER), (SMS_ORDERS, SMS_ORDER)):
        answer = await post(service, path, change(body))
        assert answer.status_code == 202, answer.text
    chain = an_order_request(to_person(KARI), reminders=[a_reminder()], dialogportenAssociation={"dialogId": "d"})
    answer = await post(service, CHAINS, change(chain))
    assert answer.status_code == 201, answer.text
