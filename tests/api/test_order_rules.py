"""Every error key of `POST /future/orders` (spec 02, 12 and 14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from altinn_notifications.api.future_orders import PARAMETER, read_order
from altinn_notifications.api.problems import Problem
from support.requests import (
    a_reminder,
    an_order_request,
    email_settings,
    sms_settings,
    to_email,
    to_external_identity,
    to_organization,
    to_person,
    to_sms,
)
from support.times import MINUTE, NOON

PERSON = "Recipient.RecipientPerson"
MAIL = "Recipient.RecipientEmail.Settings"
FUTURE = (NOON + MINUTE).isoformat()
PAST = (NOON - MINUTE).isoformat()
ALL_SETTINGS: dict[str, Any] = {"emailSettings": email_settings(), "smsSettings": sms_settings()}


def errors(request: Any) -> dict[str, list[str]]:
    """The errors of a request, which has none if it is valid."""
    try:
        read_order(json.dumps(request).encode(), now=NOON)
    except Problem as problem:
        body = problem.body or {}
        return dict(body["errors"])
    return {}


def keys(request: Any) -> set[str]:
    """The keys of a request's errors in layers 2 and 3."""
    return set(errors(request))


def path(request: Any) -> str:
    """The path of a request's layer 1 problem."""
    found, parameter = errors(request)
    assert parameter == PARAMETER
    return found


