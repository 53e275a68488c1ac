"""Which instant requests are refused, and under which keys (spec 03, 5 and 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema_rs import validator_for

from altinn_notifications.api import instant_orders
from altinn_notifications.api.openapi import document
from support.instant import (
    EMAIL,
    OLDER,
    SMS,
    an_instant_email,
    an_instant_sms,
    an_older_instant_sms,
    running_instant_service,
)
from support.service import errors_of, keys_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.instant import InstantService

CONTENT = "RecipientSms.ShortMessageContent"
OLDER_SMS = "InstantNotificationRecipient.ShortMessageDeliveryDetails"
MAIL = "InstantEmailDetails.EmailSettings"
ABSENT = object()


@pytest.fixture
async def instant(database_url: str, clock: FixedClock) -> AsyncIterator[InstantService]:
    async with running_instant_service(database_url, clock) as running:
        yield running


def changed(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """`request` with another value at `path`, or without it."""
    *way, name = path.split(".")
    holder = request
    for step in way:
        holder = holder[step]
    if value is ABSENT:
        del holder[name]
    else:
        holder[name] = value
    return request


SMS_CASES = [
    ("idempotencyId", None, {"IdempotencyId"}),
    ("idempotencyId", " ", {"IdempotencyId"}),
    ("idempotencyId", "x" * 4001, {"IdempotencyId"}),
    ("idempotencyId", ABSENT, {"$", "request"}),
    ("sendersReference", 7, {"$.sendersReference", "request"}),
    ("sendersReference", "a\0", {"SendersReference"}),
    ("recipientSms", None, {"RecipientSms"}),
    ("recipientSms", ABSENT, {"$", "request"}),
    ("recipientSms", [], {"$.recipientSms", "request"}),
    ("recipientSms.phoneNumber", "", {"RecipientSms.PhoneNumber"}),
    ("recipientSms.phoneNumber", None, {"RecipientSms.PhoneNumber"}),
    ("recipientSms.phoneNumber", ABSENT, {"$.recipientSms", "request"}),
    ("recipientSms.phoneNumber", "+4712345678", {"RecipientSms.PhoneNumber"}),
    ("recipientSms.phoneNumber", "99999999", {"RecipientSms.PhoneNumber"}),
    ("recipientSms.phoneNumber", "++4799999999", {"RecipientSms.PhoneNumber"}),
    ("recipientSms.phoneNumber", " +4799999999", {"RecipientSms.PhoneNumber"}),
    ("recipientSms.timeToLiveInSeconds", 59, {"RecipientSms.TimeToLiveInSeconds"}),
    ("recipientSms.timeToLiveInSeconds", 172_801, {"RecipientSms.TimeToLiveInSeconds"}),
    ("recipientSms.timeToLiveInSeconds", -1, {"RecipientSms.TimeToLiveInSeconds"}),
    ("recipientSms.timeToLiveInSeconds", 60.5, {"$.recipientSms.timeToLiveInSeconds", "request"}),
    ("recipientSms.timeToLiveInSeconds", None, {"$.recipientSms.timeToLiveInSeconds", "request"}),
    ("recipientSms.timeToLiveInSeconds", 2**31, {"$.recipientSms.timeToLiveInSeconds", "request"}),
    ("recipientSms.timeToLiveInSeconds", ABSENT, {"$.recipientSms", "request"}),
    ("recipientSms.smsSettings", None, {CONTENT}),
    ("recipientSms.smsSettings", ABSENT, {"$.recipientSms", "request"}),
    ("recipientSms.smsSettings.body", "   ", {f"{CONTENT}.Body"}),
    ("recipientSms.smsSettings.body", ABSENT, {"$.recipientSms.smsSettings", "request"}),
]
OLDER_CASES = [
    ("recipient", None, {"InstantNotificationRecipient"}),
    ("recipient", ABSENT, {"$", "request"}),
    ("recipient.recipientSms", None, {OLDER_SMS}),
    ("recipient.recipientSms", ABSENT, {"$.recipient", "request"}),
    ("recipient.recipientSms.timeToLiveInSeconds", ABSENT, {"$.recipient.recipientSms", "request"}),
    ("recipient.recipientSms.timeToLiveInSeconds", 5, {f"{OLDER_SMS}.TimeToLiveInSeconds"}),
    ("recipient.recipientSms.phoneNumber", "12", {f"{OLDER_SMS}.PhoneNumber"}),
    ("recipient.recipientSms.smsSettings", None, {f"{OLDER_SMS}.ShortMessageContent"}),
    ("recipient.recipientSms.smsSettings.body", "   ", {f"{OLDER_SMS}.ShortMessageContent.Body"}),
]
EMAIL_CASES = [
    ("recipientEmail", None, {"InstantEmailDetails"}),
    ("recipientEmail", ABSENT, {"$", "request"}),
    ("recipientEmail.emailAddress", None, {"InstantEmailDetails.EmailAddress"}),
    ("recipientEmail.emailAddress", "a@b.no;c@d.no", {"InstantEmailDetails.EmailAddress"}),
    ("recipientEmail.emailSettings", None, {MAIL}),
    ("recipientEmail.emailSettings", ABSENT, {"$.recipientEmail", "request"}),
    ("recipientEmail.emailSettings.subject", " ", {f"{MAIL}.Subject"}),
    ("recipientEmail.emailSettings.body", None, {f"{MAIL}.Body"}),
    ("recipientEmail.emailSettings.senderEmailAddress", "", {f"{MAIL}.SenderEmailAddress"}),
    ("recipientEmail.emailSettings.senderEmailAddress", "  ", {f"{MAIL}.SenderEmailAddress"}),
    ("recipientEmail.emailSettings.contentType", "markdown", {"$.recipientEmail.emailSettings.contentType", "request"}),
    ("recipientEmail.emailSettings.contentType", None, {"$.recipientEmail.emailSettings.contentType", "request"}),
    ("recipientEmail.emailSettings.contentType", 7, {f"{MAIL}.ContentType"}),
]
REFUSED = [
    *((SMS, an_instant_sms, *case) for case in SMS_CASES),
    *((OLDER, an_older_instant_sms, *case) for case in OLDER_CASES),
    *((EMAIL, an_instant_email, *case) for case in EMAIL_CASES),
]


async def test_requests_are_refused_under_the_keys_of_the_original(instant: InstantService) -> None:
    for path, make, place, value, keys in REFUSED:
        response = await instant.post(path, changed(make(), place, value))
        assert keys_of(response) == keys, f"{path} {place} {value!r}"
    assert (await instant.stored(), instant.gateway.requests, instant.smtp.commands) == ([], [], [])


@pytest.mark.parametrize("path", [SMS, OLDER, EMAIL])
@pytest.mark.parametrize(("body", "key"), [(b"", ""), (b"null", ""), (b"{", "$"), (b"[]", "$")])
async def test_a_body_that_is_no_order_is_refused(instant: InstantService, path: str, body: bytes, key: str) -> None:
    assert set(errors_of(await instant.post(path, body))) == {key, "request"}


@pytest.mark.parametrize(
    ("path", "request_", "place", "value"),
    [
        (SMS, an_instant_sms(), "recipientSms.timeToLiveInSeconds", 60),
        (SMS, an_instant_sms(), "recipientSms.timeToLiveInSeconds", 172_800),
        (SMS, an_instant_sms(), "recipientSms.timeToLiveInSeconds", "300"),
        (SMS, an_instant_sms(), "recipientSms.smsSettings.sender", None),
        (EMAIL, an_instant_email(), "recipientEmail.emailSettings.contentType", "html"),
        (EMAIL, an_instant_email(), "recipientEmail.emailSettings.contentType", "1"),
        (EMAIL, an_instant_email(), "recipientEmail.emailSettings.senderEmailAddress", None),
    ],
)
async def test_values_at_the_edge_are_accepted(
    instant: InstantService, path: str, request_: dict[str, Any], place: str, value: Any
) -> None:
    assert (await instant.post(path, changed(request_, place, value))).status_code == 201


async def test_content_is_looked_at_only_when_everything_is_there(instant: InstantService) -> None:
    assert keys_of(await instant.post(SMS, an_instant_sms("", seconds=5))) == {"RecipientSms.PhoneNumber"}
    both = {"RecipientSms.PhoneNumber", "RecipientSms.TimeToLiveInSeconds"}
    assert keys_of(await instant.post(SMS, an_instant_sms("+4712345678", seconds=5))) == both


async def test_what_other_orders_have_is_passed_over(instant: InstantService) -> None:
    more = {"reminders": 7, "conditionEndpoint": "x", "requestedSendTime": "2001-01-01"}
    response = await instant.post(SMS, an_instant_sms() | more)
    assert response.status_code == 201
    assert set(response.json()["notification"]) == {"shipmentId"}


async def test_the_content_of_a_repeat_must_be_valid(instant: InstantService) -> None:
    request = an_instant_sms()
    await instant.post(SMS, request)
    assert keys_of(await instant.post(SMS, changed(request, "recipientSms.phoneNumber", "1"))) == {
        "RecipientSms.PhoneNumber"
    }


@pytest.mark.parametrize("route", instant_orders.ROUTES, ids=lambda route: route.path)
def test_the_examples_are_valid_by_the_document(route: Any) -> None:
    content = document(instant_orders.ROUTES, "http://here")
    operation = content["paths"][route.path]["post"]
    media = operation["requestBody"]["content"]["application/json"]
    schema = {**media["schema"], "components": content["components"]}
    assert all(validator_for(schema).is_valid(example["value"]) for example in media["examples"].values())
    assert not validator_for(schema).is_valid({})
    assert operation.get("deprecated", False) == (route.path == OLDER)
