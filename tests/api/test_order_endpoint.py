"""`POST /future/orders` as clients see it (spec 02, 8, 11 and 14)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from support.requests import a_reminder, an_order_request, to_email, to_external_identity, to_person, to_sms
from support.service import API, keys_of
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    import asyncpg

    from altinn_notifications.clock import FixedClock
    from support.service import Service

ORDERS = "SELECT o.*, s.status FROM orders o JOIN order_states s ON s.order_id = o.id ORDER BY o.id"


async def stored_orders(service: Service) -> list[asyncpg.Record]:
    return await service.services.db.fetch(ORDERS)


async def stored_order(service: Service) -> asyncpg.Record:
    (order,) = await stored_orders(service)
    return order


async def test_the_smallest_request_is_answered_with_ids_and_a_location(service: Service) -> None:
    response = await service.order(an_order_request())
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    body = response.json()
    assert set(body) == {"notificationOrderId", "notification"}
    assert set(body["notification"]) == {"shipmentId"}
    assert str(UUID(body["notification"]["shipmentId"])) == body["notification"]["shipmentId"]
    expected = f"http://localhost:5090{API}/orders/chain/{body['notificationOrderId']}"
    assert response.headers["location"] == expected


async def test_the_location_answers_its_creator_and_nobody_else(service: Service) -> None:
    request = an_order_request(reminders=[a_reminder()])
    created = await service.order(request)
    path = created.headers["location"].removeprefix("http://localhost:5090")
    told = await service.get(path)
    assert (told.status_code, told.json()) == (200, created.json())
    assert (await service.get(path, **service.authorization("annen"))).status_code == 404
    assert (await service.get(f"{API}/orders/chain/{created.json()['notification']['shipmentId']}")).status_code == 404
    assert keys_of(await service.get(f"{API}/orders/chain/nonsense")) == {"id"}


async def test_a_repeat_is_answered_with_the_first_ids_and_no_location(service: Service) -> None:
    request = an_order_request()
    first = await service.order(request)
    repeat = await service.order(request)
    assert repeat.status_code == 200
    assert repeat.content == first.content
    assert "location" not in repeat.headers


async def test_the_content_of_a_repeat_is_ignored(service: Service) -> None:
    request = an_order_request()
    first = await service.order(request)
    repeat = await service.order(request | {"recipient": to_email("ola@example.no"), "reminders": [a_reminder()]})
    assert (repeat.status_code, repeat.content) == (200, first.content)
    assert (await stored_order(service))["content"]["recipients"] == [{"email_address": "kari@example.no"}]


async def test_the_content_of_a_repeat_must_be_valid(service: Service) -> None:
    request = an_order_request()
    await service.order(request)
    assert keys_of(await service.order(request | {"recipient": {}})) == {"Recipient"}


async def test_a_repeat_whose_send_time_has_passed_fails(service: Service, clock: FixedClock) -> None:
    request = an_order_request(requestedSendTime=(NOON + 2 * SECOND).isoformat())
    assert (await service.order(request)).status_code == 201
    clock.turn(3 * SECOND)
    assert keys_of(await service.order(request)) == {"RequestedSendTime"}


async def test_two_creators_may_use_one_id(service: Service) -> None:
    request = an_order_request()
    first = await service.order(request)
    second = await service.order(request, headers=service.authorization("digdir"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["notificationOrderId"] != second.json()["notificationOrderId"]


async def test_ids_that_differ_in_case_or_whitespace_are_different_ids(service: Service) -> None:
    answers = [await service.order(an_order_request(idempotencyId=id_)) for id_ in ("case", "Case", " case", "case ")]
    assert [answer.status_code for answer in answers] == [201] * 4


async def test_a_request_that_failed_leaves_its_id_free(service: Service) -> None:
    request = an_order_request(reminders=[a_reminder(to_sms("12345678"))])
    assert keys_of(await service.order(request)) == {"Reminders[0].Recipient.RecipientSms.PhoneNumber"}
    assert await stored_orders(service) == []
    assert (await service.order(request | {"reminders": None})).status_code == 201


async def test_of_twenty_identical_requests_at_once_one_creates_and_all_tell_its_ids(service: Service) -> None:
    request = an_order_request(reminders=[a_reminder()])
    answers = await asyncio.gather(*(service.order(request) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert len(await stored_orders(service)) == 2


async def test_an_id_of_four_thousand_characters_is_accepted_and_a_longer_one_refused(service: Service) -> None:
    longest = an_order_request(idempotencyId="x" * 4000)
    assert (await service.order(longest)).status_code == 201
    assert (await service.order(longest)).status_code == 200
    assert keys_of(await service.order(an_order_request(idempotencyId="x" * 4001))) == {"IdempotencyId"}


async def test_a_senders_reference_of_any_length_is_accepted_and_told(service: Service) -> None:
    reference = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(20_000))
    response = await service.order(an_order_request(sendersReference=reference))
    assert response.status_code == 201
    assert response.json()["notification"]["sendersReference"] == reference


async def test_an_empty_senders_reference_is_told_every_time(service: Service) -> None:
    request = an_order_request(sendersReference="")
    for status in (201, 200):
        response = await service.order(request)
        assert response.status_code == status
        assert response.json()["notification"]["sendersReference"] == ""
    assert (await stored_order(service))["senders_reference"] is None


async def test_reminders_are_told_in_the_order_of_the_request(service: Service) -> None:
    reminders = [a_reminder(sendersReference=f"r{number}", delayDays=9 - number) for number in range(3)]
    request = an_order_request(sendersReference="main", reminders=reminders)
    first = (await service.order(request)).json()
    told = first["notification"]["reminders"]
    assert [reminder["sendersReference"] for reminder in told] == ["r0", "r1", "r2"]
    ids = {first["notificationOrderId"], first["notification"]["shipmentId"], *(one["shipmentId"] for one in told)}
    assert len(ids) == 5
    assert (await service.order(request)).json() == first


async def test_no_reminders_and_an_empty_list_are_the_same(service: Service) -> None:
    response = await service.order(an_order_request(reminders=[]))
    assert response.status_code == 201
    assert "reminders" not in response.json()["notification"]


async def test_a_reminder_of_a_reference_of_its_own_does_not_inherit_the_main_one(service: Service) -> None:
    response = await service.order(an_order_request(sendersReference="main", reminders=[a_reminder()]))
    assert set(response.json()["notification"]["reminders"][0]) == {"shipmentId"}


async def test_an_offset_is_turned_into_utc(service: Service) -> None:
    in_an_hour = (NOON + HOUR).replace(tzinfo=None) + 2 * HOUR
    assert (
        await service.order(an_order_request(requestedSendTime=f"{in_an_hour.isoformat()}+02:00"))
    ).status_code == 201
    assert (await stored_order(service))["requested_send_time"] == NOON + HOUR


async def test_an_order_without_send_time_is_due_when_the_request_arrived(service: Service) -> None:
    await service.order(an_order_request())
    order = await stored_order(service)
    assert (order["requested_send_time"], order["created"], order["status"]) == (NOON, NOON, "Registered")


async def test_a_delay_counts_from_the_main_orders_send_time(service: Service) -> None:
    request = an_order_request(requestedSendTime="2035-03-01T08:00:00Z", reminders=[a_reminder(delayDays=3)])
    await service.order(request)
    main, reminder = sorted(await stored_orders(service), key=lambda order: order["requested_send_time"])
    assert reminder["requested_send_time"] - main["requested_send_time"] == 3 * DAY
    assert (main["type"], reminder["type"]) == (0, 1)
    assert main["chain_id"] == reminder["chain_id"]


async def test_a_reminder_may_be_earlier_than_the_main_order(service: Service) -> None:
    reminder = a_reminder(requestedSendTime=(NOON + MINUTE).isoformat())
    request = an_order_request(requestedSendTime=(NOON + DAY).isoformat(), reminders=[reminder])
    assert (await service.order(request)).status_code == 201


async def test_the_dialog_is_kept_with_the_chain(service: Service) -> None:
    await service.order(an_order_request(dialogportenAssociation={"dialogId": "d-1", "transmissionId": None}))
    assert (await service.order(an_order_request(dialogportenAssociation={}))).status_code == 201
    rows = await service.services.db.fetch("SELECT dialog_id, transmission_id FROM order_chains ORDER BY id")
    assert [tuple(row) for row in rows] == [("d-1", None), (None, None)]


@pytest.mark.parametrize(
    ("recipient", "stored"),
    [
        (to_email(" kari@example.no "), {"recipients": [{"email_address": "kari@example.no"}]}),
        (to_sms("+47 99 99 99 99"), {"recipients": [{"mobile_number": "+47 99 99 99 99"}]}),
        (to_sms("004799999999"), {"recipients": [{"mobile_number": "004799999999"}]}),
    ],
)
async def test_addresses_are_stored_as_given_but_email_trimmed(
    service: Service, recipient: dict[str, Any], stored: dict[str, Any]
) -> None:
    await service.order(an_order_request(recipient))
    assert (await stored_order(service))["content"] == stored


@pytest.mark.parametrize(
    ("settings", "stored"),
    [
        ({"subject": "a\r\nb\nc\rd\n\ne"}, {"subject": "a b c d  e"}),
        ({"body": "a\r\nb\nc"}, {"body": "a\r\nb\nc"}),
        ({"senderEmailAddress": " post@etat.no "}, {"from_address": "post@etat.no"}),
        ({"senderEmailAddress": None}, {"from_address": "noreply@altinn.cloud"}),
        ({"contentType": 1}, {"content_type": "Html"}),
        ({}, {"content_type": "Plain"}),
    ],
)
async def test_email_text_is_made_fit_for_sending(
    service: Service, settings: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert (await service.order(an_order_request(to_email(**settings)))).status_code == 201
    assert stored.items() <= (await stored_order(service))["email"].items()


@pytest.mark.parametrize(
    ("settings", "sender", "policy"),
    [
        ({"sender": "   "}, "Altinn", 2),
        ({"sender": " Etat "}, "Etat", 2),
        ({"sendingTimePolicy": "Anytime"}, "Altinn", 1),
    ],
)
async def test_sms_get_a_sender_and_are_sent_in_the_daytime_by_default(
    service: Service, settings: dict[str, Any], sender: str, policy: int
) -> None:
    assert (await service.order(an_order_request(to_sms(**settings)))).status_code == 201
    order = await stored_order(service)
    assert (order["sms"]["sender"], order["sms_policy"], order["channel"]) == (sender, policy, "Sms")


@pytest.mark.parametrize("recipient", [to_person(), to_external_identity()])
async def test_an_invalid_order_to_a_registered_contact_is_refused_before_any_look_up(
    service: Service, recipient: dict[str, Any]
) -> None:
    response = await service.order(an_order_request(recipient, requestedSendTime="2001-01-01T00:00:00Z"))
    assert keys_of(response) == {"RequestedSendTime"}


async def test_a_known_id_is_answered_without_look_up(service: Service) -> None:
    request = an_order_request()
    first = await service.order(request)
    repeat = await service.order(request | {"recipient": to_person()})
    assert (repeat.status_code, repeat.content) == (200, first.content)
