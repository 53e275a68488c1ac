"""Reading orders and the results of their notifications (spec 05, 8, 9, 11, 12 and 16)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.api.first_generation.reads import ROUTES
from altinn_notifications.api.openapi import document
from altinn_notifications.lifecycle import Channel, EmailResult, OrderType, SmsResult
from altinn_notifications.orders.model import AttachedFile, NotificationChannel, Recipient
from altinn_notifications.tracking import order_reads
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
from support.orders import SMS, an_order, registered
from support.requests import a_reminder, an_order_request, to_email, to_sms
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.service import API, keys_of
from support.times import DAY, MINUTE, NOON

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.database.pool import Database
    from support.service import Service

SELF = f"http://localhost:5090{ORDERS}"


async def placed(service: Service, path: str, request: dict[str, Any]) -> str:
    """Place an order of the first generation; its id."""
    response = await service.post(path, request)
    assert response.status_code == 202, response.text
    return str(response.json()["orderId"])


async def read(service: Service, order_id: Any) -> dict[str, Any]:
    """The order as it is shown."""
    response = await service.get(f"{ORDERS}/{order_id}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    content: dict[str, Any] = response.json()
    return content


async def found(service: Service, reference: str) -> httpx.Response:
    return await service.client.get(ORDERS, params={"sendersReference": reference}, headers=service.authorization())


async def results(service: Service, order_id: Any, channel: str) -> dict[str, Any]:
    response = await service.get(f"{ORDERS}/{order_id}/notifications/{channel}")
    assert response.status_code == 200
    content: dict[str, Any] = response.json()
    return content


async def test_an_order_is_shown_as_it_was_placed_with_its_defaults(service: Service) -> None:
    request = an_email_request(
        {"emailAddress": " kari@example.no "},
        {"emailAddress": "ola@example.no", "mobileNumber": "nonsense", "isReserved": True},
        subject="a\r\nb",
        sendersReference="sak-77",
        requestedSendTime="2026-09-01T10:00:00.5+02:00",
        conditionEndpoint="https://vg.no/condition",
        ignoreReservation=True,
        resourceId="app_ttd_apps-test",
        resourceAction="read",
    )
    order_id = await placed(service, EMAIL_ORDERS, request)
    assert await read(service, order_id) == {
        "id": order_id,
        "sendersReference": "sak-77",
        "requestedSendTime": "2026-09-01T08:00:00.5Z",
        "creator": "ttd",
        "created": "2026-03-02T12:00:00Z",
        "notificationChannel": "Email",
        "ignoreReservation": True,
        "resourceId": "app_ttd_apps-test",
        "resourceAction": "read",
        "conditionEndpoint": "https://vg.no/condition",
        "recipients": [{"emailAddress": "kari@example.no"}, {"emailAddress": "ola@example.no"}],
        "emailTemplate": {
            "fromAddress": "noreply@altinn.cloud",
            "subject": "a b",
            "body": "Du har fått en melding.",
            "contentType": "Plain",
        },
        "links": {"self": f"{SELF}/{order_id}", "status": f"{SELF}/{order_id}/status"},
    }


async def test_what_was_not_given_is_left_out(service: Service) -> None:
    order_id = await placed(service, SMS_ORDERS, an_sms_request(TO_MOBILE | {"organizationNumber": ""}))
    assert await read(service, order_id) == {
        "id": order_id,
        "requestedSendTime": "2026-03-02T12:00:00Z",
        "creator": "ttd",
        "created": "2026-03-02T12:00:00Z",
        "notificationChannel": "Sms",
        "recipients": [{"mobileNumber": "+4799999999", "organizationNumber": ""}],
        "smsTemplate": {"senderNumber": "Altinn", "body": "Du har fått en melding."},
        "links": {"self": f"{SELF}/{order_id}", "status": f"{SELF}/{order_id}/status"},
    }


async def test_both_addresses_and_a_template_for_no_use_are_shown(service: Service) -> None:
    order_id = await placed(service, ORDERS, a_channel_request("Email", TO_KARI | TO_MOBILE))
    order = await read(service, order_id)
    assert order["recipients"] == [TO_KARI | TO_MOBILE]
    assert {"emailTemplate", "smsTemplate"} <= set(order)


async def test_an_empty_reference_is_shown_with_the_order_alone(service: Service) -> None:
    order_id = await placed(service, EMAIL_ORDERS, an_email_request(sendersReference=""))
    assert (await read(service, order_id))["sendersReference"] == ""
    for rest in ("/status", "/notifications/email", "/notifications/sms"):
        assert "sendersReference" not in (await service.get(f"{ORDERS}/{order_id}{rest}")).json()


async def test_a_new_order_is_registered_and_has_no_notifications(service: Service) -> None:
    order_id = await placed(service, EMAIL_ORDERS, an_email_request())
    status = (await service.get(f"{ORDERS}/{order_id}/status")).json()
    assert (status["processingStatus"]["status"], status["processingStatus"]["lastUpdate"]) == (
        "Registered",
        status["created"],
    )
    assert "notificationsStatusSummary" not in status
    for channel in ("email", "sms"):
        assert await results(service, order_id, channel) == {
            "orderId": order_id,
            "generated": 0,
            "succeeded": 0,
            "notifications": [],
        }


async def test_orders_of_later_generations_are_read_by_their_shipment_ids(service: Service) -> None:
    request = an_order_request(
        to_email(),
        sendersReference="main",
        requestedSendTime=(NOON + DAY).isoformat(),
        dialogportenAssociation={"dialogId": "d"},
        reminders=[a_reminder(to_sms(sender="Etat"), delayDays=1)],
    )
    chain = (await service.order(request)).json()
    main = await read(service, chain["notification"]["shipmentId"])
    assert (main["notificationChannel"], main["recipients"]) == ("Email", [TO_KARI])
    reminder = await read(service, chain["notification"]["reminders"][0]["shipmentId"])
    assert (reminder["recipients"], reminder["smsTemplate"]["senderNumber"]) == ([TO_MOBILE], "Etat")
    assert reminder["requestedSendTime"] == "2026-03-04T12:00:00Z"
    assert set(main) == set(reminder) - {"smsTemplate"} | {"emailTemplate", "sendersReference"}
    unknown = await service.get(f"{ORDERS}/{chain['notificationOrderId']}")
    assert (unknown.status_code, unknown.content) == (404, b"")


async def test_reservations_are_told_of_persons_ordered_later_and_not_of_organisations(service: Service) -> None:
    db = service.services.db
    person = an_order(recipients=(Recipient(national_identity_number="16069412345"),), ignore_reservation=False)
    organization = an_order(recipients=(Recipient(organization_number="311000179"),))
    external = an_order(recipients=(Recipient(external_identity="urn:altinn:username:kari"),))
    await registered(db, person, organization, external)
    shown = [await read(service, order.id) for order in (person, organization, external)]
    assert shown[0]["ignoreReservation"] is False
    assert ["ignoreReservation" in order for order in shown[1:]] == [False, False]
    assert [order["recipients"] for order in shown] == [
        [{"nationalIdentityNumber": "16069412345"}],
        [{"organizationNumber": "311000179"}],
        [{}],
    ]


async def test_attachments_and_policies_are_not_shown(service: Service) -> None:
    link = AttachedFile("a.pdf", "application/pdf")
    order = an_order(type=OrderType.Composed, attachments=(link,), sms=SMS, channel=NotificationChannel.EMAIL_AND_SMS)
    await registered(service.services.db, order)
    shown = await read(service, order.id)
    assert "secret" not in json.dumps(shown)
    assert set(shown) == {
        "id", "requestedSendTime", "creator", "created", "notificationChannel", "recipients", "emailTemplate",
        "smsTemplate", "links",
    }  # fmt: skip


async def test_orders_are_found_by_exactly_their_reference(service: Service) -> None:
    for reference in ("sak-77", "sak-77", "SAK-77", "sak-77 ", None, "x" * 150 + "a", "x" * 150 + "b"):
        await placed(service, EMAIL_ORDERS, an_email_request(sendersReference=reference))
    await service.order(an_order_request(sendersReference="sak-77"))
    response = await found(service, "sak-77")
    assert response.status_code == 200
    content = response.json()
    assert set(content) == {"count", "orders"}
    assert content["count"] == len(content["orders"]) == 3
    for order in content["orders"]:
        assert order == await read(service, order["id"])
    for reference, count in (("SAK-77", 1), ("Sak-77", 0), ("sak-7", 0), ("x" * 150 + "b", 1), ("æ" * 9000, 0)):
        assert (await found(service, reference)).json()["count"] == count
    assert (await found(service, "nobody")).json() == {"count": 0, "orders": []}


@pytest.mark.parametrize(
    "query", ["", "?sendersReference=", "?sendersReference=%20%20", "?sendersreference=%00", "?x=1"]
)
async def test_a_reference_must_be_given(service: Service, query: str) -> None:
    assert keys_of(await service.get(f"{ORDERS}{query}")) == {"sendersReference"}


async def test_the_name_of_the_query_is_read_in_any_case(service: Service) -> None:
    await placed(service, EMAIL_ORDERS, an_email_request(sendersReference="sak 77"))
    assert (await service.get(f"{ORDERS}/?SENDERSREFERENCE=sak+77")).json()["count"] == 1


@pytest.mark.parametrize(
    "path", ["not-a-guid", "email", "sms", "abc/notifications/email", "abc/notifications/sms", "chain"]
)
async def test_an_id_that_is_no_guid_is_told_so(service: Service, path: str) -> None:
    assert keys_of(await service.get(f"{ORDERS}/{path}")) == {"id"}


async def test_an_id_is_read_in_its_usual_spellings(service: Service) -> None:
    order_id = await placed(service, EMAIL_ORDERS, an_email_request())
    for spelled in (order_id.upper(), uuid.UUID(order_id).hex, f"{{{order_id}}}"):
        assert (await read(service, spelled))["id"] == order_id
    assert (await service.get(f"/NOTIFICATIONS/api/v1/orders/{order_id}/")).status_code == 200
    assert (await service.client.head(f"{ORDERS}/{order_id}")).status_code == 405


PATHS = ["", "/status", "/notifications/email", "/notifications/sms"]


@pytest.mark.parametrize("rest", PATHS)
async def test_what_the_caller_does_not_have_is_an_empty_404(service: Service, rest: str) -> None:
    order_id = await placed(service, EMAIL_ORDERS, an_email_request(sendersReference="sak-77"))
    for path, creator in ((f"{ORDERS}/{order_id}", "skd"), (f"{ORDERS}/{uuid.uuid4()}", "ttd")):
        response = await service.client.get(f"{path}{rest}", headers=service.authorization(creator))
        assert (response.status_code, response.content) == (404, b"")
    assert (await service.get(f"{ORDERS}/{order_id}{rest}")).status_code == 200


async def test_orders_of_others_are_not_found(service: Service) -> None:
    await placed(service, EMAIL_ORDERS, an_email_request(sendersReference="sak-77"))
    path = f"{ORDERS}?sendersReference=sak-77"
    for creator, count in (("skd", 0), ("TTD", 0), ("ttd", 1)):
        response = await service.client.get(path, headers=service.authorization(creator))
        assert response.json()["count"] == count


@pytest.mark.parametrize("path", ["?sendersReference=x", *(f"/{uuid.UUID(int=1)}{rest}" for rest in PATHS)])
async def test_only_those_who_may_order_may_read(service: Service, path: str) -> None:
    other_scope = service.authorization(scope="altinn:somethingelse")
    for headers, status in (({}, 401), (other_scope, 403), (service.authorization(None), 403)):
        response = await service.client.get(f"{ORDERS}{path}", headers=headers)
        assert (response.status_code, response.content) == (status, b"")


async def test_an_app_of_the_owner_reads_what_the_owner_ordered(service: Service) -> None:
    order_id = await placed(service, EMAIL_ORDERS, an_email_request())
    for app in ("apps-test", "another-app"):
        headers = {"PlatformAccessToken": service.issuer.platform("ttd", app)}
        for rest in PATHS:
            assert (await service.client.get(f"{ORDERS}/{order_id}{rest}", headers=headers)).status_code == 200


async def test_results_are_shown_with_their_recipients_in_order_of_creation(service: Service) -> None:
    db = service.services.db
    order = await insert(db, a_stored_order(senders_reference="sak-77", status="Processed"))
    second = await insert(
        db,
        a_stored_email(
            order.id,
            position=1,
            destination="",
            national_identity_number="16069412345",
            result="Failed_RecipientReserved",
        ),
    )
    first = await insert(
        db,
        a_stored_email(
            order.id,
            destination="post@bedrift.example",
            organization_number="311000179",
            result="Delivered",
            result_time=NOON + MINUTE,
        ),
    )
    content = await results(service, order.id, "email")
    described = [notification["sendStatus"].pop("description") for notification in content["notifications"]]
    assert all(described)
    assert content == {
        "orderId": str(order.id),
        "sendersReference": "sak-77",
        "generated": 2,
        "succeeded": 1,
        "notifications": [
            {
                "id": str(first.id),
                "succeeded": True,
                "recipient": {"emailAddress": "post@bedrift.example", "organizationNumber": "311000179"},
                "sendStatus": {"status": "Delivered", "lastUpdate": "2026-03-02T12:01:00Z"},
            },
            {
                "id": str(second.id),
                "succeeded": False,
                "recipient": {"emailAddress": "", "nationalIdentityNumber": "16069412345"},
                "sendStatus": {"status": "Failed_RecipientReserved", "lastUpdate": "2026-03-02T12:00:00Z"},
            },
        ],
    }
    assert await results(service, order.id, "sms") == {
        "orderId": str(order.id),
        "sendersReference": "sak-77",
        "generated": 0,
        "succeeded": 0,
        "notifications": [],
    }


@pytest.mark.parametrize(
    ("channel", "words", "successes"),
    [
        (Channel.EMAIL, list(EmailResult), {"Succeeded", "Delivered"}),
        (Channel.SMS, list(SmsResult), {"Accepted", "Delivered"}),
    ],
)
async def test_every_result_is_shown_as_stored_but_for_those_that_were_given_up(
    service: Service, channel: Channel, words: list[str], successes: set[str]
) -> None:
    db = service.services.db
    order = await insert(db, a_stored_order(status="Processed"))
    a_message = a_stored_email if channel is Channel.EMAIL else a_stored_sms
    for position, word in enumerate(words):
        await insert(db, a_message(order.id, position=position, result=str(word)))
    content = await results(service, order.id, channel.lower())
    shown = [notification["sendStatus"]["status"] for notification in content["notifications"]]
    assert shown == ["Failed" if word == "Failed_TTL" else word for word in words]
    assert {one["sendStatus"]["status"] for one in content["notifications"] if one["succeeded"]} == successes
    assert (content["generated"], content["succeeded"]) == (len(words), 2)
    failed, given_up = (content["notifications"][words.index(word)] for word in ("Failed", "Failed_TTL"))
    assert failed["sendStatus"]["description"] != given_up["sendStatus"]["description"]
    status = (await service.get(f"{ORDERS}/{order.id}/status")).json()
    assert status["notificationsStatusSummary"][channel.lower()]["succeeded"] == 2


async def test_sms_have_mobile_numbers(service: Service) -> None:
    db = service.services.db
    order = await insert(db, a_stored_order(senders_reference=None, status="Processed"))
    await insert(db, a_stored_sms(order.id, destination="+4799999999", result="New"))
    content = await results(service, order.id, "sms")
    assert "sendersReference" not in content
    assert [one["recipient"] for one in content["notifications"]] == [{"mobileNumber": "+4799999999"}]


async def test_an_order_of_thousands_is_read_whole(service: Service) -> None:
    recipients = tuple(Recipient(email_address=f"kari{number}@example.no") for number in range(3000))
    order = an_order(recipients=recipients)
    await registered(service.services.db, order)
    shown = (await read(service, order.id))["recipients"]
    assert shown == [{"emailAddress": recipient.email_address} for recipient in recipients]


async def test_orders_are_read_by_index_alone(db: Database) -> None:
    orders = [an_order(senders_reference=f"sak-{number}") for number in range(200)]
    await registered(db, *orders)
    arguments: dict[str, tuple[Any, ...]] = {
        order_reads.FIND_ORDER: (orders[7].id, "ttd"),
        order_reads.FIND_ORDERS_BY_REFERENCE: ("ttd", "sak-7"),
        order_reads.FIND_RESULTS: (orders[7].id, "ttd", "Email"),
    }
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        for statement, values in arguments.items():
            plan = await connection.fetch(f"EXPLAIN {statement}", *values)
            assert not any("Seq Scan" in row[0] for row in plan), plan


def test_the_document_calls_the_reads_deprecated() -> None:
    paths = document(ROUTES, "http://here")["paths"]
    assert {path.removeprefix(ORDERS) for path in paths} == {
        "",
        "/{id}",
        "/{id}/notifications/email",
        "/{id}/notifications/sms",
    }
    for operations in paths.values():
        assert (operations["get"]["tags"], operations["get"]["deprecated"]) == (["Deprecated"], True)
    assert {"200", "400", "401", "403", "404"} <= set(paths[f"{API}/orders/{{id}}"]["get"]["responses"])
    (parameter,) = paths[ORDERS]["get"]["parameters"]
    assert (parameter["name"], parameter["required"]) == ("sendersReference", True)
