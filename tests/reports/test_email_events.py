from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.lifecycle import Channel, EmailResult
from altinn_notifications.reports.email_events import (
    DELIVERY_REPORT,
    VALIDATION,
    Handshake,
    UnreadableEvents,
    parse_events,
)
from altinn_notifications.reports.model import DeliveryReport, IncomingReport, InvalidReport, ReportSource
from altinn_notifications.reports.payloads import storable


def an_event(**data: Any) -> dict[str, Any]:
    """A delivery report as Event Grid sends it."""
    return {
        "id": "8b2d0f6a",
        "subject": "sender/noreply@altinn.cloud/message/4f1c",
        "eventType": DELIVERY_REPORT,
        "data": {"messageId": "4f1c", "status": "Delivered"} | data,
    }


def reports_in(document: Any) -> list[IncomingReport]:
    found = parse_events(json.dumps(document).encode())
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("Delivered", EmailResult.DELIVERED),
        ("Bounced", EmailResult.BOUNCED),
        ("Failed", EmailResult.FAILED),
        ("Expanded", EmailResult.FAILED),
        ("FilteredSpam", EmailResult.FILTERED_SPAM),
        ("Quarantined", EmailResult.QUARANTINED),
        ("Suppressed", EmailResult.SUPPRESSED_RECIPIENT),
    ],
)
def test_each_status_stands_for_its_result(status: str, result: EmailResult) -> None:
    [report] = reports_in([an_event(status=status, internetMessageId="<x>")])
    assert isinstance(report, DeliveryReport)
    assert (report.source, report.channel) == (ReportSource.ACS, Channel.EMAIL)
    assert (report.provider_reference, report.result) == ("4f1c", result)
    assert report.report == {"messageId": "4f1c", "status": status, "internetMessageId": "<x>"}


@pytest.mark.parametrize(
    "status", [None, "", "bounced", "DELIVERED", "Delivered ", "OutForDelivery", 1, ["Delivered"], {}]
)
def test_any_other_status_makes_an_invalid_report(status: Any) -> None:
    event = an_event(status=status)
    [report] = reports_in([event])
    assert isinstance(report, InvalidReport)
    assert report.payload == event


@pytest.mark.parametrize("reference", [None, "", " ", 17])
def test_a_report_without_a_message_id_is_invalid(reference: Any) -> None:
    assert isinstance(reports_in([an_event(messageId=reference)])[0], InvalidReport)


@pytest.mark.parametrize("data", [None, [], "Delivered", 5])
def test_a_report_whose_data_is_no_object_is_invalid(data: Any) -> None:
    assert isinstance(reports_in(an_event() | {"data": data})[0], InvalidReport)


def test_a_report_with_only_reference_and_status_is_enough() -> None:
    [report] = reports_in([{"eventType": DELIVERY_REPORT, "data": {"messageId": "4f1c", "status": "Bounced"}}])
    assert isinstance(report, DeliveryReport)


def test_an_invalid_report_does_not_stop_those_after_it() -> None:
    first, second = reports_in([an_event(status="?"), an_event(messageId="other")])
    assert isinstance(first, InvalidReport)
    assert isinstance(second, DeliveryReport)
    assert second.provider_reference == "other"


def test_a_single_event_needs_no_array() -> None:
    assert len(reports_in(an_event())) == 1


@pytest.mark.parametrize("kind", ["Microsoft.Communication.EmailEngagementTrackingReportReceived", "other", None, 1])
def test_other_types_of_event_are_left_out(kind: Any) -> None:
    assert reports_in([an_event() | {"eventType": kind}]) == []


def test_a_handshake_is_answered_with_its_code_and_nothing_else_is_read() -> None:
    events = [an_event(), {"eventType": VALIDATION, "data": {"validationCode": "abc", "validationUrl": "https://x"}}]
    assert parse_events(json.dumps(events).encode()) == Handshake("abc")


@pytest.mark.parametrize("data", [None, {}, {"validationCode": ""}, {"validationCode": 5}])
def test_a_handshake_without_a_code_is_unreadable(data: Any) -> None:
    with pytest.raises(UnreadableEvents):
        parse_events(json.dumps({"eventType": VALIDATION, "data": data}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"5",
        b'"text"',
        b"null",
        b"[5]",
        b"[[]]",
        b'{"a":',
        b"\xff\xfe\xfd",
        b"[" * 200_000,
        b'{"n": %b}' % (b"1" * 5000),
    ],
)
def test_what_is_no_list_of_objects_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableEvents):
        parse_events(body)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert isinstance(parse_events(b"\xef\xbb\xbf" + json.dumps(an_event()).encode()), list)


def test_what_postgresql_cannot_hold_is_replaced() -> None:
    body = json.dumps(an_event(statusMessage="a\0b\ud800c")).replace('"4f1c"', '"4f1c", "n": 1e999, "m": NaN').encode()
    found = parse_events(body)
    assert isinstance(found, list)
    assert isinstance(found[0], DeliveryReport)
    assert found[0].report["statusMessage"] == "a\ufffdb\ufffdc"
    assert (found[0].report["n"], found[0].report["m"]) == ("inf", "nan")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_storable_json_is_left_as_it_is_but_for_nul(value: Any) -> None:
    assert "\\u0000" not in json.dumps(storable(value))
    if "\\u0000" not in json.dumps(value):
        assert storable(value) == value
