"""Messages that have not left although somebody tried, for those who look after them (spec 07, 4.4; spec 08, 10.4).

Nothing is stuck for ever: each of them is tried again at its time or ends as `Failed_TTL`. What an operator may want
is to see why they wait, and to try sooner: after a mended provider, or where an SMS of unknown outcome is held because
its owner would rather have none than two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications import events
from altinn_notifications.events import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database

LIST: Final = """
    SELECT s.notification_id, s.order_id, s.creator, s.lane, s.provider, s.attempts, s.outcome_unknown, s.wake_at,
           s.expiry, e.detail ->> 'reason' AS reason
    FROM notification_states s LEFT JOIN LATERAL (
        SELECT detail FROM events WHERE order_id = s.order_id AND notification_id = s.notification_id
        ORDER BY id DESC LIMIT 1) e ON true
    WHERE s.result = 'Sending' AND (s.attempts > 0 OR s.deferrals > 0) AND NOT s.attempt_open AND s.poll_at IS NULL
        AND (s.claimed_by IS NULL OR s.wake_at IS NULL) AND s.expiry > $1
    ORDER BY s.notification_id LIMIT $2"""

SEND_NOW: Final = """
    WITH chosen AS (
        SELECT notification_id, wake_at FROM notification_states
        WHERE notification_id = ANY($1::uuid[]) AND result = 'Sending' AND (attempts > 0 OR deferrals > 0)
            AND NOT attempt_open AND poll_at IS NULL AND (claimed_by IS NULL OR wake_at IS NULL) AND expiry > $2
        ORDER BY notification_id FOR UPDATE
    )
    UPDATE notification_states s SET wake_at = $2 FROM chosen WHERE s.notification_id = chosen.notification_id
    RETURNING s.notification_id, s.order_id"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message that a provider did not take. Times are UTC."""

    notification_id: UUID
    order_id: UUID
    creator: str
    lane: str
    provider: str | None
    attempts: int
    outcome_unknown: bool
    """Whether the recipient may have it all the same."""
    next_try: datetime | None
    """None: it is held until somebody decides, or its time runs out."""
    expiry: datetime
    reason: str | None


async def list_waiting(db: Database, *, now: datetime, limit: int) -> list[Waiting]:
    """Up to `limit` messages that wait at `now` (UTC), oldest first. Raises `DatabaseUnavailable`."""
    return [
        Waiting(
            row["notification_id"],
            row["order_id"],
            row["creator"],
            row["lane"],
            row["provider"],
            row["attempts"],
            row["outcome_unknown"],
            row["wake_at"],
            row["expiry"],
            row["reason"],
        )
        for row in await db.fetch(LIST, now, limit)
    ]


async def send_now(db: Database, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Let those of `ids` that still wait be tried at once; they are returned, and their timelines tell.

    The caller wakes the senders. Asking twice does no harm. Raises `DatabaseUnavailable`.
    """
    async with db.transaction() as connection:
        rows = await connection.fetch(SEND_NOW, list(ids), now)
        lines = [Event(row["order_id"], row["notification_id"], now, Kind.RETRY_REQUESTED) for row in rows]
        await events.record(connection, lines)
    return [row["notification_id"] for row in rows]
