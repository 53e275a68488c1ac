"""Event Grid's events about email (spec 09, 7). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.lifecycle import Channel, EmailResult
from altinn_notifications.reports.model import DeliveryReport, InvalidReport, ReportSource
from altinn_notifications.reports.payloads import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.reports.model import IncomingReport

DELIVERY_REPORT: Final = "Microsoft.Communication.EmailDeliveryReportReceived"
VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"

STATUSES: Final[Mapping[str, EmailResult]] = {
    "Delivered": EmailResult.DELIVERED,
    "Bounced": EmailResult.BOUNCED,
    "Failed": EmailResult.FAILED,
    "Expanded": EmailResult.FAILED,  # to a distribution list: the provider counts all but Delivered as failures
    "FilteredSpam": EmailResult.FILTERED_SPAM,
    "Quarantined": EmailResult.QUARANTINED,
    "Suppressed": EmailResult.SUPPRESSED_RECIPIENT,
}
"""Azure Communication Services' word, in its exact letters: our result."""


class UnreadableEvents(ValueError):
    """The body is not a JSON object or an array of them."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Event Grid asks whether we want its events; the answer must repeat `code`."""

    code: str


def parse_events(body: bytes) -> Handshake | list[IncomingReport]:
    """The reports of one request, or the handshake that it holds. Events of other types are left out.

    Raises `UnreadableEvents`. Source: spec 09, 7.3 and 7.4.
    """
    events = _events(body)
    for event in events:
        if event.get("eventType") == VALIDATION:
            return Handshake(_validation_code(event))
    return [report_of_event(event) for event in events if event.get("eventType") == DELIVERY_REPORT]


def _events(body: bytes) -> list[dict[str, Any]]:
    try:
        document = storable(json.loads(body))
    except (ValueError, RecursionError):
        raise UnreadableEvents from None
    events = document if isinstance(document, list) else [document]
    if not all(isinstance(event, dict) for event in events):
        raise UnreadableEvents
    return events


def _validation_code(event: Mapping[str, Any]) -> str:
    code = _data(event).get("validationCode")
    if not isinstance(code, str) or not code:
        raise UnreadableEvents
    return code


def report_of_event(event: Mapping[str, Any], source: ReportSource = ReportSource.ACS) -> IncomingReport:
    """What the `data` of one event about delivery says. Source: spec 09, 7.4."""
    data = _data(event)
    reference, status = data.get("messageId"), data.get("status")
    if not isinstance(reference, str) or not reference.strip():
        return InvalidReport(source, event, "The email delivery report has no messageId.")
    result = STATUSES.get(status) if isinstance(status, str) else None
    if result is None:
        return InvalidReport(source, event, "The email delivery report has a status that is not known.")
    return DeliveryReport(source, Channel.EMAIL, reference.strip(), result, data)


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    return data if isinstance(data, dict) else {}
