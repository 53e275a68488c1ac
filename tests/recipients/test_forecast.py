from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.orders.model import NotificationChannel, Recipient
from altinn_notifications.recipients.contacts import Addresses, Contact, Contacts, identity_of
from altinn_notifications.recipients.forecast import ForecastStatus, forecast
from support.orders import an_order

if TYPE_CHECKING:
    from altinn_notifications.recipients.forecast import Forecast

KARI, OLA = Recipient(national_identity_number="12838530255"), Recipient(national_identity_number="05917921107")
FLINK = Recipient(organization_number="319900241")
USER = Recipient(external_identity="urn:altinn:party:username:Kari")
DIRECT = Recipient(email_address="k@e.no", mobile_number="+4799999001")
EMAIL, SMS = Contact((Addresses(emails=("a@e.no",)),)), Contact((Addresses(mobile_numbers=("+4799999001",)),))
NOWHERE = Contact((Addresses(),))
RESERVED, RESERVED_NOWHERE = Contact(EMAIL.points, is_reserved=True), Contact((Addresses(),), is_reserved=True)


def contacts(*known: tuple[Recipient, Contact]) -> Contacts:
    return {identity: contact for recipient, contact in known if (identity := identity_of(recipient)) is not None}


def told(
    channel: NotificationChannel, recipients: list[Recipient], known: Contacts
) -> tuple[str, list[str], list[str]]:
    result = forecast(an_order(channel=channel, recipients=tuple(recipients)), known)
    assert result is not None
    return result.status.value, list(result.is_reserved), list(result.missing_contact)


def test_direct_addresses_need_no_forecast() -> None:
    for channel in NotificationChannel:
        assert forecast(an_order(channel=channel, recipients=(DIRECT,)), {}) is None


@pytest.mark.parametrize(
    ("channel", "contact", "reached"),
    [
        (NotificationChannel.EMAIL, EMAIL, True),
        (NotificationChannel.EMAIL, SMS, False),
        (NotificationChannel.SMS, EMAIL, False),
        (NotificationChannel.SMS, SMS, True),
        (NotificationChannel.EMAIL_PREFERRED, SMS, True),
        (NotificationChannel.SMS_PREFERRED, EMAIL, True),
        (NotificationChannel.EMAIL_AND_SMS, EMAIL, True),
        (NotificationChannel.EMAIL_AND_SMS, SMS, True),
        (NotificationChannel.EMAIL_AND_SMS, NOWHERE, False),
    ],
)
def test_either_address_will_do_where_the_channel_has_both(
    channel: NotificationChannel, contact: Contact, *, reached: bool
) -> None:
    missing = [] if reached else ["319900241"]
    status = "Success" if reached else "Failed"
    assert told(channel, [FLINK], contacts((FLINK, contact))) == (status, [], missing)


def test_who_is_not_in_the_registers_is_missing_and_not_reserved() -> None:
    assert told(NotificationChannel.EMAIL, [KARI], {}) == ("Failed", [], ["12838530255"])


def test_a_reserved_person_is_listed_whether_reachable_or_not_and_never_missing() -> None:
    known = contacts((KARI, RESERVED), (OLA, RESERVED_NOWHERE))
    numbers = ["12838530255", "05917921107"]
    assert told(NotificationChannel.EMAIL, [KARI, OLA], known) == ("Failed", numbers, [])


def test_reservation_is_told_also_when_the_order_ignores_it() -> None:
    order = an_order(recipients=(KARI,), ignore_reservation=True)
    result = forecast(order, contacts((KARI, RESERVED)))
    assert result is not None
    assert result.is_reserved == ("12838530255",)


def test_some_reached_and_some_not_is_a_partial_success() -> None:
    known = contacts((KARI, EMAIL))
    urn = "urn:altinn:party:username:Kari"
    assert told(NotificationChannel.EMAIL, [KARI, FLINK, USER, DIRECT], known) == (
        "PartialSuccess",
        [],
        ["319900241", urn],
    )


def test_everybody_reached_is_a_success_with_empty_lists() -> None:
    assert told(NotificationChannel.EMAIL, [KARI], contacts((KARI, EMAIL))) == ("Success", [], [])


def test_somebody_unreachable_who_is_listed_twice_is_counted_once_on_both_sides() -> None:
    assert told(NotificationChannel.EMAIL, [KARI, KARI], {}) == ("Failed", [], ["12838530255"])


def test_a_reserved_person_who_is_listed_twice_is_told_twice() -> None:
    known = contacts((KARI, RESERVED))
    assert told(NotificationChannel.EMAIL, [KARI, KARI], known) == ("Failed", ["12838530255"] * 2, [])


@given(
    st.sampled_from(list(NotificationChannel)),
    st.lists(st.sampled_from([KARI, OLA, FLINK, USER, DIRECT])),
    st.dictionaries(
        st.sampled_from([identity for one in (KARI, OLA, FLINK, USER) if (identity := identity_of(one))]),
        st.sampled_from([EMAIL, SMS, NOWHERE, RESERVED, RESERVED_NOWHERE]),
    ),
)
def test_the_lists_are_apart_and_the_status_says_how_full_they_are(
    channel: NotificationChannel, recipients: list[Recipient], known: Contacts
) -> None:
    result: Forecast | None = forecast(an_order(channel=channel, recipients=tuple(recipients)), known)
    if result is None:
        assert set(recipients) <= {DIRECT}
        return
    assert not set(result.is_reserved) & set(result.missing_contact)
    assert len(result.missing_contact) == len(set(result.missing_contact))
    assert (result.status is ForecastStatus.SUCCESS) is (not result.is_reserved and not result.missing_contact)
