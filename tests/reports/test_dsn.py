from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.lifecycle import Channel
from altinn_notifications.reports.dsn import Dropped, NotADeliveryStatus, parse_dsn
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource
from support.emails import OPERATION_ID
from support.mails import a_dsn, an_automatic_reply

OTHER_ID = "11111111-2222-4333-8444-555555555555"


def result(**changes: Any) -> str:
    report = parse_dsn(a_dsn(**changes))
    assert isinstance(report, DeliveryReport)
    return report.result


def test_a_bounce_is_found_by_its_envelope_id_and_stored_with_its_fields() -> None:
    report = parse_dsn(a_dsn())
    assert isinstance(report, DeliveryReport)
    assert (report.source, report.channel) == (ReportSource.SMTP, Channel.EMAIL)
    assert (report.provider_reference, report.result) == (str(OPERATION_ID), "Failed_Bounced")
    assert report.report == {
        "messageId": str(OPERATION_ID),
        "recipient": "kari@example.com",
        "action": "failed",
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 no such user",
        "remoteMta": "mx.example.com",
        "reportingMta": "relay.altinn.cloud",
        "lastAttemptDate": "Mon, 2 Mar 2026 12:00:00 +0000",
    }


def test_absent_fields_are_left_out_of_what_is_stored() -> None:
    report = parse_dsn(a_dsn(diagnostic=None, remote_mta=None, last_attempt=None))
    assert isinstance(report, DeliveryReport)
    assert set(report.report) == {"messageId", "recipient", "action", "status", "reportingMta"}


@pytest.mark.parametrize(
    ("action", "expected"),
    [("delivered", "Delivered"), ("Relayed", "Delivered"), ("EXPANDED", "Delivered"), ("FAILED", "Failed_Bounced")],
)
def test_the_action_decides_in_any_letter_case(action: str, expected: str) -> None:
    assert result(action=action) == expected


def test_a_delay_changes_nothing() -> None:
    assert parse_dsn(a_dsn(action="delayed", status="4.4.1")) == Dropped("delayed", str(OPERATION_ID))


@pytest.mark.parametrize("action", [None, "", "exploded"])
def test_an_unknown_or_missing_action_makes_an_invalid_report(action: str | None) -> None:
    report = parse_dsn(a_dsn(action=action))
    assert isinstance(report, InvalidReport)
    assert report.source is ReportSource.SMTP
    assert "report-type=delivery-status" in report.payload


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected"),
    [
        ("5.1.1", None, "Failed_Bounced"),
        ("5.1.3", None, "Failed_InvalidEmailFormat"),
        ("5.2.2", "smtp; 552 5.2.2 full", "Failed"),
        ("5.3.4", None, "Failed_PayloadTooLarge"),
        ("5.7.1", "smtp; 554 5.7.1 Blocked: your reputation is poor", "Failed_FilteredSpam"),
        ("5.7.1", "smtp; 554 5.7.1 relaying denied", "Failed"),
        ("5.7.26", "smtp; 550 5.7.26 looks like spam without DKIM", "Failed"),
        ("5.1.1 (bad destination mailbox)", None, "Failed_Bounced"),
        ("4.4.7", "smtp; 451 4.4.7 expired", "Failed"),
        ("4.2.2", None, "Failed"),
        (None, "smtp; 550 no such user", "Failed_Bounced"),
        (None, "SMTP;501 what an address", "Failed_InvalidEmailFormat"),
        (None, "smtp; 554 this is spam", "Failed_FilteredSpam"),
        (None, "smtp; 552 too much", "Failed"),
        (None, "smtp; 451 gave up", "Failed"),
        ("2.0.0", "smtp; 553 no", "Failed_InvalidEmailFormat"),
        ("unknown", "x-unix; exit 67", "Failed_Bounced"),
        (None, "smtp; lost connection", "Failed_Bounced"),
        (None, None, "Failed_Bounced"),
    ],
)
def test_a_failure_is_read_from_its_status_and_else_from_its_diagnostic(
    status: str | None, diagnostic: str | None, expected: str
) -> None:
    assert result(status=status, diagnostic=diagnostic) == expected


