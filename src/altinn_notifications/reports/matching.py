"""Matching delivery reports with notifications (spec 08, 11.1 and 11.4).

A report is tried at once, at the times of the ladder, and in the transaction that makes its reference known. One that
never matches becomes a dead report and can still be matched later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications import events
from altinn_notifications.database.pool import columns
from altinn_notifications.events import Event, Kind
from altinn_notifications.orders.completion import complete_finished
from altinn_notifications.reports.model import ReportSource
from altinn_notifications.reports.telemetry import count_report

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database, Row

LADDER_SECONDS: Final = (1, 5, 10, 60, 120, 120)
"""Waits between the attempts to match one report: seven attempts, about five and a quarter minutes (spec 08, 5.2)."""

CLAIM_DUE: Final = """
    SELECT id, provider, channel, provider_reference, result, report, received, attempts, dead_report_id
    FROM delivery_reports WHERE wake_at <= $1 ORDER BY wake_at, id LIMIT $2 FOR UPDATE SKIP LOCKED"""

CLAIM_WAITING: Final = """
    SELECT r.id, r.provider, r.channel, r.provider_reference, r.result, r.report, r.received, r.attempts,
           r.dead_report_id
    FROM delivery_reports r JOIN unnest($1::text[], $2::text[]) AS k (channel, reference)
        ON r.channel = k.channel AND r.provider_reference = k.reference
    WHERE r.settled IS NULL ORDER BY r.id FOR UPDATE OF r"""
CLAIM_WAITING_AT_REST: Final = f"{CLAIM_WAITING} SKIP LOCKED"

IS_WAITING: Final = """
    SELECT EXISTS (SELECT FROM delivery_reports r JOIN unnest($1::text[], $2::text[]) AS k (channel, reference)
        ON r.channel = k.channel AND r.provider_reference = k.reference WHERE r.settled IS NULL)"""

# Whoever records outcomes holds notifications and may want these very reports: nobody waits for the other.
FIND_NOTIFICATIONS: Final = """
    SELECT s.notification_id, s.order_id, s.channel, s.provider_reference, s.result, s.expiry, s.report_id
    FROM notification_states s JOIN unnest($1::text[], $2::text[]) AS k (channel, reference)
        ON s.channel = k.channel AND s.provider_reference = k.reference
    ORDER BY s.notification_id FOR UPDATE OF s SKIP LOCKED"""

FIND_KEYS: Final = """
    SELECT s.channel, s.provider_reference
    FROM notification_states s JOIN unnest($1::text[], $2::text[]) AS k (channel, reference)
        ON s.channel = k.channel AND s.provider_reference = k.reference"""

APPLY: Final = """
    UPDATE notification_states s SET result = u.result, result_time = $5, report = u.report, report_id = u.report_id,
        wake_at = NULL, poll_at = NULL
    FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::bigint[]) AS u (notification_id, result, report, report_id)
    WHERE s.notification_id = u.notification_id"""

# The time a report was received says in which partition it is.
SETTLE: Final = """
    UPDATE delivery_reports SET settled = $2, wake_at = NULL, attempts = attempts + 1
    WHERE id = ANY($1) AND received BETWEEN $3 AND $4"""
RESOLVE: Final = "UPDATE dead_delivery_reports SET resolved = true WHERE id = ANY($1)"
POSTPONE: Final = """
    UPDATE delivery_reports r SET attempts = r.attempts + 1, wake_at = u.wake_at
    FROM unnest($1::bigint[], $2::timestamptz[]) AS u (id, wake_at)
    WHERE r.id = u.id AND r.received BETWEEN $3 AND $4"""
BURY: Final = """
    WITH dead AS (
        INSERT INTO dead_delivery_reports
            (channel, delivery_report, first_seen, last_attempt, attempt_count, reason, message)
        SELECT provider, $2, least(received, $3), $3, $4, $5, $6 FROM delivery_reports
        WHERE id = $1 AND received = $7 RETURNING id
    )
    UPDATE delivery_reports SET dead_report_id = (SELECT id FROM dead) WHERE id = $1 AND received = $7"""

NEXT_WAKE: Final = "SELECT min(wake_at) FROM delivery_reports WHERE wake_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class _Match:
    """A report and the notification that it is about."""

    report: Row
    notification: Row

    @property
    def is_overtaken(self) -> bool:
        """Whether a report that came later was applied before this one: two workers may match them in either order."""
        return bool((self.notification["report_id"] or 0) > self.report["id"])


async def match_due(db: Database, *, now: datetime, limit: int = 500) -> int:
    """Try to match one batch of reports whose time has come; the number that was matched or has to wait.

    A report whose notification is being changed by somebody else stays due.
    """
    async with db.transaction() as connection:
        reports = await connection.fetch(CLAIM_DUE, now, limit)
        if not reports:
            return 0
        matched, orders = await apply_known(connection, reports, now=now)
        waiting = await _postpone_unknown(connection, [row for row in reports if row["id"] not in matched], now)
        await complete_finished(connection, orders, now=now)
    return len(matched) + waiting


async def apply_waiting(connection: Connection, references: Collection[tuple[str, str]], *, now: datetime) -> set[UUID]:
    """Apply the reports that wait for any of `references`: (channel, reference) pairs that the caller just stored.

    Part of the caller's transaction. Returns the orders concerned; the caller checks them for completion.
    """
    if not references:
        return set()
    reports = await connection.fetch(CLAIM_WAITING_AT_REST, *columns(sorted(references)))
    return (await apply_known(connection, reports, now=now))[1] if reports else set()


async def match_missed(db: Database, references: Collection[tuple[str, str]], *, now: datetime) -> None:
    """Match the reports that arrived, or were being tried, while the caller's transaction stored `references`.

    To be called after its commit: they found nothing then, and would wait for the next step of the ladder.
    """
    keys = columns(sorted(references))
    if not references or not await db.fetchval(IS_WAITING, *keys):
        return
    async with db.transaction() as connection:
        reports = await connection.fetch(CLAIM_WAITING, *keys)
        _, orders = await apply_known(connection, reports, now=now)
        await complete_finished(connection, orders, now=now)


async def next_wake(db: Database) -> datetime | None:
    """When the next report is to be tried, in UTC."""
    wake: datetime | None = await db.fetchval(NEXT_WAKE)
    return wake


async def apply_known(connection: Connection, reports: Sequence[Row], *, now: datetime) -> tuple[set[int], set[UUID]]:
    """Apply those of `reports` whose notification is known and free; their ids, and the orders concerned."""
    found = await connection.fetch(FIND_NOTIFICATIONS, *_keys(reports))
    known = {_key(row): row for row in found}
    in_order = sorted(reports, key=lambda row: row["id"])
    matches = [_Match(row, known[_key(row)]) for row in in_order if _key(row) in known]
    live = [match for match in matches if match.notification["expiry"] > now]
    await _apply(connection, [match for match in live if not match.is_overtaken], now)
    await _pass_over(connection, [match for match in live if match.is_overtaken], now)
    await _refuse(connection, [match for match in matches if match.notification["expiry"] <= now], now)
    return {match.report["id"] for match in matches}, {match.notification["order_id"] for match in live}


async def _postpone_unknown(connection: Connection, reports: Sequence[Row], now: datetime) -> int:
    """Postpone those of `reports` whose notification is not known yet, and return how many they are."""
    if not reports:
        return 0
    busy = {_key(row) for row in await connection.fetch(FIND_KEYS, *_keys(reports))}
    unknown = [row for row in reports if _key(row) not in busy]
    await _postpone(connection, unknown, now)
    return len(unknown)


async def _apply(connection: Connection, matches: Sequence[_Match], now: datetime) -> None:
    """The last report of a notification decides; each of them is on the timeline."""
    if not matches:
        return
    last = {match.notification["notification_id"]: match.report for match in matches}
    rows = ((notification, row["result"], row["report"], row["id"]) for notification, row in last.items())
    await connection.execute(APPLY, *columns(rows), now)
    await events.record(connection, [_line(match, now, Kind.REPORT_APPLIED, {}) for match in matches])
    await _settle(connection, matches, now)
    for match in matches:
        count_report(match.report["channel"], match.report["result"], match.report["report"])


async def _pass_over(connection: Connection, matches: Sequence[_Match], now: datetime) -> None:
    """A report that was overtaken by a later one changes nothing any more."""
    if not matches:
        return
    reason = {"reason": "a later report had been applied"}
    await events.record(connection, [_line(match, now, Kind.REPORT_IGNORED, reason) for match in matches])
    await _settle(connection, matches, now)


async def _refuse(connection: Connection, matches: Sequence[_Match], now: datetime) -> None:
    """A report for an expired notification changes nothing but the dead reports."""
    if not matches:
        return
    reason = {"reason": "the notification had expired"}
    await events.record(connection, [_line(match, now, Kind.REPORT_IGNORED, reason) for match in matches])
    for match in matches:
        if match.report["dead_report_id"] is None:
            await _bury(connection, match.report, now, "NOTIFICATION_EXPIRED", "had expired")
    await _settle(connection, matches, now, resolve=False)


async def _settle(connection: Connection, matches: Sequence[_Match], now: datetime, *, resolve: bool = True) -> None:
    reports = [match.report for match in matches]
    await connection.execute(SETTLE, [report["id"] for report in reports], now, *_span(reports))
    dead = [match.report["dead_report_id"] for match in matches if match.report["dead_report_id"] is not None]
    if dead and resolve:
        await connection.execute(RESOLVE, dead)


async def _postpone(connection: Connection, reports: Sequence[Row], now: datetime) -> None:
    if not reports:
        return
    ids, tries = [row["id"] for row in reports], [_next_try(row, now) for row in reports]
    await connection.execute(POSTPONE, ids, tries, *_span(reports))
    for row in reports:
        if _next_try(row, now) is None and row["dead_report_id"] is None:
            await _bury(connection, row, now, "RETRY_THRESHOLD_EXCEEDED", "is not known")


def _next_try(report: Row, now: datetime) -> datetime | None:
    attempts = report["attempts"]
    return now + timedelta(seconds=LADDER_SECONDS[attempts]) if attempts < len(LADDER_SECONDS) else None


async def _bury(connection: Connection, report: Row, now: datetime, reason: str, what: str) -> None:
    kind = "operation id" if report["channel"] == "Email" else "gateway reference"
    message = f"{report['channel']} notification with {kind} {report['provider_reference']} {what}"
    attempts, received = report["attempts"] + 1, report["received"]
    await connection.execute(BURY, report["id"], dead_content(report), now, attempts, reason, message, received)


def dead_content(report: Row) -> dict[str, Any]:
    """What a dead report keeps: the email provider's own object, or the SMS report as a command (spec 07, 4.3)."""
    if report["provider"] != ReportSource.SMS_GATEWAY:
        return dict(report["report"])
    return {
        "gatewayReference": report["provider_reference"],
        "sendResult": report["result"],
        "deliveryReport": _as_text(report["report"]),
    }


def _as_text(report: Any) -> str:
    return json.dumps(report, ensure_ascii=False)


def _span(reports: Sequence[Row]) -> tuple[datetime, datetime]:
    times = [report["received"] for report in reports]
    return min(times), max(times)


def _keys(rows: Sequence[Row]) -> list[list[str]]:
    return columns(sorted({_key(row) for row in rows}))


def _key(row: Row) -> tuple[str, str]:
    return row["channel"], row["provider_reference"]


def _line(match: _Match, now: datetime, kind: Kind, detail: dict[str, Any]) -> Event:
    source = ReportSource(match.report["provider"]).name
    common = {"provider": source, "result": match.report["result"], **detail}
    return Event(match.notification["order_id"], match.notification["notification_id"], now, kind, common)
