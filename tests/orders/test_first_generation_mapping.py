"""From a first-generation request to the order it asks for (spec 05, 3 and 6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from altinn_notifications.api.first_generation.orders import CHANNEL_FORM, EMAIL_FORM, SMS_FORM, Form
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.mapping import Registration
from altinn_notifications.orders.model import ContentType, EmailTemplate, Order, Recipient, SmsTemplate
from altinn_notifications.settings import NotificationSettings
from support.first_generation import TO_KARI, TO_MOBILE, a_channel_request, an_email_request, an_sms_request
from support.times import HOUR, NOON

BOTH = TO_KARI | TO_MOBILE


def order_of(form: Form[Any], request: dict[str, Any], creator: str = "ttd") -> Order:
    asked = form.read(json.dumps(request).encode(), NOON)
    return form.to_order(asked, Registration(creator, NOON, NotificationSettings()))


def test_an_order_by_email_is_filled_in_with_defaults() -> None:
    order = order_of(EMAIL_FORM, an_email_request())
    assert order == Order(
        id=order.id,
        type=OrderType.Notification,
        creator="ttd",
        created=NOON,
        requested_send_time=NOON,
        channel=order.channel,
        recipients=(Recipient(email_address="kari@example.no"),),
        email=EmailTemplate("noreply@altinn.cloud", "Ny melding", "Du har fått en melding.", ContentType.PLAIN),
    )
    assert order.channel == "Email"


def test_an_order_by_sms_is_filled_in_with_defaults() -> None:
    order = order_of(SMS_FORM, an_sms_request())
    assert (order.channel, order.email, order.sms) == ("Sms", None, SmsTemplate("Altinn", "Du har fått en melding."))
    assert order.sms_policy is None


def test_each_request_is_another_order() -> None:
    assert order_of(SMS_FORM, an_sms_request()).id != order_of(SMS_FORM, an_sms_request()).id


def test_a_channels_own_endpoint_drops_the_other_channels_address() -> None:
    assert order_of(EMAIL_FORM, an_email_request(BOTH)).recipients == (Recipient(email_address="kari@example.no"),)
    assert order_of(SMS_FORM, an_sms_request(BOTH)).recipients == (Recipient(mobile_number="+4799999999"),)


@pytest.mark.parametrize("channel", ["Email", "Sms", "EmailPreferred", "SmsPreferred", "EmailAndSms"])
def test_the_common_endpoint_keeps_both_addresses(channel: str) -> None:
    order = order_of(CHANNEL_FORM, a_channel_request(channel, BOTH))
    assert order.channel == channel
    assert order.recipients == (Recipient(email_address="kari@example.no", mobile_number="+4799999999"),)


def test_recipients_keep_their_sequence_and_what_they_were_named_by() -> None:
    recipients = (
        {"nationalIdentityNumber": "16069412345", "isReserved": True},
        {"organizationNumber": "311000179", "nationalIdentityNumber": ""},
        {"emailAddress": "  kari@example.no "},
    )
    assert order_of(CHANNEL_FORM, a_channel_request("Email", *recipients)).recipients == (
        Recipient(national_identity_number="16069412345"),
        Recipient(organization_number="311000179", national_identity_number=""),
        Recipient(email_address="kari@example.no"),
    )


@pytest.mark.parametrize("sender", ["", "  \t", None])
def test_a_blank_sender_is_the_default(sender: str | None) -> None:
    assert order_of(SMS_FORM, an_sms_request(senderNumber=sender)).sms == SmsTemplate(
        "Altinn", "Du har fått en melding."
    )
    if sender is not None:
        email, sms = {"subject": "s", "body": "b", "fromAddress": sender}, {"body": "b", "senderNumber": sender}
        order = order_of(CHANNEL_FORM, a_channel_request("Email", emailTemplate=email, smsTemplate=sms))
        assert order.email == EmailTemplate("noreply@altinn.cloud", "s", "b", ContentType.PLAIN)
        assert order.sms == SmsTemplate("Altinn", "b")


def test_a_sender_need_not_be_an_address() -> None:
    email = {"subject": "s", "body": "b", "fromAddress": "Etaten", "contentType": "Html"}
    sms = {"body": "b", "senderNumber": "A sender of 27 characters.."}
    order = order_of(CHANNEL_FORM, a_channel_request("Email", emailTemplate=email, smsTemplate=sms))
    assert order.email == EmailTemplate("Etaten", "s", "b", ContentType.HTML)
    assert order.sms == SmsTemplate("A sender of 27 characters..", "b")


def test_line_breaks_of_a_subject_become_spaces() -> None:
    order = order_of(EMAIL_FORM, an_email_request(subject="a\r\nb\nc\rd", body="a\r\nb"))
    assert order.email is not None
    assert (order.email.subject, order.email.body) == ("a b c d", "a\r\nb")


@pytest.mark.parametrize(
    ("content_type", "read"), [({}, "Plain"), ({"contentType": None}, "Plain"), ({"contentType": 1}, "Html")]
)
def test_the_content_type_is_plain_unless_it_is_said_otherwise(content_type: dict[str, Any], read: str) -> None:
    order = order_of(EMAIL_FORM, an_email_request(**content_type))
    assert order.email is not None
    assert order.email.content_type == read


def test_what_is_common_to_all_orders_is_kept_as_given() -> None:
    common = {
        "sendersReference": " ",
        "requestedSendTime": "2026-03-02T15:00:00+02:00",
        "conditionEndpoint": "https://vg.no:8443/a b{c}",
        "ignoreReservation": False,
        "resourceId": "app_ttd_apps-test",
        "resourceAction": "read",
    }
    for form, request in (
        (CHANNEL_FORM, a_channel_request("Email", **common)),
        (EMAIL_FORM, an_email_request(**common)),
        (SMS_FORM, an_sms_request(**common)),
    ):
        order = order_of(form, request)
        assert order.requested_send_time == NOON + HOUR
        assert (order.senders_reference, order.condition_endpoint) == (" ", "https://vg.no:8443/a b{c}")
        assert (order.ignore_reservation, order.resource_id) == (False, "app_ttd_apps-test")
        assert order.resource_action == "read"


def test_stale_contacts_are_never_used() -> None:
    request = an_email_request({"nationalIdentityNumber": "16069412345"})
    assert not order_of(EMAIL_FORM, request, creator="skd").use_stale_contact_information
