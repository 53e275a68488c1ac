"""The SMS gateway's delivery reports (spec 10, 7). Pure."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml.ElementTree import fromstring

from altinn_notifications.lifecycle import Channel, SmsResult
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from altinn_notifications.reports.model import IncomingReport

STATES: Final[Mapping[str, SmsResult]] = {
    "DELIVRD": SmsResult.DELIVERED,
    "EXPIRED": SmsResult.EXPIRED,
    "DELETED": SmsResult.DELETED,
    "UNDELIV": SmsResult.UNDELIVERED,
    "REJECTD": SmsResult.REJECTED,
    "BARRED": SmsResult.BARRED_RECEIVER,
}
"""LINK Mobility's word: our result. Every other word, of which it has six, is `Failed`."""

_DEFAULT_CHARSET: Final = "iso-8859-1"
_CHARSETS: Final = frozenset(
    {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be"}
)
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class UnreadableReport(ValueError):
    """The document cannot be used; its text is for the gateway's people and says nothing about ours."""


@dataclass(frozen=True, slots=True, repr=False)
class SmsReport:
    """One `MSG` of the document: the id that the answer repeats, and what it says."""

    id: str
    report: IncomingReport


def parse_reports(body: bytes, *, charset: str | None) -> list[SmsReport]:
    """The reports of one request, in order. `charset` is that of its content type.

    Raises `UnreadableReport` if any of them lacks what a report must have. Source: spec 10, 7.3.
    """
    text = _decoded(body, charset)
    if not text.strip():
        raise UnreadableReport("The body is empty.")
    try:
        # An external DTD is declared by every report and never fetched; entities of the document's own are refused.
        document = fromstring(text)
    except (ParseError, ValueError):
        raise UnreadableReport("The body is not a well-formed XML document.") from None
    messages = document.findall("MSG") if document.tag == "MSGLST" else []
    if not messages:
        raise UnreadableReport("The document holds no MSGLST/MSG.")
    return [_report(message) for message in messages]


def acknowledgement(reports: Sequence[SmsReport]) -> bytes:
    """The answer that tells the gateway not to repeat these. Source: spec 10, 7.3."""
    answers = "".join(f"<MSG><ID>{escape(report.id)}</ID><STATUS>OK</STATUS></MSG>" for report in reports)
    document = f'<?xml version="1.0"?><MSGLST>{answers}</MSGLST>'
    return document.encode("ascii", "xmlcharrefreplace")


def result_of(state: str) -> SmsResult:
    """Our result for the gateway's word, which is compared in its exact letters. Source: spec 10, 7.4."""
    return STATES.get(state.strip(), SmsResult.FAILED)


def _report(message: Element) -> SmsReport:
    receiver, state = message.findtext("RCV"), message.findtext("STATE")
    if receiver is None or state is None:
        raise UnreadableReport("A MSG lacks RCV or STATE.")
    reference = message.findtext("REF")
    stored = {
        "reference": reference,
        "receiver": receiver,
        "state": state.strip(),
        "deliveryTime": message.findtext("DELIVERYTIME"),
    }
    return SmsReport((message.findtext("ID") or "").strip() or "1", _incoming(reference, result_of(state), stored))


def _incoming(reference: str | None, result: SmsResult, stored: dict[str, Any]) -> IncomingReport:
    if reference is None or not reference.strip():
        # In the form of the command that a valid report is kept as when it cannot be applied (spec 07, 4.3).
        command = {"sendResult": str(result), "deliveryReport": json.dumps(stored, ensure_ascii=False)}
        return InvalidReport(ReportSource.SMS_GATEWAY, command, "The SMS delivery report has no gateway reference.")
    return DeliveryReport(ReportSource.SMS_GATEWAY, Channel.SMS, reference.strip(), result, stored)


def _decoded(body: bytes, charset: str | None) -> str:
    """A byte order mark decides, then the content type; what the document declares plays no part."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if body.startswith(mark)), None)
    try:
        return body.decode(marked or _known_charset(charset))
    except UnicodeError:
        raise UnreadableReport("The body is not text in the charset that it was sent with.") from None


def _known_charset(charset: str | None) -> str:
    try:
        name = codecs.lookup(charset or _DEFAULT_CHARSET).name
    except (LookupError, ValueError):
        return _DEFAULT_CHARSET
    return name if name in _CHARSETS else _DEFAULT_CHARSET
