"""The counter of applied delivery reports and its tags (spec 09, 10; spec 10, 7)."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.metrics import DELIVERY_REPORT_STATUS
from altinn_notifications.reports.masking import masked_address, masked_text

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_SERIES: Final = 1_000
"""Messages and servers have no end, and each set of tags is kept for as long as the process lives."""
LONGEST_MESSAGE: Final = 200


@dataclass(frozen=True, slots=True)
class ReportTags:
    """What tells one counted report from another. Addresses are masked; those of SMS are not told at all."""

    channel: str
    result: str
    status: str = ""
    status_message: str = ""
    recipient_mail_server: str = ""
    sender: str = ""
    recipient: str = ""


_counted: Final[set[ReportTags]] = set()


def count_report(channel: str, result: str, report: Mapping[str, Any]) -> None:
    """Count a report that was applied. Of very many different ones only channel, result and status are told apart."""
    tags = tags_of(channel, result, report)
    if tags not in _counted and len(_counted) >= MOST_SERIES:
        tags = replace(tags, status_message="", recipient_mail_server="", sender="", recipient="")
    _counted.add(tags)
    DELIVERY_REPORT_STATUS.labels(*astuple(tags)).inc()


def tags_of(channel: str, result: str, report: Mapping[str, Any]) -> ReportTags:
    """The tags of a report, whose shape is the provider's: Event Grid's data, or the fields of a bounce. Pure."""
    if channel != "Email":
        return ReportTags(channel.lower(), result)
    details = report.get("deliveryStatusDetails")
    details = details if isinstance(details, dict) else {}
    sender, recipient = _text(report.get("sender")), _text(report.get("recipient"))
    message = _text(details.get("statusMessage")) or _text(report.get("diagnosticCode"))
    return ReportTags(
        "email",
        result,
        status=_text(report.get("status")),
        status_message=masked_text(message, recipient=recipient, sender=sender)[:LONGEST_MESSAGE],
        recipient_mail_server=_text(details.get("recipientMailServerHostName")) or _text(report.get("remoteMta")),
        sender=masked_address(sender),
        recipient=masked_address(recipient),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
