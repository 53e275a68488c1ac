"""What the capture providers keep: messages, the reports planned for them, and how often they were put off.

In the database, so that every process sees the same and a report that is due survives the process that planned it.
Source: spec 09, 8.4 and spec 10, 12.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import columns
from altinn_notifications.reports.payloads import storable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from altinn_notifications.channels.protocol import Attachment
    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.lifecycle import Channel

# A repeat of unknown outcome carries the same reference: it is the same message.
STORE: Final = """
    WITH kept AS (
        INSERT INTO captured_messages (channel, reference, recipient, captured, message)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
        ON CONFLICT (channel, reference) DO NOTHING RETURNING id, reference
    ), planned AS (
        INSERT INTO captured_reports (message_id, word, due)
        SELECT kept.id, r.word, r.due
        FROM unnest($6::text[], $7::text[], $8::timestamptz[]) WITH ORDINALITY AS r (reference, word, due, number)
        JOIN kept USING (reference) ORDER BY r.number
    )
    SELECT id, reference FROM kept"""

STORE_FILES: Final = """
    INSERT INTO captured_attachments (message_id, position, filename, mime_type, content)
    SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::bytea[])"""

COUNT_REFUSAL: Final = """
    INSERT INTO captured_refusals AS r (message, times, last) VALUES ($1, 1, $3)
    ON CONFLICT (message) DO UPDATE SET times = r.times + 1, last = $3 WHERE r.times < $2 RETURNING r.times"""
FORGET_REFUSALS: Final = "DELETE FROM captured_refusals WHERE message = $1"

FIND: Final = "SELECT id, reference, recipient, captured FROM captured_messages WHERE channel = $1 AND reference = $2"
PLAN: Final = """
    INSERT INTO captured_reports (message_id, word, due)
    SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM captured_reports WHERE message_id = $1)"""

NEWEST: Final = """
    SELECT m.reference, m.recipient, m.captured, m.message, coalesce(
        (SELECT jsonb_agg(jsonb_build_object('state', r.word, 'dueAt', r.due, 'sentAt', r.sent) ORDER BY r.id)
         FROM captured_reports r WHERE r.message_id = m.id), '[]') AS reports
    FROM captured_messages m WHERE m.channel = $1 AND ($2::text IS NULL OR m.recipient = $2)
    ORDER BY m.id DESC LIMIT $3"""

DELETE_OLD: Final = "DELETE FROM captured_messages WHERE captured < $1"
DELETE_OLD_REFUSALS: Final = "DELETE FROM captured_refusals WHERE last < $1"


@dataclass(frozen=True, slots=True)
class PlannedReport:
    """What will be reported about a captured message, in the provider's own word, and when (UTC)."""

    word: str
    due: datetime


@dataclass(frozen=True, slots=True, repr=False)
class CapturedMessage:
    """One message that was kept instead of sent."""

    channel: Channel
    reference: str
    recipient: str
    captured: datetime
    message: dict[str, Any]
    reports: Sequence[PlannedReport] = ()
    files: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """A captured message without its content."""

    id: int
    reference: str
    recipient: str
    captured: datetime


class CaptureStore:
    """Keeps messages, in groups. Raises `DatabaseUnavailable` from every function when the database is away."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._messages: Grouped[CapturedMessage, None] = Grouped(self._store_group, limit=200)

    async def keep(self, message: CapturedMessage) -> None:
        """Keep `message` and plan its reports; nothing happens when its reference is known."""
        await self._messages.submit(message)

    async def refuse(self, *message: str, times: int, now: datetime) -> bool:
        """Whether this attempt is among the first `times`. The attempt that is let through starts the count anew."""
        key = hashlib.sha256("\0".join(message).encode("utf-8", "surrogatepass")).digest()
        if await self._db.fetchval(COUNT_REFUSAL, key, times, now) is not None:
            return True
        await self._db.execute(FORGET_REFUSALS, key)
        return False

    async def find(self, channel: Channel, reference: str) -> Receipt | None:
        """The captured message with this reference."""
        row = await self._db.fetchrow(FIND, channel, reference)
        return Receipt(**row) if row else None

    async def plan(self, receipt: Receipt, report: PlannedReport) -> None:
        """Plan the report about a captured message, unless one is planned already."""
        await self._db.execute(PLAN, receipt.id, report.word, report.due)

    async def _store_group(self, group: Sequence[CapturedMessage]) -> list[None]:
        rows = [(str(m.channel), m.reference, storable(m.recipient), m.captured, storable(m.message)) for m in group]
        planned = [(m.reference, report.word, report.due) for m in group for report in m.reports]
        async with self._db.transaction() as connection:
            reports = columns(planned) if planned else [[], [], []]
            kept = await connection.fetch(STORE, *columns(rows), *reports)
            await _store_files(connection, group, {row["reference"]: row["id"] for row in kept})
        return [None] * len(group)


async def newest(db: Database, channel: Channel, *, recipient: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest captured messages with what was reported about them, all or those to exactly `recipient`."""
    return [dict(row) for row in await db.fetch(NEWEST, channel, recipient, limit)]


async def delete_captured(db: Database, *, before: datetime) -> None:
    """Let go of what was captured earlier than `before` (UTC)."""
    await db.execute(DELETE_OLD, before)
    await db.execute(DELETE_OLD_REFUSALS, before)


async def _store_files(connection: Connection, group: Sequence[CapturedMessage], kept: dict[str, int]) -> None:
    rows = [
        (kept[message.reference], position, storable(file.filename), file.mime_type, file.content)
        for message in group
        if message.reference in kept
        for position, file in enumerate(message.files)
    ]
    if rows:
        await connection.execute(STORE_FILES, *columns(rows))
