"""What first-generation requests are refused for, layer by layer (spec 05, 3 to 5 and 16)."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.api.first_generation.orders import CHANNEL_FORM, EMAIL_FORM, SMS_FORM
from altinn_notifications.api.problems import Problem
from altinn_notifications.orders.first_generation import condition_endpoint_host_fault
from altinn_notifications.orders.model import NotificationChannel
from support.first_generation import TO_KARI, TO_MOBILE, a_channel_request, an_email_request, an_sms_request, without
from support.times import MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from altinn_notifications.api.first_generation.orders import Form

PERSON = {"nationalIdentityNumber": "16069412345"}
ORGANIZATION = {"organizationNumber": "311000179"}
CHANNELS = list(NotificationChannel)


def errors(form: Form[Any], request: Any) -> dict[str, list[str]]:
    """What is wrong with a request, by key; empty if it is valid."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    try:
        form.read(body, NOON)
    except Problem as refused:
        problem = refused
    else:
        return {}
    assert problem.status == 400
    assert problem.body is not None
    found: dict[str, list[str]] = problem.body["errors"]
    return found


def email_keys(*recipients: Any, **changes: Any) -> set[str]:
    return set(errors(EMAIL_FORM, an_email_request(*recipients, **changes)))


def sms_keys(*recipients: Any, **changes: Any) -> set[str]:
    return set(errors(SMS_FORM, an_sms_request(*recipients, **changes)))


def keys(channel: Any, *recipients: Any, **changes: Any) -> set[str]:
    return set(errors(CHANNEL_FORM, a_channel_request(channel, *recipients, **changes)))


@pytest.mark.parametrize(
    ("form", "parameter"),
    [
        (CHANNEL_FORM, "notificationOrderRequest"),
        (EMAIL_FORM, "emailNotificationOrderRequest"),
        (SMS_FORM, "smsNotificationOrderRequest"),
    ],
)
@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"null", ""),
        (b"[]", "$"),
        (b'{"recipients": [{"emailAddress": 5}]}', "$.recipients[0].emailAddress"),
        (b'{"requestedSendTime": null}', "$.requestedSendTime"),
        (b'{"conditionEndpoint": "http://"}', "$.conditionEndpoint"),
        (b'{"ignoreReservation": "true"}', "$.ignoreReservation"),
        (b'{"recipients": [{"isReserved": 1}]}', "$.recipients[0].isReserved"),
    ],
)
def test_what_cannot_be_read_has_its_path_and_the_name_of_the_body(
    form: Form[Any], parameter: str, body: bytes, path: str
) -> None:
    assert set(errors(form, body)) == {path, parameter}


def test_missing_texts_hide_the_errors_of_recipients() -> None:
    assert set(errors(EMAIL_FORM, without(an_email_request({"emailAddress": "x"}), "subject"))) == {"Subject"}


@pytest.mark.parametrize("nothing", [None, "", "  \t"])
def test_texts_are_required(nothing: str | None) -> None:
    assert email_keys(subject=nothing, body=nothing) == {"Subject", "Body"}
    assert sms_keys(body=nothing) == {"Body"}
    assert set(errors(EMAIL_FORM, b"{}")) == {"Subject", "Body"}
    assert set(errors(SMS_FORM, b"{}")) == {"Body"}


@pytest.mark.parametrize(
    ("template", "members"),
    [("emailTemplate", ("fromAddress", "subject", "body")), ("smsTemplate", ("senderNumber", "body"))],
)
def test_null_in_a_template_is_an_error_that_hides_the_others(template: str, members: tuple[str, ...]) -> None:
    prefix = template[0].upper() + template[1:]
    for member in members:
        found = keys("Email", {"emailAddress": "x"}, **{template: {member: None}})
        assert found == {f"{prefix}.{member[0].upper()}{member[1:]}"}


@pytest.mark.parametrize("recipients", [[], "left out"])
def test_at_least_one_recipient_is_required(recipients: Any) -> None:
    cases: list[tuple[Form[Any], dict[str, Any]]] = [
        (EMAIL_FORM, an_email_request()),
        (SMS_FORM, an_sms_request()),
        *((CHANNEL_FORM, a_channel_request(channel)) for channel in CHANNELS),
    ]
    for form, request in cases:
        changed = without(request, "recipients") if recipients == "left out" else request | {"recipients": recipients}
        assert set(errors(form, changed)) == {"Recipients"}


def test_null_recipients_hide_other_errors() -> None:
    assert email_keys(recipients=None, requestedSendTime="2001-01-01T00:00:00Z") == {"Recipients"}


