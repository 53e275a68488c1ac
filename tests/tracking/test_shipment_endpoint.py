from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from altinn_notifications.lifecycle import OrderStatus, OrderType
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.times import MINUTE, NOON, SECOND

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.database.pool import Database
    from support.rows import StoredOrder
    from support.tokens import TokenIssuer


async def manifest(client: httpx.AsyncClient, order: StoredOrder) -> Any:
    response = await client.get(f"/shipment/{order.id}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return response.json()


async def test_a_processed_order_is_shown_with_its_recipients_emails_first(
    db: Database, client: httpx.AsyncClient
) -> None:
    order = await insert(
        db, a_stored_order(status=OrderStatus.PROCESSED, created=NOON, last_change=NOON + 12.5 * SECOND)
    )
    sms = a_stored_sms(order.id, result="Accepted", result_time=NOON + 65.7 * SECOND)
    email = a_stored_email(order.id, result="Delivered", result_time=NOON + MINUTE, destination="post@example.no")
    for row in (sms, email):
        await insert(db, row)
    assert await manifest(client, order) == {
        "shipmentId": str(order.id),
        "sendersReference": "case-4711",
        "type": "Notification",
        "status": "Order_Processed",
        "lastUpdate": "2026-03-02T12:00:12.5Z",
        "recipients": [
            {
                "type": "Email",
                "destination": "post@example.no",
                "status": "Email_Delivered",
                "lastUpdate": "2026-03-02T12:01:00Z",
            },
            {
                "type": "SMS",
                "destination": "+4799999999",
                "status": "SMS_Accepted",
                "lastUpdate": "2026-03-02T12:01:05.7Z",
            },
        ],
    }


async def test_the_type_of_a_recipient_is_written_first(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    await insert(db, a_stored_email(order.id))
    recipient = (await manifest(client, order))["recipients"][0]
    assert list(recipient) == ["type", "destination", "status", "lastUpdate"]


async def test_recipients_of_a_channel_come_in_order_of_creation(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    for position in (2, 0, 1):
        await insert(db, a_stored_sms(order.id, position=position, destination=f"+479999999{position}"))
    destinations = [recipient["destination"] for recipient in (await manifest(client, order))["recipients"]]
    assert destinations == ["+4799999990", "+4799999991", "+4799999992"]


async def test_an_order_just_registered_has_no_recipients_and_the_time_of_its_creation(
    db: Database, client: httpx.AsyncClient
) -> None:
    order = await insert(db, a_stored_order(requested_send_time=NOON + MINUTE))
    shown = await manifest(client, order)
    assert (shown["status"], shown["lastUpdate"]) == ("Order_Registered", "2026-03-02T12:00:00Z")
    assert shown["recipients"] == []


async def test_the_last_update_is_never_before_the_creation(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(created=NOON, last_change=NOON - SECOND))
    assert (await manifest(client, order))["lastUpdate"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize("status", OrderStatus)
async def test_every_status_of_an_order_is_shown(db: Database, client: httpx.AsyncClient, status: OrderStatus) -> None:
    order = await insert(db, a_stored_order(status=status))
    assert (await manifest(client, order))["status"] == f"Order_{status}"


@pytest.mark.parametrize("kind", OrderType)
async def test_every_type_of_order_is_shown(db: Database, client: httpx.AsyncClient, kind: OrderType) -> None:
    order = await insert(db, a_stored_order(type=kind))
    assert (await manifest(client, order))["type"] == kind.name


async def test_an_order_without_a_searchable_reference_shows_none(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(senders_reference=None, content={"sendersReference": "  "}))
    assert "sendersReference" not in await manifest(client, order)


async def test_a_reserved_person_shows_once_per_channel_without_address(
    db: Database, client: httpx.AsyncClient
) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED, channel="EmailAndSms"))
    reserved = {"result": "Failed_RecipientReserved", "destination": "", "national_identity_number": "01010112345"}
    await insert(db, a_stored_email(order.id, **reserved))
    await insert(db, a_stored_sms(order.id, **reserved))
    response = await client.get(f"/shipment/{order.id}")
    shown = [(one["type"], one["destination"], one["status"]) for one in response.json()["recipients"]]
    assert shown == [
        ("Email", "", "Email_Failed_RecipientReserved"),
        ("SMS", "", "SMS_Failed_RecipientReserved"),
    ]
    assert "01010112345" not in response.text


@pytest.mark.parametrize(
    ("channel", "stored", "shown"),
    [
        ("Email", "Failed_InvalidEmailFormat", "Email_Failed_InvalidFormat"),
        ("Email", "Failed_SupressedRecipient", "Email_Failed_SuppressedRecipient"),
        ("Email", "Failed_InvalidSasUrl", "Email_Failed_InvalidSasUrl"),
        ("Sms", "Failed_InvalidReceiver", "SMS_Failed_InvalidRecipient"),
        ("Sms", "Failed_WhoKnows", "SMS_Failed"),
        ("Email", "Failed_WhoKnows", "Email_Failed"),
    ],
)
async def test_stored_results_are_told_in_the_words_of_clients(
    db: Database, client: httpx.AsyncClient, channel: str, stored: str, shown: str
) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    a_message = a_stored_email if channel == "Email" else a_stored_sms
    await insert(db, a_message(order.id, result=stored))
    assert [one["status"] for one in (await manifest(client, order))["recipients"]] == [shown]


async def test_an_unknown_shipment_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/shipment/{uuid4()}")
    assert response.status_code == 404
    assert (response.json()["code"], response.json()["statusDescription"]) == ("NOT-00003", "Not Found")


async def test_another_organisations_shipment_is_answered_like_an_unknown_one(
    db: Database, client: httpx.AsyncClient
) -> None:
    for creator in ("skd", "TTD"):
        order = await insert(db, a_stored_order(creator=creator))
        response = await client.get(f"/shipment/{order.id}")
        assert (response.status_code, response.json()["code"]) == (404, "NOT-00003")


async def test_an_order_chain_is_not_a_shipment(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(chain_id=uuid4()))
    assert (await client.get(f"/shipment/{order.chain_id}")).status_code == 404


async def test_what_is_not_a_guid_is_an_unknown_path_even_without_credentials(client: httpx.AsyncClient) -> None:
    response = await client.get("/shipment/not-a-guid", headers={"Authorization": ""})
    assert (response.status_code, response.content) == (404, b"")


async def test_a_guid_may_be_written_in_any_usual_form(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order())
    for text in (order.id.hex, str(order.id).upper(), f"{{{order.id}}}", f"({order.id})"):
        response = await client.get(f"/shipment/{text}")
        assert (response.status_code, response.json()["shipmentId"]) == (200, str(order.id))


async def test_a_caller_needs_credentials_and_the_scope(
    db: Database, client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    order = await insert(db, a_stored_order())
    answers = {}
    for name, token in {
        "none": "",
        "a person": f"Bearer {issuer.personal(scopes='openid')}",
        "another scope": f"Bearer {issuer.enterprise(scopes='altinn:serviceowner/instances.read')}",
        "no organisation": f"Bearer {issuer.enterprise(org=None)}",
    }.items():
        response = await client.get(f"/shipment/{order.id}", headers={"Authorization": token})
        answers[name] = (response.status_code, response.content)
    assert answers == {
        "none": (401, b""),
        "a person": (403, b""),
        "another scope": (403, b""),
        "no organisation": (403, b""),
    }


async def test_a_platform_access_token_of_the_creator_is_enough(
    db: Database, client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    order = await insert(db, a_stored_order())
    headers = {"Authorization": "", "PlatformAccessToken": issuer.platform("ttd")}
    assert (await client.get(f"/shipment/{order.id}", headers=headers)).status_code == 200
    headers["PlatformAccessToken"] = issuer.platform("skd")
    assert (await client.get(f"/shipment/{order.id}", headers=headers)).status_code == 404


async def test_absent_values_are_left_out_rather_than_null(db: Database, client: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(senders_reference=None, status=OrderStatus.PROCESSED))
    await insert(db, a_stored_email(order.id))
    assert "null" not in json.dumps(await manifest(client, order))
