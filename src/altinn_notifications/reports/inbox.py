"""The inbox of delivery reports: stored before their sender gets an answer, matched afterwards (spec 08, 11.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import columns
from altinn_notifications.database.wakeups import REPORTS
from altinn_notifications.reports.model import DeliveryReport, InvalidReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.database.wakeups import Wakeups
    from altinn_notifications.reports.model import IncomingReport

STORE: Final = """
    INSERT INTO delivery_reports (provider, channel, provider_reference, result, report, received, wake_at)
    SELECT r.*, r.received FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::jsonb[],
        $6::timestamptz[]) AS r (provider, channel, provider_reference, result, report, received)"""

STORE_INVALID: Final = """
    INSERT INTO dead_delivery_reports
        (channel, delivery_report, first_seen, last_attempt, attempt_count, reason, message)
    SELECT r.channel, r.report, r.seen, r.seen, 1, 'INVALID_DELIVERY_REPORT', r.message
    FROM unnest($1::smallint[], $2::jsonb[], $3::timestamptz[], $4::text[]) AS r (channel, report, seen, message)"""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What one request brought: all of it is stored, or none."""

    reports: Sequence[IncomingReport]
    received: datetime


class ReportInbox:
    """Stores reports. Requests that arrive together share a transaction."""

    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        self._db = db
        self._wakeups = wakeups
        self._groups: Grouped[_Delivery, None] = Grouped(self._store_group, limit=100, writers=2)

    async def store(self, reports: Sequence[IncomingReport], *, now: datetime) -> None:
        """Store all of `reports`, received at `now` (UTC). Raises `DatabaseUnavailable` when nothing was stored."""
        if reports:
            await self._groups.submit(_Delivery(reports, now))

    async def _store_group(self, group: Sequence[_Delivery]) -> list[None]:
        reports = [(report, delivery.received) for delivery in group for report in delivery.reports]
        async with self._db.transaction() as connection:
            await store_within(connection, reports)
        if any(isinstance(report, DeliveryReport) for report, _ in reports):
            self._wakeups.wake(REPORTS)
        return [None] * len(group)


async def store_within(connection: Connection, reports: Sequence[tuple[IncomingReport, datetime]]) -> None:
    """Store reports with the time they came (UTC), in the transaction of the caller, who then wakes the matching."""
    await _insert(connection, STORE, [_row(report, at) for report, at in reports if isinstance(report, DeliveryReport)])
    dead = [_dead(report, at) for report, at in reports if isinstance(report, InvalidReport)]
    await _insert(connection, STORE_INVALID, dead)


async def _insert(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(statement, *columns(rows))


def _row(report: DeliveryReport, received: datetime) -> tuple[Any, ...]:
    channel = str(report.channel)
    return int(report.source), channel, report.provider_reference, report.result, report.report, received


def _dead(report: InvalidReport, received: datetime) -> tuple[Any, ...]:
    return int(report.source), report.payload, received, report.message