def test_a_null_recipient_is_refused() -> None:
    assert sms_keys(None) == {"Recipients[0]"}
    assert email_keys(TO_KARI, None) == {"Recipients[1]"}
    assert all(keys(channel, None) == {"Recipients[0]"} for channel in CHANNELS)


@pytest.mark.parametrize("recipient", [{}, {"emailAddress": ""}, {"isReserved": True}, {"organisationNumber": "1"}])
def test_a_recipient_needs_an_address_or_a_number(recipient: dict[str, Any]) -> None:
    assert sms_keys(recipient) == email_keys(recipient) == {"Recipients[0]"}
    assert all(keys(channel, recipient) == {"Recipients[0]"} for channel in CHANNELS)


def test_a_recipient_needs_an_address_that_the_channel_can_use() -> None:
    assert email_keys(TO_MOBILE) == keys("Email", TO_MOBILE) == {"Recipients[0]"}
    assert sms_keys(TO_KARI) == keys("Sms", TO_KARI) == {"Recipients[0]"}
    for channel in ("EmailPreferred", "SmsPreferred", "EmailAndSms"):
        assert keys(channel, TO_KARI) == keys(channel, TO_MOBILE) == keys(channel, TO_KARI | TO_MOBILE) == set()


def test_an_address_of_no_use_is_not_looked_at() -> None:
    assert email_keys(TO_KARI | {"mobileNumber": "nonsense"}) == set()
    assert keys("Email", TO_KARI | {"mobileNumber": "nonsense"}) == set()
    assert sms_keys(TO_MOBILE | {"emailAddress": "nonsense"}) == set()
    for channel in ("EmailPreferred", "SmsPreferred", "EmailAndSms"):
        assert keys(channel, TO_KARI | {"mobileNumber": "nonsense"}) == {"Recipients[0].MobileNumber"}
        assert keys(channel, TO_MOBILE | {"emailAddress": "nonsense"}) == {"Recipients[0].EmailAddress"}


@pytest.mark.parametrize("number", [PERSON, ORGANIZATION])
@pytest.mark.parametrize("address", [TO_KARI, TO_MOBILE])
def test_a_number_stands_alone(number: dict[str, str], address: dict[str, str]) -> None:
    assert email_keys(number | address) == sms_keys(number | address) == {"Recipients[0]"}
    assert all(keys(channel, number | address) == {"Recipients[0]"} for channel in CHANNELS)


def test_a_blank_address_beside_a_number_counts_as_given() -> None:
    assert email_keys(PERSON | {"emailAddress": " "}) == {"Recipients[0]", "Recipients[0].EmailAddress"}
    assert sms_keys(PERSON | {"emailAddress": " "}) == {"Recipients[0]"}


def test_two_numbers_are_two_errors() -> None:
    found = errors(EMAIL_FORM, an_email_request(PERSON | ORGANIZATION))
    assert {key: len(messages) for key, messages in found.items()} == {"Recipients[0]": 2}


@pytest.mark.parametrize("number", ["12345678", "1234567890", "12345678a", " 311000179"])
def test_an_organisation_number_is_nine_digits(number: str) -> None:
    recipient = {"organizationNumber": number}
    assert email_keys(recipient) == sms_keys(recipient) == {"Recipients[0].OrganizationNumber"}
    assert all(keys(channel, recipient) == {"Recipients[0].OrganizationNumber"} for channel in CHANNELS)


@pytest.mark.parametrize("number", ["123456784651", "1606941234", "1606941234x", "   "])
def test_a_national_identity_number_is_eleven_digits(number: str) -> None:
    recipient = {"nationalIdentityNumber": number}
    assert email_keys(recipient) == sms_keys(recipient) == {"Recipients[0].NationalIdentityNumber"}


@pytest.mark.parametrize("number", ["00000000000", "99999999999"])
def test_a_national_identity_number_needs_no_checksum(number: str) -> None:
    assert email_keys({"nationalIdentityNumber": number}) == set()


@pytest.mark.parametrize(
    "number",
    [
        "99999999",
        "+4712345678",
        "+47",
        "+479999999",
        "+479999999999",
        "1111000000",
        "+47invalidChar",
        " +4799999999",
        "12345",
    ],
)
def test_a_mobile_number_must_be_valid(number: str) -> None:
    assert sms_keys({"mobileNumber": number}) == {"Recipients[0].MobileNumber"}


@pytest.mark.parametrize("number", ["+4799999999", "004799999999", "+47 99 99 99 99", "+47 99 99 99 99 "])
def test_a_mobile_number_may_have_spaces_and_begin_with_two_zeros(number: str) -> None:
    assert sms_keys({"mobileNumber": number}) == set()


