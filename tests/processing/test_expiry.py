from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from altinn_notifications.orders.model import SendingTimePolicy
from altinn_notifications.processing.expiry import (
    OSLO,
    SendWindow,
    email_expiry,
    in_send_window,
    next_opening,
    sms_expiry,
)

WINDOW = SendWindow(9, 17)
TWO_DAYS = timedelta(hours=48)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
WINDOWS = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda hours: hours[0] < hours[1])
SPRING = [datetime(2025, 3, 30, hour, 30, tzinfo=UTC) for hour in range(4)]


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def in_oslo(text: str) -> datetime:
    """A moment by the clocks of Oslo."""
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


@pytest.mark.parametrize(
    ("requested", "expiry"),
    [
        ("2025-08-25T10:00", "2025-08-27T10:00"),
        ("2025-08-25T20:00", "2025-08-28T07:00"),
        ("2025-08-25T05:00", "2025-08-27T07:00"),
        ("2025-01-15T08:00:00.000", "2025-01-18T08:00"),
        ("2025-01-15T08:00:00.001", "2025-01-17T08:00:00.001"),
        ("2025-01-15T15:59:59.999", "2025-01-17T15:59:59.999"),
        ("2025-01-15T16:00", "2025-01-18T08:00"),
        ("2025-03-28T20:00", "2025-03-31T07:00"),
        ("2025-03-28T10:00", "2025-03-30T10:00"),
        ("2025-10-24T05:00", "2025-10-26T08:00"),
        ("2025-10-23T22:30", "2025-10-26T08:00"),
    ],
)
def test_a_daytime_sms_expires_as_the_table_says(requested: str, expiry: str) -> None:
    assert sms_expiry(at(requested), SendingTimePolicy.DAYTIME, WINDOW) == at(expiry)


@given(MOMENTS, st.sampled_from([SendingTimePolicy.ANYTIME, None]))
def test_email_and_other_sms_live_for_48_hours(requested: datetime, policy: SendingTimePolicy | None) -> None:
    assert email_expiry(requested) == requested + TWO_DAYS
    assert sms_expiry(requested, policy, WINDOW) == requested + TWO_DAYS


@given(MOMENTS)
def test_inside_the_window_a_daytime_sms_lives_for_48_hours_whatever_the_clocks_do(requested: datetime) -> None:
    assume(in_send_window(requested, WINDOW))
    assert sms_expiry(requested, SendingTimePolicy.DAYTIME, WINDOW) == requested + TWO_DAYS


@given(MOMENTS)
def test_outside_the_window_a_daytime_sms_expires_at_nine_in_oslo(requested: datetime) -> None:
    assume(not in_send_window(requested, WINDOW))
    expiry = sms_expiry(requested, SendingTimePolicy.DAYTIME, WINDOW)
    assert expiry.tzinfo is UTC
    assert expiry.astimezone(OSLO).time() == time(9)
    opening = next_opening(requested, WINDOW).astimezone(OSLO).date()
    assert expiry.astimezone(OSLO).date() - opening in {timedelta(days=2), timedelta(days=3)}


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2025-01-15T08:59:59", False),
        ("2025-01-15T09:00:00.000", False),
        ("2025-01-15T09:00:00.001", True),
        ("2025-01-15T16:59:59", True),
        ("2025-01-15T17:00:00", False),
        ("2025-01-18T12:00", True),  # a Saturday
        ("2025-12-25T12:00", True),
    ],
)
def test_daytime_sms_leave_strictly_between_the_hours_every_day(moment: str, *, inside: bool) -> None:
    assert in_send_window(in_oslo(moment), WINDOW) is inside


def test_the_same_utc_hour_is_inside_in_summer_and_outside_in_winter() -> None:
    assert in_send_window(at("2025-07-15T07:30"), WINDOW)
    assert not in_send_window(at("2025-01-15T07:30"), WINDOW)


@pytest.mark.parametrize("moment", [datetime(2025, 1, 1)])  # noqa: DTZ001 - the lack is the point
def test_a_moment_without_a_time_zone_is_refused(moment: datetime) -> None:
    for function in (email_expiry, lambda m: sms_expiry(m, None, WINDOW), lambda m: in_send_window(m, WINDOW)):
        with pytest.raises(ValueError, match="time zone"):
            function(moment)


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2025-01-15T03:00", "2025-01-15T09:00:00.000001"),
        ("2025-01-15T09:00", "2025-01-15T09:00:00.000001"),
        ("2025-01-15T12:00", "2025-01-15T12:00"),
        ("2025-01-15T17:00", "2025-01-16T09:00:00.000001"),
        ("2025-03-29T20:00", "2025-03-30T09:00:00.000001"),
        ("2025-10-25T20:00", "2025-10-26T09:00:00.000001"),
    ],
)
def test_the_window_opens_just_after_nine(now: str, opening: str) -> None:
    assert next_opening(in_oslo(now), WINDOW) == in_oslo(opening)


@given(st.one_of(MOMENTS, st.sampled_from(SPRING)), WINDOWS)
def test_the_next_opening_is_the_first_moment_inside_any_window(now: datetime, hours: tuple[int, int]) -> None:
    window = SendWindow(*hours)
    opening = next_opening(now, window)
    assert opening >= now
    assert in_send_window(opening, window)
    assert opening == now or not in_send_window(now, window)
    assert opening - now <= timedelta(hours=49)
    if opening > now:
        halfway = now + (opening - now) / 2
        assert (
            not in_send_window(halfway, window)
            or halfway.astimezone(OSLO).utcoffset() != now.astimezone(OSLO).utcoffset()
        )
