"""Delivery status notifications, the mail servers' own delivery reports (RFC 3464; spec 09, 8.3). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from altinn_notifications.channels.email.smtp_replies import (
    Kind,
    Phase,
    parse_enhanced,
    permanent_result,
    permanent_result_of_code,
)
from altinn_notifications.lifecycle import Channel, EmailResult
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource
from altinn_notifications.reports.payloads import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from altinn_notifications.reports.model import IncomingReport

    Mail = Message[str, str]

_UUID: Final = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_ONE_UUID: Final = re.compile(_UUID)
_BOUNCE_ADDRESS: Final = re.compile(rf"\+({_UUID})@")
_REPLY_CODE: Final = re.compile(r"smtp\s*;\s*(\d{3})(?!\d)", re.IGNORECASE)
_TYPED: Final = re.compile(r"^\s*[\w-]+\s*;\s*")
_RECEIVING_ADDRESS_FIELDS: Final = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_HEADER_TYPES: Final = frozenset({"text/rfc822-headers", "message/global-headers"})


class NotADeliveryStatus(ValueError):
    """The message is no report about delivery, nor one of the kinds that may be dropped."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message that changes nothing, and why; `operation_id` if it names one of our mails."""

    reason: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class StatusReport:
    """The machine-readable part: fields of the message, and of its first recipient."""

    message: Mail
    recipient: Mail


def parse_dsn(raw: bytes) -> IncomingReport | Dropped:
    """The report in a raw message, unless it changes nothing: a delay, an automatic reply, a complaint.

    Raises `NotADeliveryStatus`. Source: spec 09, 8.3.
    """
    mail = message_from_bytes(raw)
    if not _is_delivery_status(mail):
        if _may_be_dropped(mail):
            return Dropped(_report_type(mail) or "automatic reply")
        raise NotADeliveryStatus
    status = _status_report(mail)
    if status is None:
        raise NotADeliveryStatus
    return _incoming(mail, status, raw)


def _incoming(mail: Mail, status: StatusReport, raw: bytes) -> IncomingReport | Dropped:
    action, operation_id = _field(status.recipient, "Action").lower(), _operation_id(mail, status)
    if action == "delayed":
        return Dropped("delayed", operation_id)
    if operation_id is None:
        return _invalid(raw, "The delivery status notification names no operation id.")
    result = _result(action, status.recipient)
    if result is None:
        return _invalid(raw, "The delivery status notification has an action that is not known.")
    report = _stored(operation_id, status)
    return DeliveryReport(ReportSource.SMTP, Channel.EMAIL, operation_id, result, report)


def _invalid(raw: bytes, reason: str) -> InvalidReport:
    return InvalidReport(ReportSource.SMTP, storable(raw.decode(errors="replace")), reason)


def _is_delivery_status(mail: Mail) -> bool:
    return _report_type(mail) == "delivery-status"


def _may_be_dropped(mail: Mail) -> bool:
    """Whether a machine wrote it about something else: a complaint, a read receipt, an out-of-office reply."""
    automatic = _field(mail, "Auto-Submitted").lower()
    return bool(_report_type(mail)) or automatic not in {"", "no"}


def _report_type(mail: Mail) -> str:
    if mail.get_content_type() != "multipart/report":
        return ""
    kind = mail.get_param("report-type")
    return kind.lower() if isinstance(kind, str) else ""


def _status_report(mail: Mail) -> StatusReport | None:
    for part in mail.walk():
        if part.get_content_type() in _STATUS_TYPES:
            blocks = [block for block in _blocks(part) if block.keys()]
            return StatusReport(blocks[0], blocks[1]) if len(blocks) > 1 else None
    return None


def _blocks(part: Mail) -> Iterator[Mail]:
    """The groups of fields. The library splits the older type itself and takes the newer one for a message."""
    payload = part.get_payload()
    for block in payload if isinstance(payload, list) else ():
        if isinstance(block, Message):
            yield block
            rest = block.get_payload()
            if isinstance(rest, str):
                yield from map(message_from_string, re.split(r"\r?\n\s*\n", rest))


