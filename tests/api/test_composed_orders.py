"""Ordering an email with attachments: who may, what is answered, what is stored (spec 04, 1, 6 to 8)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.timestamps import to_wire
from support.composed import (
    COMPOSED,
    SCOPE,
    a_composed_request,
    a_sas_url,
    an_attachment,
    running_composed_service,
)
from support.instant import EMAIL as INSTANT_EMAIL
from support.instant import an_instant_email
from support.requests import an_order_request
from support.service import API, errors_of
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.tokens import CREATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.composed import ComposedService


@pytest.fixture
async def composed(database_url: str, clock: FixedClock) -> AsyncIterator[ComposedService]:
    async with running_composed_service(database_url, clock) as running:
        yield running


async def stored(composed: ComposedService) -> list[Any]:
    return list(await composed.db.fetch("SELECT * FROM orders ORDER BY id"))


async def test_a_new_order_is_answered_with_its_ids_and_where_its_chain_is(composed: ComposedService) -> None:
    response = await composed.post(a_composed_request(an_attachment(), sendersReference="sak-481"))
    assert response.status_code == 201
    answer = response.json()
    assert set(answer) == {"notificationOrderId", "notification"}
    assert set(answer["notification"]) == {"shipmentId", "sendersReference"}
    assert response.headers["Location"].endswith(f"/orders/chain/{answer['notificationOrderId']}")


async def test_the_same_request_again_is_answered_with_the_same_ids_and_stores_nothing(
    composed: ComposedService,
) -> None:
    request = a_composed_request(an_attachment(), requestedSendTime=to_wire(NOON + HOUR))
    first, again = await composed.post(request), await composed.post(request)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert "Location" not in again.headers
    assert len(await stored(composed)) == 1
    assert await composed.links() == 1


async def test_a_replay_whose_send_time_has_passed_is_refused_before_it_is_recognised(
    composed: ComposedService, clock: FixedClock
) -> None:
    request = a_composed_request(requestedSendTime=to_wire(NOON + MINUTE))
    assert (await composed.post(request)).status_code == 201
    clock.turn(MINUTE + SECOND)
    assert set(errors_of(await composed.post(request))) == {"RequestedSendTime"}


async def test_of_two_requests_at_once_with_one_id_one_is_stored_and_both_get_its_ids(
    composed: ComposedService,
) -> None:
    request = a_composed_request(an_attachment())
    answers = await asyncio.gather(*(composed.post(request) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await stored(composed)) == 1
    assert await composed.links() == 1


async def test_an_id_is_used_once_in_each_of_the_three_kinds_of_orders(composed: ComposedService) -> None:
    instant = an_instant_email() | {"idempotencyId": "id-1"}
    assert (await composed.service.order(an_order_request(idempotencyId="id-1"))).status_code == 201
    assert (await composed.service.post(INSTANT_EMAIL, instant)).status_code == 201
    assert (await composed.post(a_composed_request(idempotencyId="id-1"))).status_code == 201


@pytest.mark.parametrize(
    ("scope", "status"), [(SCOPE, 201), (f"{CREATE} {SCOPE}", 201), (CREATE, 403), ("altinn:other", 403)]
)
async def test_only_the_scope_of_composed_email_opens_it(composed: ComposedService, scope: str, status: int) -> None:
    headers = composed.service.authorization(scope=scope)
    response = await composed.service.post(COMPOSED, a_composed_request(), headers=headers)
    assert response.status_code == status
    assert status == 201 or response.content == b""


async def test_the_scope_of_composed_email_opens_nothing_else(composed: ComposedService) -> None:
    headers = composed.service.authorization(scope=SCOPE)
    assert (await composed.service.order(an_order_request(), headers=headers)).status_code == 403


async def test_a_platform_token_alone_gives_no_access(composed: ComposedService) -> None:
    token = composed.service.issuer.platform("ttd")
    response = await composed.service.client.post(
        COMPOSED, json=a_composed_request(), headers={"PlatformAccessToken": token}
    )
    assert response.status_code == 401


async def test_a_platform_token_beside_the_bearer_says_whose_order_it_is(composed: ComposedService) -> None:
    token = composed.service.issuer.platform("skd")
    assert (await composed.post(a_composed_request(), headers={"PlatformAccessToken": token})).status_code == 201
    (order,) = await stored(composed)
    assert order["creator"] == "skd"


async def test_a_platform_token_that_is_not_valid_is_refused_beside_any_bearer(composed: ComposedService) -> None:
    assert (await composed.post(a_composed_request(), headers={"PlatformAccessToken": "x.y.z"})).status_code == 401


async def test_who_is_no_organisation_is_told_so_after_what_is_wrong_with_the_body(composed: ComposedService) -> None:
    nobody = composed.service.authorization(None, scope=SCOPE)
    assert (await composed.service.post(COMPOSED, a_composed_request(), headers=nobody)).status_code == 403
    wrong = a_composed_request(idempotencyId="")
    assert set(errors_of(await composed.service.post(COMPOSED, wrong, headers=nobody))) == {"IdempotencyId"}


async def test_another_media_type_is_refused_first(composed: ComposedService) -> None:
    response = await composed.post(b"<order/>", headers={"Content-Type": "application/xml"})
    assert response.status_code == 415


@pytest.mark.parametrize("settings", [{}, {"attachments": None}, {"attachments": []}])
async def test_an_email_may_have_no_attachments(composed: ComposedService, settings: dict[str, Any]) -> None:
    assert (await composed.post(a_composed_request(settings=settings))).status_code == 201
    (order,) = await stored(composed)
    assert "attachments" not in order["content"]
    assert await composed.links() == 0


async def test_what_was_ordered_is_stored_and_the_links_apart_from_it(composed: ComposedService) -> None:
    request = a_composed_request(
        an_attachment(),
        an_attachment(a_sas_url(sig="other"), filename="kart æ.png", mimeType="IMAGE/PNG"),
        settings={"subject": "A\r\nB\nC", "senderEmailAddress": " a@b.no ", "contentType": "html"},
        requestedSendTime="2026-03-02T14:00:00+01:00",
        sendersReference=" ",
        conditionEndpoint="http://localhost:5000/x",
        dialogportenAssociation={"dialogId": "d-1", "transmissionId": "t-1"},
        reminders=[{"delayDays": "not looked at"}],
    )
    response = await composed.post(request)
    assert response.json()["notification"]["sendersReference"] == " "
    (order,) = await stored(composed)
    assert (order["type"], order["channel"], order["sms_policy"], order["senders_reference"]) == (
        3,
        "Email",
        None,
        None,
    )
    assert order["requested_send_time"] == NOON + HOUR
    assert order["email"] == {
        "from_address": "a@b.no",
        "subject": "A B C",
        "body": "Vedtaket ligger ved.",
        "content_type": "Html",
    }
    assert order["content"]["recipients"] == [{"email_address": "kari@example.no"}]
    assert order["content"]["conditionEndpoint"] == "http://localhost:5000/x"
    assert order["content"]["attachments"] == [
        {"filename": "vedtak.pdf", "mime_type": "application/pdf"},
        {"filename": "kart æ.png", "mime_type": "IMAGE/PNG"},
    ]
    links = await composed.db.fetch("SELECT position, sas_url FROM attachment_links ORDER BY position")
    assert [tuple(link) for link in links] == [(0, a_sas_url()), (1, a_sas_url(sig="other"))]
    (chain,) = await composed.db.fetch("SELECT dialog_id, transmission_id FROM order_chains")
    assert tuple(chain) == ("d-1", "t-1")


async def test_without_a_time_and_a_sender_it_is_sent_now_from_the_services_address(composed: ComposedService) -> None:
    await composed.post(a_composed_request())
    (order,) = await stored(composed)
    assert order["requested_send_time"] == NOON
    assert order["email"]["from_address"] == "noreply@altinn.cloud"


async def test_the_address_is_kept_as_it_was_written(composed: ComposedService) -> None:
    request = a_composed_request()
    request["recipient"]["emailAddress"] = " Kari@Example.no "
    await composed.post(request)
    (order,) = await stored(composed)
    assert order["content"]["recipients"] == [{"email_address": " Kari@Example.no "}]


async def test_no_answer_and_no_column_but_one_ever_holds_a_link(composed: ComposedService) -> None:
    request = a_composed_request(an_attachment(a_sas_url(sig="GEHEIM")), requestedSendTime=to_wire(NOON + DAY / 2))
    receipt = await composed.post(request)
    shipment = receipt.json()["notification"]["shipmentId"]
    chain = receipt.json()["notificationOrderId"]
    reads = [
        await composed.service.get(f"{API}/{path}")
        for path in (
            f"orders/{shipment}",
            f"orders/{shipment}/status",
            f"orders/{shipment}/notifications/email",
            f"orders/chain/{chain}",
            f"future/shipment/{shipment}",
            "future/shipment/feed?seq=0",
        )
    ]
    assert {read.status_code for read in reads} == {200}
    for response in (receipt, await composed.post(request), *reads):
        assert "GEHEIM" not in response.text
    tables = await composed.db.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    holding = {
        row["table_name"]
        for row in tables
        if await composed.db.fetchval(
            f"SELECT count(*) FROM {row['table_name']} t WHERE t::text LIKE '%GEHEIM%'"  # noqa: S608 - names are the schema's
        )
    }
    assert holding == {"attachment_links"}


async def test_the_first_generation_shows_the_email_and_nothing_of_its_attachments(composed: ComposedService) -> None:
    shipment = await composed.ordered(an_attachment())
    shown = (await composed.service.get(f"{API}/orders/{shipment}")).json()
    assert shown["recipients"] == [{"emailAddress": "kari@example.no"}]
    assert shown["emailTemplate"]["subject"] == "Vedtak i saken din"
    assert "vedtak.pdf" not in json.dumps(shown)
    assert "attachment" not in json.dumps(shown).lower()


async def test_a_cancelled_order_keeps_no_links(composed: ComposedService) -> None:
    request = a_composed_request(an_attachment(), requestedSendTime=to_wire(NOON + HOUR))
    kept = a_composed_request(an_attachment(), requestedSendTime=to_wire(NOON + HOUR))
    shipment = (await composed.post(request)).json()["notification"]["shipmentId"]
    await composed.post(kept)
    headers = composed.service.authorization()
    assert (await composed.service.client.put(f"{API}/orders/{shipment}/cancel", headers=headers)).status_code == 200
    assert await composed.links() == 1


async def test_an_order_too_late_to_cancel_keeps_its_links(composed: ComposedService) -> None:
    request = a_composed_request(an_attachment(), requestedSendTime=to_wire(NOON + timedelta(minutes=5)))
    shipment = (await composed.post(request)).json()["notification"]["shipmentId"]
    headers = composed.service.authorization()
    assert (await composed.service.client.put(f"{API}/orders/{shipment}/cancel", headers=headers)).status_code == 409
    assert await composed.links() == 1
