"""The table `notification_states` as sending sees it: leased claims, fair between owners (spec 08, 10.1 and 10.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database, Row

OWNERS_WITH_NEW: Final = """
    WITH RECURSIVE owners AS (
        (SELECT creator FROM notification_states WHERE result = 'New' AND lane = $1 ORDER BY creator LIMIT 1)
        UNION ALL
        SELECT (SELECT s.creator FROM notification_states s
                WHERE s.result = 'New' AND s.lane = $1 AND s.creator > o.creator ORDER BY s.creator LIMIT 1)
        FROM owners o WHERE o.creator IS NOT NULL
    )
    SELECT creator FROM owners WHERE creator IS NOT NULL"""

# A pause is looked at by the claim itself: a message that came back because of it is never taken without it.
CLAIM_NEW: Final = """
    WITH due AS MATERIALIZED (
        SELECT d.* FROM unnest($2::text[]) AS owner (creator) CROSS JOIN LATERAL (
            SELECT s.notification_id FROM notification_states s
            WHERE s.result = 'New' AND s.lane = $1 AND s.creator = owner.creator AND s.expiry >= $3
                AND NOT EXISTS (SELECT FROM provider_pauses p WHERE p.provider = $7 AND p.paused_until > $3)
            ORDER BY s.notification_id LIMIT $4 FOR UPDATE SKIP LOCKED) d
    )
    UPDATE notification_states s SET result = 'Sending', result_time = $3, claim_count = s.claim_count + 1,
        claimed_by = $5, wake_at = $6
    FROM due WHERE s.notification_id = due.notification_id AND s.result = 'New'
    RETURNING s.notification_id"""

# A lease that ended or a retry that is due: the result stays Sending, and its time does not move.
CLAIM_WAKING: Final = """
    WITH due AS MATERIALIZED (
        SELECT s.notification_id, s.wake_at FROM notification_states s
        WHERE s.result = 'Sending' AND s.lane = $1 AND s.wake_at <= $2 AND s.expiry >= $2
            AND NOT EXISTS (SELECT FROM provider_pauses p WHERE p.provider = $6 AND p.paused_until > $2)
        ORDER BY s.wake_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE notification_states s SET claim_count = s.claim_count + 1, claimed_by = $4, wake_at = $5
    FROM due WHERE s.notification_id = due.notification_id AND s.result = 'Sending'
    RETURNING s.notification_id"""

LOAD_CLAIMED: Final = """
    SELECT s.notification_id, s.order_id, s.creator, s.channel, s.lane, s.claim_count, s.attempts, s.attempt_open,
           s.attempt_started, s.outcome_unknown, s.deferrals, s.provider_reference, s.expiry, n.destination, n.subject,
           n.body
    FROM notification_states s JOIN notifications n ON n.id = s.notification_id
    WHERE s.notification_id = ANY($1::uuid[]) ORDER BY s.notification_id"""

LOAD_TEMPLATES: Final = "SELECT id, email, sms FROM orders WHERE id = ANY($1::uuid[])"

HAND_BACK: Final = """
    UPDATE notification_states s SET result = 'New', result_time = $3, wake_at = NULL, claimed_by = NULL
    FROM unnest($1::uuid[], $2::integer[]) AS u (notification_id, claim_count)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.result = 'Sending'
        AND NOT s.attempt_open AND NOT s.outcome_unknown AND s.deferrals = 0"""

LET_GO: Final = """
    UPDATE notification_states SET wake_at = $3
    WHERE claimed_by = $1 AND lane = $2 AND result = 'Sending' AND wake_at > $3"""

NEXT_WAKE: Final = """
    SELECT min(wake_at) FROM notification_states
    WHERE result = 'Sending' AND lane = $1 AND wake_at > $2 AND expiry >= $2"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One notification that this worker may send until its lease ends."""

    notification_id: UUID
    order_id: UUID
    creator: str
    channel: str
    lane: str
    claim_count: int
    attempts: int
    attempt_open: bool
    """Whether a call was open when the previous claim ended: nobody knows what came of it."""
    attempt_started: datetime | None
    outcome_unknown: bool
    deferrals: int
    provider_reference: str | None
    expiry: datetime


async def owners_with_new(db: Database, lane: str) -> list[str]:
    """The creators that have something to send in `lane`."""
    return [row["creator"] for row in await db.fetch(OWNERS_WITH_NEW, lane)]


async def claim_batch(  # noqa: PLR0913 - what a claim is made of
    connection: Connection,
    lane: str,
    owners: list[str],
    *,
    now: datetime,
    limit: int,
    until: datetime,
    worker: int,
    provider: str,
) -> list[UUID]:
    """Claim what waits again and what is new, about `limit` in all, the same share of the new for every owner.

    `until` is when the lease ends. Rows that somebody else holds are passed over, and while `provider` pauses there is
    nothing to claim. Runs in the caller's transaction.
    """
    waking = await connection.fetch(CLAIM_WAKING, lane, now, limit, worker, until, provider)
    room = limit - len(waking)
    if not owners or room <= 0:
        return [row["notification_id"] for row in waking]
    share = -(-room // len(owners))
    new = await connection.fetch(CLAIM_NEW, lane, owners, now, share, worker, until, provider)
    return [row["notification_id"] for row in (*waking, *new)]


async def load_claimed(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """The rows of claimed notifications with what is to be sent, in order of creation."""
    return await connection.fetch(LOAD_CLAIMED, list(ids))


async def load_templates(connection: Connection, order_ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The templates of orders: rows with `email` and `sms`."""
    return {row["id"]: row for row in await connection.fetch(LOAD_TEMPLATES, list(set(order_ids)))}


async def hand_back(db: Database, claims: Iterable[Claimed], *, now: datetime) -> None:
    """Let go of claims for which no provider was called; they are `New` again."""
    held = list(claims)
    await db.execute(HAND_BACK, [c.notification_id for c in held], [c.claim_count for c in held], now)


async def let_go(db: Database, lane: str, *, worker: int, now: datetime) -> None:
    """End every lease that `worker` has in `lane`, where it is at work on nothing."""
    await db.execute(LET_GO, worker, lane, now)


async def next_wake(db: Database, lane: str, *, now: datetime) -> datetime | None:
    """When the next retry or lease end of `lane` comes, in UTC."""
    wake: datetime | None = await db.fetchval(NEXT_WAKE, lane, now)
    return wake