def without(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "$"),
        (without("recipient", an_order_request()), "$"),
        (an_order_request(reminders=[{"delayDays": 1}]), "$.reminders[0]"),
        (an_order_request({"recipientEmail": {"emailSettings": email_settings()}}), "$.recipient.recipientEmail"),
        (an_order_request({"recipientEmail": {"emailAddress": "a@b.no"}}), "$.recipient.recipientEmail"),
        (an_order_request({"recipientSms": {"phoneNumber": "+4799999999"}}), "$.recipient.recipientSms"),
        (
            an_order_request({"recipientPerson": {"nationalIdentityNumber": "1" * 11}}),
            "$.recipient.recipientPerson",
        ),
        (
            an_order_request({"recipientOrganization": {"channelSchema": "Email"}}),
            "$.recipient.recipientOrganization",
        ),
        (
            an_order_request({"recipientExternalIdentity": {"channelSchema": "Email"}}),
            "$.recipient.recipientExternalIdentity",
        ),
        (an_order_request(to_person(emailSettings={"subject": "x"})), "$.recipient.recipientPerson.emailSettings"),
        (an_order_request(to_person(smsSettings={})), "$.recipient.recipientPerson.smsSettings"),
        (
            an_order_request(reminders=[a_reminder(to_person(smsSettings={}))]),
            "$.reminders[0].recipient.recipientPerson.smsSettings",
        ),
        (an_order_request(to_person(channelSchema="Mail")), "$.recipient.recipientPerson.channelSchema"),
        (an_order_request(to_person(channelSchema=None)), "$.recipient.recipientPerson.channelSchema"),
        (an_order_request(to_person(ignoreReservation=None)), "$.recipient.recipientPerson.ignoreReservation"),
        (
            an_order_request(to_person(useStaleContactInformation="true")),
            "$.recipient.recipientPerson.useStaleContactInformation",
        ),
        (an_order_request(to_email(contentType=None)), "$.recipient.recipientEmail.emailSettings.contentType"),
        (an_order_request(to_sms(sendingTimePolicy=-1)), "$.recipient.recipientSms.smsSettings.sendingTimePolicy"),
        (an_order_request(requestedSendTime=None), "$.requestedSendTime"),
        (an_order_request(requestedSendTime="2035-01-01 10:00:00Z"), "$.requestedSendTime"),
        (an_order_request(reminders=[a_reminder(delayDays=7.5)]), "$.reminders[0].delayDays"),
        (an_order_request(dialogportenAssociation="x"), "$.dialogportenAssociation"),
        (an_order_request(conditionEndpoint="http://"), "$.conditionEndpoint"),
        (an_order_request(sendersReference=5), "$.sendersReference"),
        (an_order_request(reminders={}), "$.reminders"),
        (
            an_order_request(to_person(channelSchema="Mail", emailSettings=email_settings(subject=" ")))
            | {"requestedSendTime": PAST},
            "$.recipient.recipientPerson.channelSchema",
        ),
    ],
)
def test_what_cannot_be_read_is_reported_by_its_path(request_: dict[str, Any], expected: str) -> None:
    assert path(request_) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (an_order_request(idempotencyId=None), {"IdempotencyId"}),
        (an_order_request(to_email("not an address"), idempotencyId="   "), {"IdempotencyId"}),
        (an_order_request() | {"recipient": None}, {"Recipient"}),
        (an_order_request(reminders=[{"recipient": None}]), {"Reminders[0].Recipient"}),
        (an_order_request(to_email("")), {"Recipient.RecipientEmail.EmailAddress"}),
        (an_order_request(to_email(subject="\n\t")), {f"{MAIL}.Subject"}),
        (an_order_request(to_email(body=None)), {f"{MAIL}.Body"}),
        (an_order_request({"recipientEmail": {"emailAddress": "a@b.no", "emailSettings": None}}), {MAIL}),
        (
            an_order_request({"recipientSms": {"phoneNumber": " ", "smsSettings": None}}),
            {"Recipient.RecipientSms.PhoneNumber", "Recipient.RecipientSms.Settings"},
        ),
        (an_order_request(to_sms(body="")), {"Recipient.RecipientSms.Settings.Body"}),
        (an_order_request(to_person("")), {f"{PERSON}.NationalIdentityNumber"}),
        (an_order_request(to_person(emailSettings=email_settings(body=" "))), {f"{PERSON}.EmailSettings.Body"}),
        (an_order_request(to_person(smsSettings=sms_settings(body=" "))), {f"{PERSON}.SmsSettings.Body"}),
        (an_order_request(to_organization(" ")), {"Recipient.RecipientOrganization.OrgNumber"}),
        (an_order_request(to_external_identity("")), {"Recipient.RecipientExternalIdentity.ExternalIdentity"}),
    ],
)
def test_what_must_be_given_hides_what_breaks_a_rule(request_: dict[str, Any], expected: set[str]) -> None:
    assert keys(request_) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (an_order_request(requestedSendTime=PAST), {"RequestedSendTime"}),
        (an_order_request(requestedSendTime="2035-01-01T10:00:00"), {"RequestedSendTime"}),
        (an_order_request(conditionEndpoint="api/x"), {"ConditionEndpoint"}),
        (an_order_request(conditionEndpoint=""), {"ConditionEndpoint"}),
        (an_order_request(idempotencyId="x" * 4001), {"IdempotencyId"}),
        (an_order_request() | {"recipient": {}}, {"Recipient"}),
        (an_order_request(dict.fromkeys(["recipientEmail", "recipientSms", "recipientPerson"])), {"Recipient"}),
        (an_order_request(to_email() | to_sms()), {"Recipient"}),
        (an_order_request(to_email() | to_sms("12345678")), {"Recipient", "Recipient.RecipientSms.PhoneNumber"}),
        (an_order_request(to_email("one@example.com;two@example.com")), {"Recipient.RecipientEmail.EmailAddress"}),
        (an_order_request(to_email(senderEmailAddress="")), {f"{MAIL}.SenderEmailAddress"}),
        (an_order_request(to_email(contentType=7)), {f"{MAIL}.ContentType"}),
        (an_order_request(to_email(contentType=-1)), {f"{MAIL}.ContentType"}),
        (an_order_request(to_email(sendingTimePolicy="Daytime")), {f"{MAIL}.SendingTimePolicy"}),
        (an_order_request(to_email(sendingTimePolicy=9)), {f"{MAIL}.SendingTimePolicy"}),
        (an_order_request(to_sms("99999999")), {"Recipient.RecipientSms.PhoneNumber"}),
        (an_order_request(to_sms(sendingTimePolicy=0)), {"Recipient.RecipientSms.Settings.SendingTimePolicy"}),
        (an_order_request(to_person("1606941234")), {f"{PERSON}.NationalIdentityNumber"}),
        (an_order_request(to_organization("12345678")), {"Recipient.RecipientOrganization.OrgNumber"}),
        (
            an_order_request(to_external_identity("user@example.com")),
            {"Recipient.RecipientExternalIdentity.ExternalIdentity"},
        ),
        (an_order_request(to_person(channelSchema=99)), {f"{PERSON}.ChannelSchema"}),
        (
            an_order_request(to_person(channelSchema="EmailPreferred", emailSettings=None)),
            {f"{PERSON}.EmailSettings", f"{PERSON}.SmsSettings"},
        ),
        (
            an_order_request(
                to_person(
                    channelSchema="Sms",
                    smsSettings=sms_settings(),
                    emailSettings=email_settings(senderEmailAddress="x"),
                )
            ),
            {f"{PERSON}.EmailSettings.SenderEmailAddress"},
        ),
        (
            an_order_request(to_person(smsSettings=sms_settings(sendingTimePolicy=3))),
            {f"{PERSON}.SmsSettings.SendingTimePolicy"},
        ),
        (an_order_request(to_person(resourceId="urn:altinn:resource:")), {f"{PERSON}.ResourceId"}),
        (
            an_order_request(to_organization(resourceAction="read")),
            {"Recipient.RecipientOrganization.ResourceAction"},
        ),
        (
            an_order_request(to_external_identity(resourceId=" ", resourceAction="read")),
            {
                "Recipient.RecipientExternalIdentity.ResourceId",
                "Recipient.RecipientExternalIdentity.ResourceAction",
            },
        ),
        (an_order_request(reminders=[None]), {"Reminders[0]"}),
        (an_order_request(reminders=[a_reminder(delayDays=0)]), {"Reminders[0].DelayDays"}),
        (an_order_request(reminders=[a_reminder(delayDays=2147483647)]), {"Reminders[0].DelayDays"}),
        (an_order_request(reminders=[a_reminder(delayDays=None)]), {"Reminders[0]"}),
        (
            an_order_request(reminders=[a_reminder(delayDays=1, requestedSendTime=FUTURE)]),
            {"Reminders[0]", "Reminders[0].DelayDays", "Reminders[0].RequestedSendTime"},
        ),
        (an_order_request(reminders=[a_reminder(requestedSendTime=PAST)]), {"Reminders[0].RequestedSendTime"}),
        (an_order_request(reminders=[a_reminder(conditionEndpoint="x")]), {"Reminders[0].ConditionEndpoint"}),
        (
            an_order_request(reminders=[a_reminder(), a_reminder(to_sms("+47"))]),
            {"Reminders[1].Recipient.RecipientSms.PhoneNumber"},
        ),
        (an_order_request(reminders=[a_reminder({})]), {"Reminders[0].Recipient"}),
        (an_order_request(sendersReference="a\0b"), {"SendersReference"}),
        (an_order_request(idempotencyId="\0"), {"IdempotencyId"}),
        (
            an_order_request(to_email(body="a\0b", senderEmailAddress="x")),
            {f"{MAIL}.Body", f"{MAIL}.SenderEmailAddress"},
        ),
        (an_order_request(dialogportenAssociation={"dialogId": "\0"}), {"DialogportenAssociation.DialogId"}),
    ],
)
def test_what_breaks_a_rule_is_reported_by_its_key(request_: dict[str, Any], expected: set[str]) -> None:
    assert keys(request_) == expected


