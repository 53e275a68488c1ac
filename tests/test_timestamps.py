from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.timestamps import to_wire


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 2, 8, 2, 40, tzinfo=UTC), "2026-03-02T08:02:40Z"),
        (datetime(2026, 3, 2, 8, 2, 40, 100210, tzinfo=UTC), "2026-03-02T08:02:40.10021Z"),
        (datetime(2026, 3, 2, 8, 2, 5, 700000, tzinfo=UTC), "2026-03-02T08:02:05.7Z"),
        (datetime(2026, 3, 2, 8, 2, 40, 1, tzinfo=UTC), "2026-03-02T08:02:40.000001Z"),
        (datetime(2026, 3, 2, 10, 0, tzinfo=timezone(timedelta(hours=2))), "2026-03-02T08:00:00Z"),
        (datetime(2026, 3, 2, 20, 0, 10, tzinfo=UTC), "2026-03-02T20:00:10Z"),
    ],
)
def test_a_moment_is_told_in_utc_with_the_zeros_of_its_fraction_dropped(moment: datetime, text: str) -> None:
    assert to_wire(moment) == text


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_wire(datetime(2026, 3, 2))  # noqa: DTZ001 - the lack is what is tested


@given(st.datetimes(timezones=st.timezones()))
def test_what_is_told_is_the_same_moment(moment: datetime) -> None:
    text = to_wire(moment) if datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC) else None
    assert text is None or datetime.fromisoformat(text) == moment.astimezone(UTC)
