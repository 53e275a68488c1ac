"""The table `order_states` as processing sees it: claims under leases, and how they end (spec 08, 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications import events
from altinn_notifications.database.pool import columns
from altinn_notifications.events import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database, Row

# One probe of the index for each owner that has unfinished orders.
OWNERS_WITH_WORK: Final = """
    WITH RECURSIVE owners AS (
        (SELECT creator FROM order_states WHERE status IN ('Registered', 'Processing') ORDER BY creator LIMIT 1)
        UNION ALL
        SELECT (SELECT s.creator FROM order_states s
                WHERE s.status IN ('Registered', 'Processing') AND s.creator > o.creator ORDER BY s.creator LIMIT 1)
        FROM owners o WHERE o.creator IS NOT NULL
    )
    SELECT o.creator, n.wake_at FROM owners o CROSS JOIN LATERAL (
        SELECT s.wake_at FROM order_states s
        WHERE s.status IN ('Registered', 'Processing') AND s.creator = o.creator AND s.wake_at IS NOT NULL
        ORDER BY s.wake_at LIMIT 1) n"""

CLAIM: Final = """
    WITH due AS MATERIALIZED (
        SELECT d.* FROM unnest($1::text[]) AS owner (creator) CROSS JOIN LATERAL (
            SELECT s.order_id, s.status, s.is_retry, s.claim_count FROM order_states s
            WHERE s.status IN ('Registered', 'Processing') AND s.creator = owner.creator AND s.wake_at <= $2
            ORDER BY s.wake_at, s.order_id LIMIT $3 FOR UPDATE SKIP LOCKED) d
    )
    UPDATE order_states s SET status = 'Processing', claim_count = s.claim_count + 1, wake_at = $4, claimed_by = $5,
        is_retry = false
    FROM due WHERE s.order_id = due.order_id
    RETURNING s.order_id, s.claim_count, due.is_retry, s.failing_dependency,
        due.status = 'Processing' AND NOT due.is_retry AS taken_over"""

# The compare-and-set of spec 08, 5.4: only the claim that is still the latest may end itself.
END_CLAIMS: Final = """
    UPDATE order_states s SET status = u.status, wake_at = u.wake_at, is_retry = u.is_retry, claimed_by = NULL,
        last_change = CASE WHEN u.status = 'Processing' THEN s.last_change ELSE $6 END,
        failing_since = CASE WHEN u.failing IS NOT NULL THEN coalesce(s.failing_since, $6) END,
        failing_dependency = u.failing
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::boolean[], $7::text[])
        AS u (order_id, claim_count, status, wake_at, is_retry, failing)
    WHERE s.order_id = u.order_id AND s.claim_count = u.claim_count AND s.status || '' = 'Processing'
    RETURNING s.order_id"""

LET_GO: Final = """
    UPDATE order_states SET wake_at = $3
    WHERE claimed_by = $1 AND status = 'Processing' AND wake_at > $3 AND order_id <> ALL($2::uuid[])"""

# Only what is still under way: an order that waits for its retry has nobody who holds it.
RENEW: Final = """
    UPDATE order_states s SET wake_at = $4
    FROM unnest($1::uuid[], $2::integer[]) AS u (order_id, claim_count)
    WHERE s.order_id = u.order_id AND s.claim_count = u.claim_count AND s.claimed_by = $3
      AND s.status || '' = 'Processing' AND s.wake_at < $4"""

RELEASE_FAILING: Final = """
    UPDATE order_states SET wake_at = $2
    WHERE failing_dependency = $1 AND status = 'Processing' AND is_retry AND wake_at > $2"""

RELEASE_ONE_OF_EACH: Final = """
    WITH oldest AS (
        SELECT DISTINCT ON (failing_dependency) order_id FROM order_states
        WHERE failing_dependency IS NOT NULL AND status = 'Processing' AND is_retry AND wake_at > $1
        ORDER BY failing_dependency, wake_at
    )
    UPDATE order_states s SET wake_at = $1 FROM oldest
    WHERE s.order_id = oldest.order_id AND s.status = 'Processing' AND s.is_retry RETURNING s.order_id"""

NOTIFICATION_COLUMNS: Final = (
    "id",
    "order_id",
    "channel",
    "position",
    "destination",
    "national_identity_number",
    "organization_number",
    "subject",
    "body",
    "segments",
    "created",
    "expiry",
    "reason",
    "requested_send_time",
)
STATE_COLUMNS: Final = (
    "notification_id",
    "order_id",
    "creator",
    "channel",
    "lane",
    "result",
    "result_time",
    "expiry",
    "sender_domain",
)


@dataclass(frozen=True, slots=True)
class ClaimedOrder:
    """One order that this worker may process until the lease ends."""

    order_id: UUID
    claim_count: int
    is_retry: bool
    """Whether this is the second look after a failed look-up or an inconclusive condition (spec 08, 5.2)."""
    failing_dependency: str | None
    """Which dependency failed this order the last time, if one did."""


@dataclass(frozen=True, slots=True)
class ClaimEnd:
    """How a claim ends. `wake_at` is when the order may be claimed again, None when it is done with processing."""

    claim: ClaimedOrder
    status: str
    wake_at: datetime | None = None
    is_retry: bool = False
    failing: str | None = None
    """The dependency that failed, if that is why."""


async def next_wake(db: Database) -> datetime | None:
    """When the next order may be claimed, in UTC; None when there is none."""
    rows = await db.fetch(OWNERS_WITH_WORK)
    return min((row["wake_at"] for row in rows), default=None)


async def claim_due_orders(
    db: Database, *, now: datetime, limit: int, lease_until: datetime, worker: int | None
) -> list[ClaimedOrder]:
    """Claim up to about `limit` orders whose time has come, the same share for every owner that has any.

    A lease that ended counts as due: its order stays `Processing` and is told apart on the timeline.
    """
    owners = [row["creator"] for row in await db.fetch(OWNERS_WITH_WORK) if row["wake_at"] <= now]
    if not owners:
        return []
    share = -(-limit // len(owners))
    async with db.transaction() as connection:
        rows = await connection.fetch(CLAIM, owners, now, share, lease_until, worker)
        lines = [_taken_over(row, now) for row in rows if row["taken_over"]]
        await events.record(connection, lines)
    return [
        ClaimedOrder(row["order_id"], row["claim_count"], row["is_retry"], row["failing_dependency"]) for row in rows
    ]


def _taken_over(row: Row, now: datetime) -> Event:
    return Event(row["order_id"], None, now, Kind.ORDER_TAKEN_OVER, {"claim": row["claim_count"]})


async def end_claims(connection: Connection, ends: Sequence[ClaimEnd], *, now: datetime) -> set[UUID]:
    """End claims as told and return the orders for which the claim was still ours."""
    rows = ((e.claim.order_id, e.claim.claim_count, e.status, e.wake_at, e.is_retry, e.failing) for e in ends)
    ids, counts, statuses, wakes, retries, failing = columns(rows)
    won = await connection.fetch(END_CLAIMS, ids, counts, statuses, wakes, retries, now, failing)
    return {row["order_id"] for row in won}


async def insert_notifications(connection: Connection, rows: Sequence[tuple[tuple[Any, ...], tuple[Any, ...]]]) -> None:
    """Store notifications with their states; columns in the order of the two constants above."""
    if rows:
        notifications, states = zip(*rows, strict=True)
        await connection.copy_records_to_table("notifications", records=notifications, columns=NOTIFICATION_COLUMNS)
        await connection.copy_records_to_table("notification_states", records=states, columns=STATE_COLUMNS)


async def let_go(db: Database, *, worker: int | None, held: Sequence[UUID], now: datetime) -> None:
    """End the leases of all orders that `worker` has claimed, except of those that it holds."""
    await db.execute(LET_GO, worker, held, now)


async def renew(db: Database, claims: Sequence[ClaimedOrder], *, worker: int | None, lease_until: datetime) -> None:
    """Let the leases of claims that `worker` still works on last until then. Source: spec 08, 5.4."""
    ids, counts = columns((claim.order_id, claim.claim_count) for claim in claims)
    await db.execute(RENEW, ids, counts, worker, lease_until)


async def release_failing(db: Database, dependency: str, *, now: datetime) -> None:
    """Let every order that waits for `dependency` be claimed now: it answers again."""
    await db.execute(RELEASE_FAILING, dependency, now)


async def release_one_of_each(db: Database, *, now: datetime) -> bool:
    """Let the oldest order that waits for each failing dependency go ahead, to see whether it answers again.

    Returns whether any was waiting.
    """
    return bool(await db.fetch(RELEASE_ONE_OF_EACH, now))
