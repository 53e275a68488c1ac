"""Dead delivery reports, tried once more by the code that live ones go through (spec 07, 4.4; spec 08, 11.4)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import Channel, is_pending
from altinn_notifications.orders.completion import complete_finished
from altinn_notifications.reports.dead import SendResult, dead_report_of, understood
from altinn_notifications.reports.matching import apply_known
from altinn_notifications.reports.model import DeliveryReport, ReportSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database, Row
    from altinn_notifications.reports.dead import DeadReport

AT_ONCE: Final = 100

CLAIM: Final = """
    SELECT id, channel, first_seen, last_attempt, attempt_count, reason, message, resolved, delivery_report
    FROM dead_delivery_reports WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"""

FIND_REFERENCE: Final = "SELECT channel, provider_reference FROM notification_states WHERE notification_id = $1"

# A report that waits without an end is used again; one that was settled, or never stood in the inbox, comes anew.
FIND_WAITING: Final = """
    SELECT id, provider, channel, provider_reference, result, report, received, attempts, dead_report_id
    FROM delivery_reports
    WHERE channel = $1 AND provider_reference = $2 AND settled IS NULL AND dead_report_id = $3 FOR UPDATE"""
STORE: Final = """
    INSERT INTO delivery_reports
        (provider, channel, provider_reference, result, report, received, attempts, dead_report_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING id, provider, channel, provider_reference, result, report, received, attempts, dead_report_id"""

FIND_STATE: Final = """
    SELECT result, expiry FROM notification_states WHERE channel = $1 AND provider_reference = $2 FOR UPDATE"""

TRIED: Final = """
    UPDATE dead_delivery_reports SET attempt_count = attempt_count + 1, last_attempt = greatest(last_attempt, $2)
    WHERE id = $1"""

DISMISS: Final = """
    UPDATE dead_delivery_reports SET resolved = true WHERE id = ANY($1::bigint[]) AND NOT resolved RETURNING id"""


class Outcome(StrEnum):
    """What came of trying a dead report again."""

    APPLIED = "applied"
    NOT_KNOWN = "its message is still not known"
    EXPIRED = "its message had expired, and stays as it is"
    ALREADY_FINAL = "its message has a final result, which an old report does not replace"
    NOT_UNDERSTOOD = "it says nothing that could be applied"
    RESOLVED = "it was resolved before"
    MISSING = "there is no such report"


async def replay(db: Database, ids: Sequence[int], *, now: datetime) -> dict[int, Outcome]:
    """Try these dead reports again at `now` (UTC), and return what came of each.

    One that is applied is resolved and can be tried again without effect. One whose message is not known goes on
    waiting for it. Raises `DatabaseUnavailable`; what was applied until then stays so.
    """
    outcomes = dict.fromkeys(ids, Outcome.MISSING)
    for start in range(0, len(ids), AT_ONCE):
        async with db.transaction() as connection:
            rows = await connection.fetch(CLAIM, list(ids[start : start + AT_ONCE]))
            for dead in map(dead_report_of, rows):
                outcomes[dead.id] = await _try(connection, dead, now)
    return outcomes


async def dismiss(db: Database, ids: Sequence[int]) -> int:
    """Call these dead reports resolved although nothing was applied; how many of them were not yet."""
    return len(await db.fetch(DISMISS, list(ids)))


async def _try(connection: Connection, dead: DeadReport, now: datetime) -> Outcome:
    if dead.is_resolved:
        return Outcome.RESOLVED
    report = await _with_reference(connection, understood(dead))
    if report is None:
        return Outcome.NOT_UNDERSTOOD
    await connection.execute(TRIED, dead.id, now)
    state = await connection.fetchrow(FIND_STATE, str(report.channel), report.provider_reference)
    if state is not None and (obstacle := _obstacle(state, now)) is not None:
        return obstacle
    row = await _in_the_inbox(connection, dead, report, now)
    matched, orders = await apply_known(connection, [row], now=now)
    await complete_finished(connection, orders, now=now)
    return Outcome.APPLIED if matched else Outcome.NOT_KNOWN


def _obstacle(state: Row, now: datetime) -> Outcome | None:
    """Why a report that has lain for long must not be applied: newer ones may have come meanwhile."""
    if not is_pending(state["result"]):
        return Outcome.ALREADY_FINAL
    return Outcome.EXPIRED if state["expiry"] <= now else None


async def _with_reference(connection: Connection, found: DeliveryReport | SendResult | None) -> DeliveryReport | None:
    """A send result by the provider's reference: only that leads to a message that was really handed over."""
    if not isinstance(found, SendResult):
        return found
    row = await connection.fetchrow(FIND_REFERENCE, found.notification_id)
    is_sms = found.source is ReportSource.SMS_GATEWAY
    if row is None or row["provider_reference"] is None or (row["channel"] == Channel.SMS) is not is_sms:
        return None
    return DeliveryReport(found.source, Channel(row["channel"]), row["provider_reference"], found.result, found.report)


async def _in_the_inbox(connection: Connection, dead: DeadReport, report: DeliveryReport, now: datetime) -> Row:
    channel, reference = str(report.channel), report.provider_reference
    waiting = await connection.fetchrow(FIND_WAITING, channel, reference, dead.id)
    if waiting is not None:
        return waiting
    values = (int(report.source), channel, reference, report.result, report.report, now, dead.attempts, dead.id)
    (stored,) = await connection.fetch(STORE, *values)
    return stored
