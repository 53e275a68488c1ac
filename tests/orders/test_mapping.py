"""From a valid request to orders (spec 02, 5, 6 and 9)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.api.future_orders import read_order
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.mapping import Registration, to_chain
from altinn_notifications.orders.model import ContentType, NotificationChannel, Order, OrderChain, Recipient
from altinn_notifications.orders.model import SendingTimePolicy as Policy
from altinn_notifications.settings import NotificationSettings
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
from support.times import DAY, HOUR, NOON


def chain(request: dict[str, Any], creator: str = "ttd", **settings: Any) -> OrderChain:
    registration = Registration(creator, NOON, NotificationSettings(**settings))
    return to_chain(read_order(json.dumps(request).encode(), now=NOON), registration)


def main_order(recipient: dict[str, Any], **settings: Any) -> Order:
    return chain(an_order_request(recipient), **settings).main


def test_an_email_order_carries_nothing_of_other_channels() -> None:
    order = main_order(to_email(" kari@example.no ", subject="a\r\nb", contentType="Html"))
    assert order.channel is NotificationChannel.EMAIL
    assert order.recipients == (Recipient(email_address="kari@example.no"),)
    assert order.email is not None
    assert (order.email.subject, order.email.content_type) == ("a b", ContentType.HTML)
    assert (order.sms, order.sms_policy, order.ignore_reservation, order.resource_id) == (None, None, None, None)
    assert not order.use_stale_contact_information


def test_an_sms_order_has_a_policy() -> None:
    order = main_order(to_sms("0047 99999999", sender=" Etat "))
    assert order.channel is NotificationChannel.SMS
    assert order.recipients == (Recipient(mobile_number="0047 99999999"),)
    assert order.sms is not None
    assert (order.sms.sender, order.sms_policy, order.email) == ("Etat", Policy.DAYTIME, None)


def test_a_person_keeps_what_was_asked_for() -> None:
    order = main_order(
        to_person(
            channelSchema="SmsPreferred",
            smsSettings=sms_settings(sendingTimePolicy="Anytime"),
            resourceId="urn:altinn:resource:x",
            resourceAction="write",
            ignoreReservation=True,
        )
    )
    assert order.channel is NotificationChannel.SMS_PREFERRED
    assert order.recipients == (Recipient(national_identity_number="16069412345"),)
    assert (order.sms_policy, order.ignore_reservation) == (Policy.ANYTIME, True)
    assert (order.resource_id, order.resource_action) == ("urn:altinn:resource:x", "write")
    assert order.email is not None


def test_a_persons_reservation_counts_unless_said_otherwise() -> None:
    assert main_order(to_person()).ignore_reservation is False


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (to_organization("311000179"), Recipient(organization_number="311000179")),
        (to_external_identity("urn:altinn:username:%C3%A5"), Recipient(external_identity="urn:altinn:username:%C3%A5")),
    ],
)
def test_other_parties_have_no_say_on_reservation(recipient: dict[str, Any], expected: Recipient) -> None:
    order = main_order(recipient)
    assert order.recipients == (expected,)
    assert (order.ignore_reservation, order.use_stale_contact_information) == (None, False)


def test_settings_that_the_channel_does_not_use_are_kept() -> None:
    order = main_order(to_person(channelSchema="Sms", smsSettings=sms_settings(), emailSettings=email_settings()))
    assert order.email is not None


@pytest.mark.parametrize("sender", [None, "", "   "])
def test_a_missing_sender_is_the_configured_one(sender: str | None) -> None:
    order = main_order(to_sms(sender=sender), default_sms_sender_number="Test")
    assert order.sms is not None
    assert order.sms.sender == "Test"
    mail = main_order(to_email(), default_email_from_address="post@test.no")
    assert mail.email is not None
    assert mail.email.from_address == "post@test.no"


def test_reminders_count_from_the_main_time_and_inherit_nothing() -> None:
    made = chain(
        an_order_request(
            requestedSendTime=(NOON + HOUR).isoformat(),
            sendersReference="main",
            conditionEndpoint="https://a.no",
            reminders=[
                a_reminder(delayDays=3),
                a_reminder(requestedSendTime=(NOON + DAY).isoformat(), sendersReference="second"),
            ],
        )
    )
    first, second = made.reminders
    assert first.requested_send_time == NOON + HOUR + 3 * DAY
    assert second.requested_send_time == NOON + DAY
    assert (first.senders_reference, first.condition_endpoint) == (None, None)
    assert second.senders_reference == "second"
    assert {order.type for order in made.reminders} == {OrderType.Reminder}
    assert (made.main.type, made.main.condition_endpoint) == (OrderType.Notification, "https://a.no")


@given(st.integers(1, 5000))
def test_a_delay_is_days_of_twenty_four_hours(days: int) -> None:
    made = chain(an_order_request(reminders=[a_reminder(delayDays=days)]))
    assert made.reminders[0].requested_send_time - made.main.requested_send_time == timedelta(hours=24 * days)


@pytest.mark.parametrize(("creator", "is_stale"), [("skd", True), ("SKD", True), ("ttd", False), ("skdx", False)])
def test_some_creators_always_use_stale_contacts(creator: str, is_stale: bool) -> None:  # noqa: FBT001 - a column of the table
    made = chain(an_order_request(to_person(), reminders=[a_reminder(to_person()), a_reminder(to_email())]), creator)
    assert [order.use_stale_contact_information for order in made.orders] == [is_stale, is_stale, False]


def test_which_creators_those_are_is_configured() -> None:
    made = chain(an_order_request(to_person()), "ttd", stale_contact_creators=("ttd",))
    assert made.main.use_stale_contact_information
    asked = chain(an_order_request(to_person(useStaleContactInformation=True)))
    assert asked.main.use_stale_contact_information


def test_neither_orders_nor_requests_show_what_they_hold() -> None:
    request = an_order_request(to_email("kari@example.no"))
    made = chain(request)
    assert "kari" not in repr(made) + repr(made.main) + repr(made.main.recipients[0])
    assert "kari" not in repr(read_order(json.dumps(request).encode(), now=NOON))
