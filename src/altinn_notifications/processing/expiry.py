"""How long a notification may live, and when an SMS may leave, by the clocks of Oslo (spec 08, 9.3 and 10.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from altinn_notifications.orders.model import SendingTimePolicy

if TYPE_CHECKING:
    from datetime import date

OSLO: Final = ZoneInfo("Europe/Oslo")
LIFETIME: Final = timedelta(hours=48)
_TICK: Final = timedelta(microseconds=1)  # the smallest step of our clocks, and of PostgreSQL's


@dataclass(frozen=True, slots=True)
class SendWindow:
    """The hours of the day in Oslo between which daytime SMS may leave; exactly at either hour they may not."""

    start_hour: int
    end_hour: int


def email_expiry(requested: datetime) -> datetime:
    """When an email may no longer be sent or reported on, in UTC.

    Raises `ValueError` if `requested` has no time zone. Source: spec 08, 9.3.
    """
    return _utc(requested) + LIFETIME


def sms_expiry(requested: datetime, policy: SendingTimePolicy | None, window: SendWindow) -> datetime:
    """When an SMS may no longer be sent or reported on, in UTC.

    48 hours after `requested`, unless it is a daytime SMS that is due outside the window: then it has two whole days
    from the next opening, counted on the clocks of Oslo, whatever they do in between. Due exactly at the opening hour
    is outside, and counts as after closing. Raises `ValueError` if `requested` has no time zone. Source: spec 08, 9.3.
    """
    due = _utc(requested)
    if policy is not SendingTimePolicy.DAYTIME or in_send_window(due, window):
        return due + LIFETIME
    days = 2 if _time_of_day(due) < timedelta(hours=window.start_hour) else 3
    return _opening(due.astimezone(OSLO).date() + timedelta(days=days), window)


def in_send_window(now: datetime, window: SendWindow) -> bool:
    """Whether a daytime SMS may leave at this moment. Strict at both ends. Source: spec 08, 10.2."""
    return timedelta(hours=window.start_hour) < _time_of_day(now) < timedelta(hours=window.end_hour)


def next_opening(now: datetime, window: SendWindow) -> datetime:
    """The first moment from `now` on that is inside the window, in UTC; `now` itself when it is."""
    if in_send_window(now, window):
        return _utc(now)
    today = _utc(now).astimezone(OSLO).date()
    openings = (_opening(today + timedelta(days=days), window) + _TICK for days in range(3))
    # Three days, because a window inside the hour that is skipped in March never opens on that day.
    return next(opening for opening in openings if opening > now and in_send_window(opening, window))


def _opening(day: date, window: SendWindow) -> datetime:
    return datetime.combine(day, time(window.start_hour), OSLO).astimezone(UTC)


def _time_of_day(moment: datetime) -> timedelta:
    local = _utc(moment).astimezone(OSLO)
    return timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)
