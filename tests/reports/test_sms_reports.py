from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.lifecycle import Channel, SmsResult
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource
from altinn_notifications.reports.sms_reports import UnreadableReport, acknowledgement, parse_reports, result_of

DOCTYPE = '<!DOCTYPE MSGLST SYSTEM "pswincom_report_request.dtd">'


def a_message(**changes: str | None) -> str:
    """One `MSG`; an element that is None is left out."""
    elements: dict[str, str | None] = {
        "ID": "1",
        "REF": "BB35EDF6",
        "RCV": "4799999999",
        "STATE": "DELIVRD",
        "DELIVERYTIME": "2026.02.04 12:33:01",
    }
    given_elements = elements | {name.upper(): value for name, value in changes.items()}
    content = "".join(f"<{name}>{value}</{name}>" for name, value in given_elements.items() if value is not None)
    return f"<MSG>{content}</MSG>"


def a_document(*messages: str, doctype: str = DOCTYPE) -> str:
    """A whole report."""
    return f'<?xml version="1.0"?>\n{doctype}\n<MSGLST>{"".join(messages)}</MSGLST>'


def parsed(document: str | bytes, charset: str | None = None) -> list[Any]:
    body = document.encode("iso-8859-1") if isinstance(document, str) else document
    return [each.report for each in parse_reports(body, charset=charset)]


def test_a_report_is_stored_with_all_four_members() -> None:
    [report] = parsed(a_document(a_message()))
    assert isinstance(report, DeliveryReport)
    assert (report.source, report.channel) == (ReportSource.SMS_GATEWAY, Channel.SMS)
    assert (report.provider_reference, report.result) == ("BB35EDF6", "Delivered")
    assert report.report == {
        "reference": "BB35EDF6",
        "receiver": "4799999999",
        "state": "DELIVRD",
        "deliveryTime": "2026.02.04 12:33:01",
    }


def test_a_missing_delivery_time_is_stored_as_null() -> None:
    [report] = parsed(a_document(a_message(deliverytime=None)))
    assert report.report["deliveryTime"] is None


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("DELIVRD", SmsResult.DELIVERED),
        (" DELIVRD\n", SmsResult.DELIVERED),
        ("EXPIRED", SmsResult.EXPIRED),
        ("DELETED", SmsResult.DELETED),
        ("UNDELIV", SmsResult.UNDELIVERED),
        ("REJECTD", SmsResult.REJECTED),
        ("BARRED", SmsResult.BARRED_RECEIVER),
        ("FAILED", SmsResult.FAILED),
        ("UNKNOWN", SmsResult.FAILED),
        ("NULL", SmsResult.FAILED),
        ("BARREDA", SmsResult.FAILED),
        ("ZEROBAL", SmsResult.FAILED),
        ("delivrd", SmsResult.FAILED),
        ("WHATEVER", SmsResult.FAILED),
        ("0", SmsResult.FAILED),
        ("", SmsResult.FAILED),
    ],
)
def test_each_state_stands_for_its_result(state: str, result: SmsResult) -> None:
    [report] = parsed(a_document(a_message(state=state)))
    assert report.result == result
    assert report.report["state"] == state.strip()


@given(st.text())
def test_a_state_that_nobody_knows_is_a_failure(state: str) -> None:
    assert result_of(state) in {*SmsResult}


def test_every_report_of_a_list_counts_and_is_answered_in_order() -> None:
    document = a_document(
        a_message(id="7", ref="a"), a_message(id=None, ref="b"), a_message(id="<3", ref="c").replace("<3", "&lt;3")
    )
    reports = parse_reports(document.encode(), charset=None)
    assert [each.report.provider_reference for each in reports if isinstance(each.report, DeliveryReport)] == [
        "a",
        "b",
        "c",
    ]
    assert acknowledgement(reports) == (
        b'<?xml version="1.0"?><MSGLST><MSG><ID>7</ID><STATUS>OK</STATUS></MSG>'
        b"<MSG><ID>1</ID><STATUS>OK</STATUS></MSG><MSG><ID>&lt;3</ID><STATUS>OK</STATUS></MSG></MSGLST>"
    )


