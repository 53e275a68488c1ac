"""The table `notification_states` as sending sees it: leased claims, fair between owners (spec 08, 10.1 and 10.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.pool import columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database, Row
    from altinn_notifications.sending.shares import Source

# One step through the index for each owner and domain, however many messages wait.
SOURCES_WITH_NEW: Final = """
    WITH RECURSIVE sources AS (
        (SELECT creator, sender_domain FROM notification_states WHERE result = 'New' AND lane = $1
         ORDER BY creator, sender_domain LIMIT 1)
        UNION ALL
        SELECT next.creator, next.sender_domain FROM sources o CROSS JOIN LATERAL (
            SELECT s.creator, s.sender_domain FROM notification_states s
            WHERE s.result = 'New' AND s.lane = $1 AND (s.creator, s.sender_domain) > (o.creator, o.sender_domain)
            ORDER BY s.creator, s.sender_domain LIMIT 1) AS next
    )
    SELECT creator, sender_domain FROM sources"""

# A pause is looked at by the claim itself: a message that came back because of it is never taken without it.
CLAIM_NEW: Final = """
    WITH due AS MATERIALIZED (
        SELECT d.* FROM unnest($2::text[], $4::text[], $8::integer[]) AS source (creator, domain, share)
        CROSS JOIN LATERAL (
            SELECT s.notification_id FROM notification_states s
            WHERE s.result = 'New' AND s.lane = $1 AND s.creator = source.creator AND s.sender_domain = source.domain
                AND s.expiry >= $3 AND EXISTS (SELECT FROM unnest($7::text[]) AS carrier (name) WHERE NOT EXISTS (
                    SELECT FROM provider_pauses p WHERE p.provider = carrier.name AND p.domain IN ('', source.domain)
                        AND p.paused_until > $3))
            ORDER BY s.notification_id LIMIT source.share FOR UPDATE SKIP LOCKED) d
    )
    UPDATE notification_states s SET result = 'Sending', result_time = $3, claim_count = s.claim_count + 1,
        claimed_by = $5, wake_at = $6
    FROM due WHERE s.notification_id = due.notification_id
    RETURNING s.notification_id"""

# A lease that ended or a retry that is due: the result stays Sending, and its time does not move.
CLAIM_WAKING: Final = """
    WITH due AS MATERIALIZED (
        SELECT s.notification_id, s.wake_at FROM notification_states s
        WHERE s.result = 'Sending' AND s.lane = $1 AND s.wake_at <= $2 AND s.expiry >= $2
            AND EXISTS (SELECT FROM unnest($6::text[]) AS carrier (name) WHERE NOT EXISTS (
                SELECT FROM provider_pauses p WHERE p.provider = carrier.name AND p.domain = ''
                    AND p.paused_until > $2))
        ORDER BY s.wake_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE notification_states s SET claim_count = s.claim_count + 1, claimed_by = $4, wake_at = $5
    FROM due WHERE s.notification_id = due.notification_id
    RETURNING s.notification_id"""

LOAD_CLAIMED: Final = """
    SELECT s.notification_id, s.order_id, s.creator, s.channel, s.lane, s.claim_count, s.attempts, s.attempt_open,
           s.attempt_started, s.outcome_unknown, s.deferrals, s.provider, s.provider_reference,
           s.sender_domain, s.expiry, n.destination, n.subject,
           n.body
    FROM notification_states s JOIN notifications n ON n.id = s.notification_id
    WHERE s.notification_id = ANY($1::uuid[]) AND n.id BETWEEN $2 AND $3 ORDER BY s.notification_id"""

LOAD_TEMPLATES: Final = "SELECT id, email, sms FROM orders WHERE id = ANY($1::uuid[])"

HAND_BACK: Final = """
    UPDATE notification_states s SET result = 'New', result_time = $3, wake_at = NULL, claimed_by = NULL
    FROM unnest($1::uuid[], $2::integer[]) AS u (notification_id, claim_count)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.result || '' = 'Sending'
        AND NOT s.attempt_open AND NOT s.outcome_unknown AND s.deferrals = 0"""

PUT_OFF: Final = """
    UPDATE notification_states s SET wake_at = u.wake_at, claimed_by = NULL
    FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS u (notification_id, claim_count, wake_at)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.result || '' = 'Sending'
        AND NOT s.attempt_open"""

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
    provider: str | None
    """Who was called last."""
    provider_reference: str | None
    sender_domain: str
    """The domain of an email's sender; empty for SMS."""
    expiry: datetime


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, in which lane, from `now` until the lease ends. While all `carriers` pause nothing is claimed."""

    lane: str
    worker: int
    carriers: Sequence[str]
    now: datetime
    until: datetime


async def sources_with_new(db: Database, lane: str) -> list[Source]:
    """The creators, and the domains they send from, that have something to send in `lane`."""
    return [(row["creator"], row["sender_domain"]) for row in await db.fetch(SOURCES_WITH_NEW, lane)]


async def claim_waking(connection: Connection, by: Claimant, *, limit: int) -> list[UUID]:
    """Claim up to `limit` messages whose next try is due, or whose lease has ended. Part of the caller's transaction.

    Rows that somebody else holds are passed over, here and in `claim_new`.
    """
    rows = await connection.fetch(CLAIM_WAKING, by.lane, by.now, limit, by.worker, by.until, by.carriers)
    return [row["notification_id"] for row in rows]


async def claim_new(connection: Connection, by: Claimant, shares: Mapping[Source, int]) -> list[UUID]:
    """Claim as many new messages of each source as `shares` says, oldest first. Part of the caller's transaction."""
    if not shares:
        return []
    creators, domains = columns(shares)
    rows = await connection.fetch(
        CLAIM_NEW, by.lane, creators, by.now, domains, by.worker, by.until, by.carriers, list(shares.values())
    )
    return [row["notification_id"] for row in rows]


async def load_claimed(connection: Connection, ids: Collection[UUID]) -> list[Row]:
    """The rows of claimed notifications (at least one) with what is to be sent, in order of creation."""
    # The span, so that only the partitions that hold it are looked at.
    return await connection.fetch(LOAD_CLAIMED, ids, min(ids), max(ids))


async def load_templates(connection: Connection, order_ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The templates of orders: rows with `email` and `sms`."""
    return {row["id"]: row for row in await connection.fetch(LOAD_TEMPLATES, list(set(order_ids)))}


async def hand_back(db: Database, claims: Iterable[Claimed], *, now: datetime) -> None:
    """Let go of claims for which no provider was called; they are `New` again."""
    held = list(claims)
    await db.execute(HAND_BACK, [c.notification_id for c in held], [c.claim_count for c in held], now)


async def put_off(db: Database, waits: Sequence[tuple[Claimed, datetime]]) -> None:
    """Let go of claims until the moment that stands beside each (UTC); those that are `New` again stay so."""
    rows = ((claim.notification_id, claim.claim_count, until) for claim, until in waits)
    await db.execute(PUT_OFF, *columns(rows))


async def let_go(db: Database, lane: str, *, worker: int, now: datetime) -> None:
    """End every lease that `worker` has in `lane`, where it is at work on nothing."""
    await db.execute(LET_GO, worker, lane, now)


async def next_wake(db: Database, lane: str, *, now: datetime) -> datetime | None:
    """When the next retry or lease end of `lane` comes, in UTC."""
    wake: datetime | None = await db.fetchval(NEXT_WAKE, lane, now)
    return wake
