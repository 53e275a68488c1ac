"""Rules that several kinds of orders share (spec 02, 2.1, 3.6 and 3.7)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.orders.rules import (
    Faults,
    add_resource_faults,
    add_send_time_faults,
    condition_endpoint_fault,
    is_uri_reference,
)
from support.times import NOON, SECOND


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/x?seen=true",
        "https://a.no/a%20b",
        "https://a.no",
        "HTTPS://A.no/",
        "https://10.0.0.1/x",
        "https://[2001:db8::1]:8443/x",
        "https://user:secret@a.no/x",
        "https://blåbær.no/sjekk/æøå?q=å#del",
        "https://intern/x",
        "https://a.no:/x",
        "https://a.no:00443/x",
        "https://a.no/x?filter[id]=1,2;3&y=!$'()*+:@",
    ],
)
def test_condition_endpoints(url: str) -> None:
    assert is_uri_reference(url)
    assert condition_endpoint_fault(url) is None


@pytest.mark.parametrize(
    "url",
    ["", "api/x", "/x", "//a.no/x", "?x", "urn:isbn:0", "ftp://a.no/x", "mailto:a@b.no", "https:a.no", "httpss://a.no"]
    + [f"https://a.no/{character}x" for character in ' {}"<>\\^|`\x00\x1f\x7f\n\u00a0']
    + ["https://a.no/%", "https://a.no/%zz", " https://a.no", "https://a.no "],
)
def test_what_is_no_condition_endpoint(url: str) -> None:
    assert condition_endpoint_fault(url)


@given(st.text(), st.text())
def test_any_text_is_judged(authority: str, rest: str) -> None:
    url = f"https://{authority}/{rest}"
    assert isinstance(is_uri_reference(url), bool)
    condition_endpoint_fault(url)


@pytest.mark.parametrize(
    ("requested", "count"),
    [
        (None, 0),
        (NOON, 0),
        (NOON + SECOND, 0),
        (NOON - SECOND, 1),
        (datetime(2035, 1, 1), 1),  # noqa: DTZ001 - no zone was stated
        (datetime(2001, 1, 1), 2),  # noqa: DTZ001 - no zone was stated
        (datetime.min.replace(tzinfo=UTC), 1),
        (datetime.max.replace(tzinfo=UTC), 0),
    ],
)
def test_a_send_time_states_its_zone_and_lies_ahead(requested: datetime | None, count: int) -> None:
    faults = Faults()
    add_send_time_faults(faults, "RequestedSendTime", requested, NOON)
    assert len(faults.get("RequestedSendTime", [])) == count


@pytest.mark.parametrize(
    ("resource", "action", "keys"),
    [
        (None, None, set()),
        (None, "", set()),
        (None, "read", {"ResourceAction"}),
        (None, " ", {"ResourceAction"}),
        ("urn:altinn:resource:x", None, set()),
        ("urn:altinn:resource:x", "", set()),
        ("urn:altinn:resource:x", "read", set()),
        ("urn:altinn:resource:x", "  ", {"ResourceAction"}),
        ("urn:altinn:resource:", None, {"ResourceId"}),
        ("altinn:resource:x", "read", {"ResourceId"}),
        ("URN:altinn:resource:x", None, {"ResourceId"}),
        ("", None, {"ResourceId"}),
        ("  ", "read", {"ResourceId", "ResourceAction"}),
    ],
)
def test_resources_and_their_actions(resource: str | None, action: str | None, keys: set[str]) -> None:
    faults = Faults()
    add_resource_faults(faults, "", resource, action)
    assert set(faults) == keys