@pytest.mark.parametrize("missing", ["rcv", "state"])
def test_a_list_with_one_incomplete_report_is_refused_as_a_whole(missing: str) -> None:
    with pytest.raises(UnreadableReport):
        parsed(a_document(a_message(), a_message(**{missing: None})))


@pytest.mark.parametrize("reference", [None, "", "  "])
def test_a_report_without_a_reference_is_invalid_and_kept_as_a_command(reference: str | None) -> None:
    [report] = parsed(a_document(a_message(ref=reference)))
    assert isinstance(report, InvalidReport)
    assert report.payload["sendResult"] == "Delivered"
    assert "gatewayReference" not in report.payload
    assert json.loads(report.payload["deliveryReport"])["receiver"] == "4799999999"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "  \n",
        "<MSGLST>",
        "no xml",
        a_document(),
        "<MSG/>",
        "<LIST><MSGLST><MSG/></MSGLST></LIST>",
        a_document(a_message(state="&undefined;")),
    ],
)
def test_what_holds_no_report_is_unreadable(body: str) -> None:
    with pytest.raises(UnreadableReport):
        parsed(body)


@pytest.mark.parametrize(
    "subset",
    [
        '<!ENTITY a "b">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:1/x">',
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">',
    ],
)
def test_entity_declarations_are_refused(subset: str) -> None:
    with pytest.raises(UnreadableReport):
        parsed(a_document(a_message(), doctype=f"<!DOCTYPE MSGLST [{subset}]>"))


def test_the_external_dtd_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    for system in ("pswincom_report_request.dtd", "http://127.0.0.1:1/x.dtd", "file:///etc/passwd"):
        assert len(parsed(a_document(a_message(), doctype=f'<!DOCTYPE MSGLST SYSTEM "{system}">'))) == 1


def test_without_a_charset_the_body_is_iso_8859_1_whatever_it_declares() -> None:
    document = '<?xml version="1.0" encoding="utf-8"?><MSGLST>' + a_message(deliverytime="på") + "</MSGLST>"
    [report] = parsed(document.encode("iso-8859-1"))
    assert report.report["deliveryTime"] == "på"


@pytest.mark.parametrize(
    ("charset", "encoding"), [("utf-8", "utf-8"), ("windows-1252", "cp1252"), ("utf-16le", "utf-16-le")]
)
def test_a_charset_that_is_known_decides(charset: str, encoding: str) -> None:
    document = '<?xml version="1.0" encoding="iso-8859-1"?><MSGLST>' + a_message(deliverytime="på") + "</MSGLST>"
    [report] = parsed(document.encode(encoding), charset)
    assert report.report["deliveryTime"] == "på"


@pytest.mark.parametrize("charset", ["klingon", "rot13", "idna", "", "a\0b"])
def test_a_charset_that_is_not_known_is_iso_8859_1(charset: str) -> None:
    [report] = parsed(a_document(a_message(deliverytime="på")).encode("iso-8859-1"), charset)
    assert report.report["deliveryTime"] == "på"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_wins_over_the_charset(encoding: str) -> None:
    [report] = parsed(a_document(a_message(deliverytime="på")).encode(encoding), "iso-8859-1")
    assert report.report["deliveryTime"] == "på"


def test_octets_that_are_not_in_the_charset_are_unreadable() -> None:
    with pytest.raises(UnreadableReport):
        parsed(a_document(a_message(deliverytime="på")).encode("iso-8859-1"), "utf-8")


@given(st.binary(max_size=200), st.sampled_from([None, "utf-8", "utf-16"]))
def test_whatever_comes_is_a_report_or_unreadable(body: bytes, charset: str | None) -> None:
    with pytest.raises(UnreadableReport):
        parse_reports(body, charset=charset)