@pytest.mark.parametrize(
    "places",
    [
        {"envelope_id": str(OPERATION_ID), "to": f"bounce+{OTHER_ID}@x.no", "returned_id": OTHER_ID},
        {"envelope_id": None, "to": f"<bounce+{OPERATION_ID}@bounce.altinn.cloud>", "returned_id": OTHER_ID},
        {"envelope_id": "something else", "to": f"bounce+{OPERATION_ID}@bounce.altinn.cloud", "returned_id": OTHER_ID},
        {"envelope_id": None, "returned_id": str(OPERATION_ID), "returned_message_id": f"<{OTHER_ID}@altinn.cloud>"},
        {"envelope_id": None, "returned_id": None, "returned_message_id": f"<{OPERATION_ID}@altinn.cloud>"},
        {"envelope_id": str(OPERATION_ID).upper()},
    ],
)
def test_the_operation_id_is_taken_from_the_surest_place(places: dict[str, Any]) -> None:
    report = parse_dsn(a_dsn(**places))
    assert isinstance(report, DeliveryReport)
    assert report.provider_reference == str(OPERATION_ID)


@pytest.mark.parametrize("returned_type", ["message/rfc822", "text/rfc822-headers"])
def test_returned_headers_are_read_in_either_form(returned_type: str) -> None:
    raw = a_dsn(envelope_id=None, returned_type=returned_type)
    report = parse_dsn(raw)
    assert isinstance(report, DeliveryReport)
    assert report.provider_reference == str(OPERATION_ID)


def test_the_internationalised_form_is_read_too() -> None:
    raw = a_dsn(status_type="message/global-delivery-status", recipient="utf-8; kåre@example.com")
    report = parse_dsn(raw)
    assert isinstance(report, DeliveryReport)
    assert report.result == "Failed_Bounced"
    assert report.provider_reference == str(OPERATION_ID)


def test_a_report_that_names_no_operation_is_invalid() -> None:
    report = parse_dsn(a_dsn(envelope_id=None, returned_id=None, returned_message_id=None))
    assert isinstance(report, InvalidReport)
    assert "operation id" in report.message


def test_the_first_recipient_counts_whoever_it_is() -> None:
    raw = a_dsn(recipient="rfc822; forwarded@elsewhere.example").replace(
        b"\r\n\r\n--b--", b"\r\n\r\nFinal-Recipient: rfc822; second@example.com\r\nAction: delivered\r\n\r\n--b--"
    )
    report = parse_dsn(raw)
    assert isinstance(report, DeliveryReport)
    assert (report.result, report.report["recipient"]) == ("Failed_Bounced", "forwarded@elsewhere.example")


def test_automatic_replies_complaints_and_receipts_are_dropped() -> None:
    assert parse_dsn(an_automatic_reply()) == Dropped("automatic reply")
    for kind in ("feedback-report", "disposition-notification"):
        assert parse_dsn(a_dsn().replace(b"report-type=delivery-status", b"report-type=" + kind.encode())) == Dropped(
            kind
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"Subject: Hei\r\n\r\nHei",
        b"Auto-Submitted: no\r\n\r\nHei",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nempty\r\n--b--\r\n",
        a_dsn()[: a_dsn().index(b"\r\nFinal-Recipient")],
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n\r\n--b--\r\n",
    ],
)
def test_any_other_mail_is_not_a_delivery_status(raw: bytes) -> None:
    with pytest.raises(NotADeliveryStatus):
        parse_dsn(raw)


@given(st.binary(max_size=300), st.integers(0, 900))
def test_damage_never_ends_in_another_error(noise: bytes, at: int) -> None:
    raw = a_dsn()
    try:
        found = parse_dsn(raw[:at] + noise + raw[at:])
    except NotADeliveryStatus:
        return
    assert isinstance(found, DeliveryReport | InvalidReport | Dropped)
