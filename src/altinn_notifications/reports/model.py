"""What a provider says about a message after it took it over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from altinn_notifications.lifecycle import Channel


class ReportSource(IntEnum):
    """Who speaks; the number is what dead reports hold as `channel` (spec 08, 11.4)."""

    ACS = 1
    SMS_GATEWAY = 2
    SMTP = 3
    EMAIL_CAPTURE = 4


PROVIDER_SOURCES: Final = {
    "acs": ReportSource.ACS,
    "smtp": ReportSource.SMTP,
    "link": ReportSource.SMS_GATEWAY,
    "email-capture": ReportSource.EMAIL_CAPTURE,
    "sms-capture": ReportSource.SMS_GATEWAY,
}
"""As what each provider speaks, by its name."""


@dataclass(frozen=True, slots=True, repr=False)
class DeliveryReport:
    """A report that makes sense: `result` is our stored result, `report` what came in (spec 07, 4.3)."""

    source: ReportSource
    channel: Channel
    provider_reference: str
    result: str
    report: dict[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class InvalidReport:
    """A report that cannot be used; it becomes a dead report with reason `INVALID_DELIVERY_REPORT` at once."""

    source: ReportSource
    payload: Any
    """As received; text that is not JSON is a plain string."""
    message: str
    """Why, without personal data."""


IncomingReport = DeliveryReport | InvalidReport
