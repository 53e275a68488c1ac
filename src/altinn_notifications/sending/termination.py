"""The end of what never ended by itself (spec 08, 13), and of mail that nobody reported on (spec 09, 8.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications import events
from altinn_notifications.events import Event, Kind
from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.completion import complete_finished
from altinn_notifications.sending.attempts import count_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from altinn_notifications.database.pool import Connection, Database

TERMINATE: Final = """
    WITH expired AS MATERIALIZED (
        SELECT notification_id, result, attempt_open FROM notification_states
        WHERE result IN ('New', 'Sending', 'Succeeded', 'Accepted') AND channel = $1 AND expiry < $2
        ORDER BY expiry LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE notification_states s SET result = 'Failed_TTL', result_time = $4, wake_at = NULL, poll_at = NULL,
        attempt_open = false
    FROM expired WHERE s.notification_id = expired.notification_id
    RETURNING s.notification_id, s.order_id, s.channel, s.provider, s.attempts, s.attempt_started,
        expired.result AS was, expired.attempt_open AS has_lost_call"""

IS_LEFT: Final = """
    SELECT EXISTS (SELECT FROM notification_states
        WHERE result IN ('New', 'Sending', 'Succeeded', 'Accepted') AND channel = $1 AND expiry < $2)"""
PASSES: Final = 20
PASS_AGAIN_SECONDS: Final = 0.25

SETTLE: Final = """
    WITH silent AS MATERIALIZED (
        SELECT notification_id FROM notification_states
        WHERE result = 'Succeeded' AND lane = ANY('{email,composed}') AND wake_at <= $1 AND expiry > $1
        ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE notification_states s SET result = 'Delivered', result_time = $1, wake_at = NULL
    FROM silent WHERE s.notification_id = silent.notification_id
    RETURNING s.notification_id, s.order_id"""


async def terminate_expired(db: Database, *, now: datetime, offset: timedelta, batch_size: int) -> int:
    """End as `Failed_TTL` every pending notification that expired more than `offset` ago; the number ended.

    Email first, then SMS; each batch is a transaction of its own, repeated until one is empty. A call that is still
    open lost its worker: nobody knows what came of it, and the timeline says so (spec 08, 10.4). What somebody else
    holds, such as a sender that stores an outcome, is passed over and looked at again for some seconds.
    """
    ended = 0
    for channel in (Channel.EMAIL, Channel.SMS):
        for _ in range(PASSES):
            while count := await _terminate_batch(db, channel, now, offset, batch_size):
                ended += count
            if not await db.fetchval(IS_LEFT, channel, now - offset):
                break
            await asyncio.sleep(PASS_AGAIN_SECONDS)
    return ended


async def _terminate_batch(db: Database, channel: Channel, now: datetime, offset: timedelta, limit: int) -> int:
    async with db.transaction() as connection:
        rows = await connection.fetch(TERMINATE, channel, now - offset, limit, now)
        lost = [row for row in rows if row["has_lost_call"]]
        lines = [_line(row, now, Kind.SEND_UNKNOWN, _lost_call(row)) for row in lost]
        lines += [_line(row, now, Kind.TERMINATED, {"was": row["was"]}) for row in rows]
        await _finish(connection, rows, lines, now)
    count_unknown(row["channel"] for row in lost)
    return len(rows)


async def settle_silent_mail(db: Database, *, now: datetime, batch_size: int) -> int:
    """Count as `Delivered` the mail whose time for a bounce has passed; the number of one batch."""
    async with db.transaction() as connection:
        rows = await connection.fetch(SETTLE, now, batch_size)
        lines = [_line(row, now, Kind.DELIVERED_WITHOUT_REPORT, {}) for row in rows]
        await _finish(connection, rows, lines, now)
    return len(rows)


async def _finish(connection: Connection, rows: Sequence[Any], lines: Sequence[Event], now: datetime) -> None:
    await events.record(connection, lines)
    await complete_finished(connection, {row["order_id"] for row in rows}, now=now)


def _lost_call(row: Any) -> dict[str, Any]:
    call = {"provider": row["provider"], "attempt": row["attempts"], "started": row["attempt_started"].isoformat()}
    return {**call, "reason": "worker stopped during the call", "next": "over"}


def _line(row: Any, now: datetime, kind: Kind, detail: dict[str, Any]) -> Event:
    return Event(row["order_id"], row["notification_id"], now, kind, detail)