@pytest.mark.parametrize(
    ("address", "is_valid"),
    [
        ("æge_sjøåsen@domain.com", True),
        ("john.doe@sub.domain.example", True),
        ("gratis-netflix+1@gmail.com", True),
        ("user.name+tag@domain.co.uk", True),
        ("  a@b.no  ", True),
        ("a@10.0.0.300", True),
        ("userexample.com", False),
        ("user@", False),
        ("@example.com", False),
        (".user@example.com", False),
        ("user.@example.com", False),
        ("user@example..com", False),
        ("user@exa!mple.com", False),
        ("one@example.com;two@example.com", False),
        ("  ", False),
    ],
)
def test_an_email_address_must_be_one_address(address: str, *, is_valid: bool) -> None:
    assert email_keys({"emailAddress": address}) == (set() if is_valid else {"Recipients[0].EmailAddress"})


@pytest.mark.parametrize("channel", [None, 5, 9, -1, "99"])
def test_a_channel_that_does_not_exist_is_refused_without_looking_at_recipients(channel: Any) -> None:
    assert keys(channel, {}, None) == {"NotificationChannel"}
    assert set(errors(CHANNEL_FORM, b"{}")) == {"NotificationChannel"}


@pytest.mark.parametrize("channel", ["fax", "", True, {}])
def test_a_channel_that_is_no_name_cannot_be_read(channel: Any) -> None:
    assert keys(channel) == {"$.notificationChannel", "notificationOrderRequest"}


@pytest.mark.parametrize(
    ("written", "channel"),
    [("emailpreferred", "EmailPreferred"), (" SMS ", "Sms"), (0, "Email"), ("3", "SmsPreferred"), (4, "EmailAndSms")],
)
def test_a_channel_is_read_by_name_or_number(written: Any, channel: str) -> None:
    request = a_channel_request(written, TO_KARI | TO_MOBILE)
    assert CHANNEL_FORM.read(json.dumps(request).encode(), NOON).notification_channel == channel


@pytest.mark.parametrize(
    ("channel", "needed"),
    [
        ("Email", {"EmailTemplate"}),
        ("Sms", {"SmsTemplate"}),
        ("EmailPreferred", {"EmailTemplate", "SmsTemplate"}),
        ("SmsPreferred", {"EmailTemplate", "SmsTemplate"}),
        ("EmailAndSms", {"EmailTemplate", "SmsTemplate"}),
    ],
)
@pytest.mark.parametrize("template", ["emailTemplate", "smsTemplate"])
def test_a_channel_needs_its_templates(channel: str, needed: set[str], template: str) -> None:
    request = a_channel_request(channel, TO_KARI | TO_MOBILE)
    missing = {template[0].upper() + template[1:]} & needed
    assert set(errors(CHANNEL_FORM, without(request, template))) == missing
    assert set(errors(CHANNEL_FORM, request | {template: None})) == missing


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_template_for_no_use_must_be_complete_all_the_same(channel: str) -> None:
    recipient = TO_KARI | TO_MOBILE
    assert keys(channel, recipient, emailTemplate={"subject": "a"}) == {"EmailTemplate.Body"}
    assert keys(channel, recipient, emailTemplate={"subject": " ", "body": ""}) == {
        "EmailTemplate.Subject",
        "EmailTemplate.Body",
    }
    assert keys(channel, recipient, smsTemplate={"body": "\n"}) == {"SmsTemplate.Body"}


def test_content_types() -> None:
    template = {"subject": "a", "body": "b"}
    assert keys("Email", emailTemplate=template | {"contentType": None}) == {
        "$.emailTemplate.contentType",
        "notificationOrderRequest",
    }
    assert keys("Email", emailTemplate=template | {"contentType": 7}) == {"EmailTemplate.ContentType"}
    assert email_keys(contentType=7) == {"ContentType"}
    assert email_keys(contentType="html") == email_keys(contentType=None) == set()


@pytest.mark.parametrize(
    ("send_time", "found"),
    [
        ((NOON - 4 * MINUTE).isoformat(), set()),
        ((NOON - 5 * MINUTE).isoformat(), set()),
        ((NOON - 5 * MINUTE - SECOND).isoformat(), {"RequestedSendTime"}),
        ((NOON - 6 * MINUTE).isoformat(), {"RequestedSendTime"}),
        ("2035-01-01T10:00:00", {"RequestedSendTime"}),
        ("2035-01-01", {"RequestedSendTime"}),
        ("2026-03-02T14:00:00+02:00", set()),
        ("2026-03-02T13:30:00+02:00", {"RequestedSendTime"}),
    ],
)
def test_a_send_time_states_its_offset_and_may_have_passed_by_five_minutes(send_time: str, found: set[str]) -> None:
    assert keys("Email", requestedSendTime=send_time) == found
    assert email_keys(requestedSendTime=send_time) == sms_keys(requestedSendTime=send_time) == found