def _operation_id(mail: Mail, status: StatusReport) -> str | None:
    """Where the operation id may stand, the surest place first."""
    returned = _returned_headers(mail)
    candidates = [
        _first(_ONE_UUID, [_field(status.message, "Original-Envelope-Id")]),
        _first(_BOUNCE_ADDRESS, [text for name in _RECEIVING_ADDRESS_FIELDS for text in _fields(mail, name)]),
        _first(_ONE_UUID, [_field(returned, "X-Notification-Operation-Id")]),
        _first(_ONE_UUID, [_field(returned, "Message-ID")]),
    ]
    return next((str(UUID(found)) for found in candidates if found), None)


def _first(pattern: re.Pattern[str], texts: Sequence[str]) -> str | None:
    matches = (pattern.search(text) for text in texts)
    return next((match[match.lastindex or 0] for match in matches if match), None)


def _returned_headers(mail: Mail) -> Mail:
    """The headers of our own mail, as far as the report returns them."""
    for part in mail.walk():
        kind, payload = part.get_content_type(), part.get_payload()
        if kind in _HEADER_TYPES and isinstance(payload, str):
            return message_from_string(payload)
        if kind in {"message/rfc822", "message/global", *_HEADER_TYPES} and isinstance(payload, list) and payload:
            return payload[0] if isinstance(payload[0], Message) else Message()
    return Message()


def _result(action: str, recipient: Mail) -> EmailResult | None:
    if action in {"delivered", "relayed", "expanded"}:
        return EmailResult.DELIVERED
    return _failure(recipient) if action == "failed" else None


def _failure(recipient: Mail) -> EmailResult:
    diagnostic = _field(recipient, "Diagnostic-Code")
    status = parse_enhanced(_field(recipient, "Status"))
    if status is not None and status.kind == Kind.PERMANENT:
        return permanent_result(status, diagnostic, Phase.RCPT)
    if status is not None and status.kind == Kind.TEMPORARY:
        return EmailResult.FAILED  # the server gave up
    return _failure_of_diagnostic(diagnostic)


def _failure_of_diagnostic(diagnostic: str) -> EmailResult:
    match = _REPLY_CODE.match(diagnostic)
    code = int(match[1]) if match else 0
    if code // 100 == Kind.PERMANENT:
        return permanent_result_of_code(code, diagnostic, Phase.RCPT)
    return EmailResult.FAILED if code // 100 == Kind.TEMPORARY else EmailResult.BOUNCED


def _stored(operation_id: str, status: StatusReport) -> dict[str, Any]:
    fields = {
        "recipient": _untyped(_field(status.recipient, "Final-Recipient")),
        "action": _field(status.recipient, "Action"),
        "status": _field(status.recipient, "Status"),
        "diagnosticCode": _field(status.recipient, "Diagnostic-Code"),
        "remoteMta": _untyped(_field(status.recipient, "Remote-MTA")),
        "reportingMta": _untyped(_field(status.message, "Reporting-MTA")),
        "lastAttemptDate": _field(status.recipient, "Last-Attempt-Date"),
    }
    return {"messageId": operation_id, **{name: storable(text) for name, text in fields.items() if text}}


def result_of_stored(report: Mapping[str, Any]) -> EmailResult | None:
    """The result that a report stands for that was stored as JSON; None if its action is not a final one."""
    recipient = Message()
    for name, field in (("Status", "status"), ("Diagnostic-Code", "diagnosticCode")):
        recipient[name] = str(report.get(field, ""))
    return _result(str(report.get("action", "")).lower(), recipient)


def _untyped(value: str) -> str:
    """A value without the name of its kind, such as `rfc822;` or `dns;`."""
    return _TYPED.sub("", value)


def _field(mail: Mail, name: str) -> str:
    return next(iter(_fields(mail, name)), "")


def _fields(mail: Mail, name: str) -> list[str]:
    """Every value of a field, unfolded."""
    return [" ".join(str(value).split()) for value in mail.get_all(name, [])]
