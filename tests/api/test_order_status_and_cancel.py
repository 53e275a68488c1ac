"""`GET /orders/{id}/status` and `PUT /orders/{id}/cancel` (spec 05, 10, 13, 14 and 16)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.api.first_generation.status import ROUTES
from altinn_notifications.api.openapi import document
from altinn_notifications.orders.model import Recipient
from support.orders import an_order, feed_of, registered
from support.requests import a_reminder, an_order_request, to_sms
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.service import API, keys_of
from support.times import DAY, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from datetime import timedelta

    import httpx

    from altinn_notifications.clock import FixedClock
    from support.service import Service


def status_path(order_id: Any) -> str:
    return f"{API}/orders/{order_id}/status"


async def cancel(service: Service, order_id: Any, **headers: str) -> httpx.Response:
    credentials = headers or service.authorization()
    return await service.client.put(f"{API}/orders/{order_id}/cancel", headers=credentials)


async def ordered(service: Service, ahead: timedelta, **changes: Any) -> str:
    """Order something for later; the shipment id."""
    request = an_order_request(requestedSendTime=(NOON + ahead).isoformat(), **changes)
    return str((await service.order(request)).json()["notification"]["shipmentId"])


async def test_a_new_order_is_registered_and_has_no_summary(service: Service) -> None:
    order_id = await ordered(service, DAY, sendersReference="sak-77", conditionEndpoint="https://a.no/x?y=1")
    response = await service.get(status_path(order_id))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    body = response.json()
    assert (
        body.pop("processingStatus").items() >= {"status": "Registered", "lastUpdate": "2026-03-02T12:00:00Z"}.items()
    )
    assert body == {
        "id": order_id,
        "sendersReference": "sak-77",
        "requestedSendTime": "2026-03-03T12:00:00Z",
        "creator": "ttd",
        "created": "2026-03-02T12:00:00Z",
        "notificationChannel": "Email",
        "conditionEndpoint": "https://a.no/x?y=1",
    }


async def test_what_a_person_was_ordered_with_is_shown(service: Service) -> None:
    order = an_order(
        recipients=(Recipient(national_identity_number="16069412345"),),
        ignore_reservation=False,
        resource_id="urn:altinn:resource:r",
        resource_action="read",
    )
    await registered(service.services.db, order)
    body = (await service.get(status_path(order.id))).json()
    shown = {"ignoreReservation": False, "resourceId": "urn:altinn:resource:r", "resourceAction": "read"}
    assert shown.items() <= body.items()
    assert "16069412345" not in str(body)


@pytest.mark.parametrize("reference", ["", "  ", None])
async def test_a_blank_reference_is_left_out(service: Service, reference: str | None) -> None:
    order_id = await ordered(service, DAY, sendersReference=reference)
    assert "sendersReference" not in (await service.get(status_path(order_id))).json()


async def test_a_processed_order_is_completed_to_clients_and_only_described_otherwise(service: Service) -> None:
    db = service.services.db
    processed = await insert(db, a_stored_order(status="Processed", last_change=NOON + MINUTE))
    await insert(db, a_stored_email(processed.id, result="Sending"))
    completed = await insert(db, a_stored_order(status="Completed"))
    await insert(db, a_stored_email(completed.id, result="Delivered"))
    first = (await service.get(status_path(processed.id))).json()
    last = (await service.get(status_path(completed.id))).json()
    assert first["processingStatus"]["lastUpdate"] == "2026-03-02T12:01:00Z"
    assert [body["processingStatus"]["status"] for body in (first, last)] == ["Completed", "Completed"]
    assert first["processingStatus"]["description"] != last["processingStatus"]["description"]
    assert first["notificationsStatusSummary"] == {"email": summary(processed.id, "email", 1, 0)}
    assert last["notificationsStatusSummary"] == {"email": summary(completed.id, "email", 1, 1)}


async def test_both_channels_are_counted_and_delivered_sms_stay_successes(service: Service) -> None:
    db = service.services.db
    order = await insert(db, a_stored_order(status="Processed"))
    for result in ("New", "Succeeded", "Delivered", "Failed_Bounced", "Failed_RecipientReserved"):
        await insert(db, a_stored_email(order.id, result=result))
    for result in ("Accepted", "Delivered", "Failed_TTL"):
        await insert(db, a_stored_sms(order.id, result=result))
    body = (await service.get(status_path(order.id))).json()
    assert body["notificationsStatusSummary"] == {
        "email": summary(order.id, "email", 5, 2),
        "sms": summary(order.id, "sms", 3, 2),
    }


def summary(order_id: Any, channel: str, generated: int, succeeded: int) -> dict[str, Any]:
    link = f"http://localhost:5090{API}/orders/{order_id}/notifications/{channel}"
    return {"links": {"self": link}, "generated": generated, "succeeded": succeeded}


@pytest.mark.parametrize("status", ["Registered", "Processing", "SendConditionNotMet", "Cancelled"])
async def test_an_order_without_notifications_has_a_status_only(service: Service, status: str) -> None:
    order = await insert(service.services.db, a_stored_order(status=status))
    body = (await service.get(status_path(order.id))).json()
    assert body["processingStatus"]["status"] == status
    assert body["processingStatus"]["description"]
    assert "notificationsStatusSummary" not in body


async def test_the_status_of_what_the_caller_does_not_have_is_an_empty_404(service: Service) -> None:
    order_id = await ordered(service, DAY)
    for path, headers in [
        (status_path(uuid.uuid4()), service.authorization()),
        (status_path(order_id), service.authorization("skd")),
    ]:
        response = await service.client.get(path, headers=headers)
        assert (response.status_code, response.content) == (404, b"")


async def test_an_id_that_is_no_guid_is_told_so(service: Service) -> None:
    assert keys_of(await service.get(status_path("abc"))) == {"id"}
    assert keys_of(await cancel(service, "abc")) == {"id"}


async def test_only_those_who_may_order_may_follow_and_cancel(service: Service) -> None:
    order_id = await ordered(service, DAY)
    other_scope = service.authorization(scope="altinn:somethingelse")
    for headers, status in [({}, 401), (other_scope, 403)]:
        answers = [
            await service.client.get(status_path(order_id), headers=headers),
            await service.client.put(f"{API}/orders/{order_id}/cancel", headers=headers),
        ]
        assert [(answer.status_code, answer.content) for answer in answers] == [(status, b"")] * 2


async def test_an_order_is_cancelled_and_may_be_cancelled_again(service: Service, clock: FixedClock) -> None:
    order_id = await ordered(service, 20 * MINUTE)
    clock.turn(MINUTE)
    first = await cancel(service, order_id)
    assert first.status_code == 200
    status = first.json()["processingStatus"]
    assert (status["status"], status["lastUpdate"]) == ("Cancelled", "2026-03-02T12:01:00Z")
    assert "notificationsStatusSummary" not in first.json()
    clock.turn(25 * MINUTE)
    assert (await cancel(service, order_id)).content == first.content
    assert (await service.get(status_path(order_id))).content == first.content
    assert (await service.get(f"{API}/future/shipment/{order_id}")).json()["status"] == "Order_Cancelled"
    assert await feed_of(service.services.db, uuid.UUID(order_id)) == []


async def test_an_order_of_the_first_generation_needs_no_chain_to_be_cancelled(service: Service) -> None:
    order = await insert(service.services.db, a_stored_order(requested_send_time=NOON + DAY, chain_id=None))
    assert (await cancel(service, order.id)).status_code == 200


@pytest.mark.parametrize(
    ("ahead", "status"), [(5 * MINUTE + SECOND, 200), (5 * MINUTE, 409), (4 * MINUTE, 409), (-MINUTE, 409)]
)
async def test_five_minutes_before_the_send_time_it_is_too_late(
    service: Service, ahead: timedelta, status: int
) -> None:
    order = await insert(service.services.db, a_stored_order(requested_send_time=NOON + ahead))
    assert (await cancel(service, order.id)).status_code == status


@pytest.mark.parametrize("status", ["Processing", "Processed", "Completed", "SendConditionNotMet"])
async def test_an_order_that_is_no_longer_registered_cannot_be_cancelled(service: Service, status: str) -> None:
    order = await insert(service.services.db, a_stored_order(requested_send_time=NOON + DAY, status=status))
    response = await cancel(service, order.id)
    assert response.status_code == 409
    body = response.json()
    assert body.pop("traceId")
    assert body.pop("documentation").endswith("/errors#too-late-to-cancel")
    kind = "https://tools.ietf.org/html/rfc9110#section-15.5.10"
    assert body == {"type": kind, "title": "Conflict", "status": 409, "errorCode": "too-late-to-cancel"}


async def test_what_the_caller_does_not_have_cannot_be_cancelled(service: Service) -> None:
    order_id = await ordered(service, DAY)
    answers = [
        await cancel(service, uuid.uuid4()),
        await cancel(service, order_id, **service.authorization("skd")),
    ]
    for answer in answers:
        body = answer.json()
        assert body.pop("traceId")
        assert body.pop("documentation").endswith("/errors#not-found")
        kind = "https://tools.ietf.org/html/rfc9110#section-15.5.5"
        expected = {"type": kind, "title": "Not Found", "status": 404, "errorCode": "not-found"}
        assert (answer.status_code, body) == (404, expected)


async def test_cancelling_the_main_order_leaves_its_reminder(service: Service) -> None:
    request = an_order_request(requestedSendTime=(NOON + DAY).isoformat(), reminders=[a_reminder(to_sms())])
    notification = (await service.order(request)).json()["notification"]
    (reminder,) = notification["reminders"]
    assert (await cancel(service, notification["shipmentId"])).status_code == 200
    left = (await service.get(status_path(reminder["shipmentId"]))).json()
    assert left["processingStatus"]["status"] == "Registered"
    assert (await cancel(service, reminder["shipmentId"])).json()["processingStatus"]["status"] == "Cancelled"


async def test_the_chain_id_is_no_order_id(service: Service) -> None:
    response = await service.order(an_order_request(requestedSendTime=(NOON + DAY).isoformat()))
    chain_id = response.json()["notificationOrderId"]
    assert (await cancel(service, chain_id)).status_code == 404
    assert (await service.get(status_path(chain_id))).status_code == 404


def test_the_document_calls_them_deprecated() -> None:
    paths = document(ROUTES, "http://here")["paths"]
    assert paths[f"{API}/orders/{{id}}/status"]["get"]["deprecated"]
    assert {"200", "400", "401", "403", "404", "409"} <= set(paths[f"{API}/orders/{{id}}/cancel"]["put"]["responses"])