@pytest.mark.parametrize(
    ("endpoint", "is_accepted"),
    [
        ("https://vg.no/condition", True),
        ("http://vilkar.etat-1.example.no", True),
        ("HTTPS://VG.NO/x", True),
        ("https://vg.no/a b{c}", True),
        ("https://vg.no:8443/a?b=c#d", True),
        ("https://user:password@vg.no", True),
        ("https://vg.no/condition?code=a%2Bb%3D", True),
        ("urn:altinn.test", False),
        ("ftp://vg.no", False),
        ("http://localhost/x", False),
        ("http://localhost:5050", False),
        ("https://10.0.0.1/x", False),
        ("https://[2001:db8::1]/x", False),
        ("https://vg.n", False),
        ("https://vg.no1", False),
        ("https://vg.no.", False),
        ("https://blåbær.no/x", False),
        ("https://vg_no.no/x", False),
        ("https://a.no\\@10.0.0.1/", False),
        ("/rel", False),
        ("", False),
    ],
)
def test_a_condition_endpoint_is_a_web_address_in_a_public_domain(endpoint: str, *, is_accepted: bool) -> None:
    assert (condition_endpoint_host_fault(endpoint) is None) is is_accepted
    expected = set() if is_accepted else {"ConditionEndpoint"}
    assert email_keys(conditionEndpoint=endpoint) == keys("Email", conditionEndpoint=endpoint) == expected


@pytest.mark.parametrize(
    ("resource", "action", "found"),
    [
        (None, None, set()),
        (None, "", set()),
        (None, "read", {"ResourceAction"}),
        (" ", "read", {"ResourceAction"}),
        ("urn:altinn:resource:x", "read", set()),
        ("urn:altinn:resource:x", "  ", {"ResourceAction"}),
        ("urn:altinn:resource:x", "", set()),
        ("app_ttd_apps-test", None, set()),
        ("app_ttd_apps-test", "sign", set()),
        ("", None, set()),
    ],
)
def test_an_action_needs_a_resource_of_any_spelling(resource: str | None, action: str | None, found: set[str]) -> None:
    assert sms_keys(resourceId=resource, resourceAction=action) == found
    assert keys("Email", resourceId=resource, resourceAction=action) == found


def test_all_errors_of_the_rules_are_told_together() -> None:
    recipients: tuple[dict[str, str], ...] = ({"emailAddress": "x"}, {})
    found = keys("Email", *recipients, requestedSendTime="2035-01-01", conditionEndpoint="/x", resourceAction="read")
    assert found == {
        "Recipients[0].EmailAddress",
        "Recipients[1]",
        "RequestedSendTime",
        "ConditionEndpoint",
        "ResourceAction",
    }


def test_a_nul_character_is_refused_by_its_key() -> None:
    assert email_keys(TO_KARI, {"organizationNumber": "3\0"}, sendersReference="a\0b") == {
        "SendersReference",
        "Recipients[1].OrganizationNumber",
    }


def test_names_are_read_in_any_case_and_unknown_ones_are_passed_over() -> None:
    request = {
        "Recipients": [{"EmailAddress": "kari@example.no", "more": {"x": [1]}}],
        "RequestedSendTime": "2035-01-01T00:00:00Z",
        "SUBJECT": "a",
        "body": "b",
        "idempotencyId": 5,
    }
    asked = EMAIL_FORM.read(json.dumps(request).encode(), NOON)
    assert (asked.subject, len(asked.recipients)) == ("a", 1)


VALID = a_channel_request(
    "EmailPreferred",
    TO_KARI | TO_MOBILE,
    PERSON,
    requestedSendTime="2035-01-01T00:00:00Z",
    conditionEndpoint="https://a.no/x",
    resourceId="r",
    resourceAction="read",
    **an_email_request(contentType="Html", senderNumber="Etat", sendersReference="r", ignoreReservation=True),
)
ODD = st.sampled_from(["", " ", "\0", "\ud800", "7", "a@b.no", "9" * 400, "http://", "2035-01-01T00:00Z"]) | (
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
)


@given(st.sampled_from(sorted(VALID)), ODD, st.sampled_from(["emailAddress", "mobileNumber", "organizationNumber"]))
def test_whatever_is_sent_is_valid_or_refused(member: str, value: Any, address: str) -> None:
    for form in (CHANNEL_FORM, EMAIL_FORM, SMS_FORM):
        spoiled = copy.deepcopy(VALID) | {member: value}
        errors(form, spoiled)
        errors(form, VALID | {"recipients": [{address: value}]})