@pytest.mark.parametrize(
    "request_",
    [
        an_order_request(requestedSendTime=NOON.isoformat()),
        an_order_request(sendersReference="   "),
        an_order_request(conditionEndpoint="http://localhost:8080/x?seen=true"),
        an_order_request(to_person("00000000000")),
        an_order_request(to_organization("000000000", resourceId="urn:altinn:resource:x", resourceAction="")),
        an_order_request(to_person(channelSchema="emailpreferred", **ALL_SETTINGS)),
        an_order_request(to_person(channelSchema=2, **ALL_SETTINGS)),
        an_order_request(to_person(channelSchema="2", **ALL_SETTINGS)),
        an_order_request(to_person(channelSchema=" Email ")),
        an_order_request(to_external_identity(channelSchema="EmailAndSms", **ALL_SETTINGS)),
        an_order_request(to_organization(ignoreReservation="anything")),
        an_order_request(to_email(contentType=0, unknown={})) | {"IDEMPOTENCYID": "x1"},
        an_order_request(reminders=[a_reminder(delayDays="7")]),
        an_order_request(reminders=[a_reminder(requestedSendTime=FUTURE, delayDays=None)]),
        an_order_request(to_email() | {"recipientSms": None}),
    ],
)
def test_valid_requests(request_: dict[str, Any]) -> None:
    assert errors(request_) == {}


def test_a_past_time_without_zone_breaks_two_rules_of_one_key() -> None:
    found = errors(an_order_request(requestedSendTime="2001-01-01T00:00:00"))
    assert {key: len(messages) for key, messages in found.items()} == {"RequestedSendTime": 2}


def test_every_part_of_a_request_is_judged_at_once() -> None:
    request = an_order_request(
        to_email("x", senderEmailAddress="y") | to_sms("z"),
        requestedSendTime=PAST,
        conditionEndpoint="w",
        reminders=[a_reminder(to_person("v"), delayDays=0), None],
    )
    assert keys(request) == {
        "RequestedSendTime",
        "ConditionEndpoint",
        "Recipient",
        "Recipient.RecipientEmail.EmailAddress",
        f"{MAIL}.SenderEmailAddress",
        "Recipient.RecipientSms.PhoneNumber",
        "Reminders[0].DelayDays",
        f"Reminders[0].{PERSON}.NationalIdentityNumber",
        "Reminders[1]",
    }


def test_of_three_hundred_errors_two_hundred_are_told() -> None:
    found = errors(an_order_request(reminders=[a_reminder(delayDays=None)] * 300))
    assert sum(len(messages) for messages in found.values()) == 200
    assert len(found[""]) == 1


def test_a_delay_is_judged_even_if_the_main_time_has_no_zone() -> None:
    request = an_order_request(requestedSendTime="9999-12-31T00:00:00", reminders=[a_reminder(delayDays=1)])
    assert keys(request) == {"RequestedSendTime", "Reminders[0].DelayDays"}


def test_no_message_repeats_what_was_sent() -> None:
    request = an_order_request(to_email("secret-address", senderEmailAddress="secret-sender") | to_sms("secret-number"))
    assert "secret" not in json.dumps(errors(request))
