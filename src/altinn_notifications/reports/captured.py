"""The delivery reports about captured messages: into the inbox when they are due, like everybody's (spec 10, 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.lifecycle import Channel
from altinn_notifications.reports.email_events import STATUSES
from altinn_notifications.reports.inbox import store_within
from altinn_notifications.reports.model import DeliveryReport, ReportSource
from altinn_notifications.reports.sms_reports import result_of
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Database, Row

TAKE_DUE: Final = """
    WITH taken AS (
        SELECT id FROM captured_reports WHERE sent IS NULL AND due <= $1
        ORDER BY due, id LIMIT $2 FOR UPDATE SKIP LOCKED
    ), sent AS (
        UPDATE captured_reports r SET sent = $1 FROM taken WHERE r.id = taken.id
        RETURNING r.id, r.message_id, r.word
    )
    SELECT m.channel, m.reference, m.recipient, m.message ->> 'sender' AS sender, sent.word
    FROM sent JOIN captured_messages m ON m.id = sent.message_id ORDER BY sent.id"""


async def report_captured(db: Database, *, now: datetime, limit: int = 500) -> int:
    """Put one batch of the reports that are due at `now` (UTC) into the inbox; their number."""
    async with db.transaction() as connection:
        rows = await connection.fetch(TAKE_DUE, now, limit)
        await store_within(connection, [(_report(row, now), now) for row in rows])
    return len(rows)


def _report(row: Row, now: datetime) -> DeliveryReport:
    return _email_report(row, now) if row["channel"] == Channel.EMAIL else _sms_report(row, now)


def _email_report(row: Row, now: datetime) -> DeliveryReport:
    """As an event of the provider that polls would tell it (spec 09, 7.1)."""
    data: dict[str, Any] = {
        "sender": row["sender"],
        "recipient": row["recipient"],
        "messageId": row["reference"],
        "status": row["word"],
        "deliveryAttemptTimeStamp": to_wire(now),
    }
    result = STATUSES[row["word"]]
    return DeliveryReport(ReportSource.EMAIL_CAPTURE, Channel.EMAIL, row["reference"], result, data)


def _sms_report(row: Row, now: datetime) -> DeliveryReport:
    """With the members of the gateway's own reports (spec 10, 7.5)."""
    stored = {
        "reference": row["reference"],
        "receiver": row["recipient"].removeprefix("+"),
        "state": row["word"],
        "deliveryTime": f"{now:%Y.%m.%d %H:%M:%S}",
    }
    return DeliveryReport(ReportSource.SMS_GATEWAY, Channel.SMS, row["reference"], result_of(row["word"]), stored)
