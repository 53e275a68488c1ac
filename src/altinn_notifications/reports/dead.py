"""Dead delivery reports: what could not be applied, for those who look after it (spec 07, 4; spec 08, 11.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from altinn_notifications.lifecycle import Channel, EmailResult, SmsResult, is_pending
from altinn_notifications.reports.dsn import Dropped, NotADeliveryStatus, parse_dsn, result_of_stored
from altinn_notifications.reports.email_events import STATUSES, report_of_event
from altinn_notifications.reports.model import DeliveryReport, ReportSource

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Database, Row
    from altinn_notifications.reports.model import IncomingReport

LARGEST_ID: Final = 2**63 - 1

LIST: Final = """
    SELECT id, channel, first_seen, last_attempt, attempt_count, reason, message, resolved, delivery_report
    FROM dead_delivery_reports
    WHERE NOT resolved AND id >= $1 AND id < $2 AND ($3::text IS NULL OR reason = $3)
        AND ($4::smallint IS NULL OR channel = $4)
    ORDER BY id LIMIT $5"""

FIND: Final = """
    SELECT id, channel, first_seen, last_attempt, attempt_count, reason, message, resolved, delivery_report
    FROM dead_delivery_reports WHERE id = $1"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which unresolved dead reports: ids from `from_id` up to but not including `to_id`, one reason, one source."""

    from_id: int = 0
    to_id: int = LARGEST_ID
    reason: str | None = None
    source: ReportSource | None = None


@dataclass(frozen=True, slots=True, repr=False)
class DeadReport:
    """One of them. `content` is what the provider said, with addresses; times are UTC."""

    id: int
    source: ReportSource
    first_seen: datetime
    last_attempt: datetime
    attempts: int
    reason: str | None
    message: str | None
    is_resolved: bool
    content: Any


@dataclass(frozen=True, slots=True)
class SendResult:
    """A send result as the original kept it: the notification by its own id, or by the provider's reference."""

    source: ReportSource
    notification_id: UUID
    result: str
    report: dict[str, Any]


async def list_dead(db: Database, wanted: Wanted, *, limit: int) -> list[DeadReport]:
    """The first `limit` unresolved dead reports that are wanted, by id. Raises `DatabaseUnavailable`."""
    source = None if wanted.source is None else int(wanted.source)
    rows = await db.fetch(LIST, wanted.from_id, wanted.to_id, wanted.reason, source, limit)
    return [dead_report_of(row) for row in rows]


async def find_dead(db: Database, report_id: int) -> DeadReport | None:
    """One dead report, resolved or not. Raises `DatabaseUnavailable`."""
    row = await db.fetchrow(FIND, report_id) if 0 <= report_id <= LARGEST_ID else None
    return None if row is None else dead_report_of(row)


def dead_report_of(row: Row) -> DeadReport:
    """A row of `dead_delivery_reports`."""
    return DeadReport(
        id=row["id"],
        source=ReportSource(row["channel"]),
        first_seen=row["first_seen"],
        last_attempt=row["last_attempt"],
        attempts=row["attempt_count"],
        reason=row["reason"],
        message=row["message"],
        is_resolved=row["resolved"],
        content=row["delivery_report"],
    )


def understood(dead: DeadReport) -> DeliveryReport | SendResult | None:
    """What a dead report says, in any of the shapes that are kept; None if that cannot be used.

    The shapes are those of spec 07, 4.3, for results that are final, and those of the SMTP reports and of reports that
    were refused because they made no sense, which a newer version may understand.
    """
    content = dead.content
    if isinstance(content, str):
        return _bounce(content) if dead.source is ReportSource.SMTP else None
    if not isinstance(content, dict):
        return None
    if "sendResult" in content:
        return _result_command(dead.source, content)
    if "action" in content:
        return _stored_bounce(content)
    return _usable(report_of_event(content if "data" in content else {"data": content}, dead.source))


def _bounce(text: str) -> DeliveryReport | None:
    try:
        report = parse_dsn(text.encode())
    except NotADeliveryStatus:
        return None
    return None if isinstance(report, Dropped) else _usable(report)


def _stored_bounce(content: dict[str, Any]) -> DeliveryReport | None:
    reference, result = content.get("messageId"), result_of_stored(content)
    if not isinstance(reference, str) or result is None:
        return None
    return DeliveryReport(ReportSource.SMTP, Channel.EMAIL, reference, result, content)


def _result_command(source: ReportSource, content: dict[str, Any]) -> DeliveryReport | SendResult | None:
    is_sms = source is ReportSource.SMS_GATEWAY
    result = _final_result(SmsResult if is_sms else EmailResult, content["sendResult"])
    reference = content.get("gatewayReference" if is_sms else "operationId")
    if result is None:
        return None
    report = _inner_report(content)
    if isinstance(reference, str) and reference.strip():
        channel = Channel.SMS if is_sms else Channel.EMAIL
        return DeliveryReport(source, channel, reference.strip(), result, report)
    notification_id = _uuid(content.get("notificationId"))
    return None if notification_id is None else SendResult(source, notification_id, result, report)


def _final_result(results: type[EmailResult | SmsResult], word: Any) -> str | None:
    """The stored result for a word in any letter case, or for the provider's own; None if it is not a final one."""
    if not isinstance(word, str):
        return None
    known = {result.lower(): str(result) for result in results}
    known |= {status.lower(): str(result) for status, result in STATUSES.items() if results is EmailResult}
    result = known.get(word.strip().lower())
    return None if result is None or is_pending(result) else result


def _inner_report(content: dict[str, Any]) -> dict[str, Any]:
    """The provider's own report, which stands inside an SMS command as a text."""
    try:
        report = json.loads(content.get("deliveryReport") or "")
    except (TypeError, ValueError):
        return content
    return report if isinstance(report, dict) else content


def _usable(report: IncomingReport) -> DeliveryReport | None:
    return report if isinstance(report, DeliveryReport) else None


def _uuid(text: Any) -> UUID | None:
    try:
        found = UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.int else None
