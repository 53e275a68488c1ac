"""The table `instant_reservations`: an idempotency id is taken before the message leaves (spec 03, 6 and spec 08, 16).

A reservation holds everything that will be stored. It becomes visible as a whole (`publish`) or goes away (`release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.sms.segments import segments_of
from altinn_notifications.database.pool import columns
from altinn_notifications.lifecycle import Channel, OrderType
from altinn_notifications.orders.content import content_of, receipt_document, template_of
from altinn_notifications.orders.storage import digest, receipt_for, searchable_reference
from altinn_notifications.processing.results import lane_of
from altinn_notifications.recipients.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database, Row
    from altinn_notifications.orders.instant import InstantMessage

# Looking for the chain spares the row when the id was used long ago. Whether it has been used a moment ago only a
# statement can see that begins after this one has the row: BEGIN_CALLS.
RESERVE: Final = """
    INSERT INTO instant_reservations (chain_id, creator, idempotency_id, idempotency_digest, created, receipt, order_id,
        senders_reference, channel, sms_policy, email, sms, content, notification_id, destination, segments, expiry,
        lane, provider_reference, lease_until)
    SELECT r.*, $20::timestamptz
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[], $6::jsonb[], $7::uuid[],
                $8::text[], $9::text[], $10::smallint[], $11::jsonb[], $12::jsonb[], $13::jsonb[], $14::uuid[],
                $15::text[], $16::smallint[], $17::timestamptz[], $18::text[], $19::text[])
        AS r (chain_id, creator, idempotency_id, idempotency_digest)
    WHERE NOT EXISTS (SELECT FROM order_chains c WHERE c.creator = r.creator AND c.type = $21
                      AND c.idempotency_digest = r.idempotency_digest)
    ON CONFLICT ON CONSTRAINT instant_reservations_idempotency DO NOTHING
    RETURNING chain_id"""

BEGIN_CALLS: Final = """
    UPDATE instant_reservations r SET called = $3, lease_until = $4, provider = u.provider
    FROM unnest($1::uuid[], $2::text[]) AS u (chain_id, provider)
    WHERE r.chain_id = u.chain_id AND r.called IS NULL
        AND NOT EXISTS (SELECT FROM order_chains c WHERE c.creator = r.creator AND c.type = $5
                        AND c.idempotency_digest = r.idempotency_digest)
    RETURNING r.chain_id"""

RELEASE: Final = "DELETE FROM instant_reservations WHERE chain_id = ANY($1::uuid[])"

PUBLISH: Final = """
    WITH taken AS (
        DELETE FROM instant_reservations WHERE chain_id = ANY($1::uuid[]) RETURNING *
    ), chains AS (
        INSERT INTO order_chains (id, creator, type, idempotency_id, idempotency_digest, created, receipt)
        SELECT chain_id, creator, $3::smallint, idempotency_id, idempotency_digest, created, receipt FROM taken
    ), ordered AS (
        INSERT INTO orders (id, chain_id, type, creator, senders_reference, created, requested_send_time, channel,
                            sms_policy, email, sms, content)
        SELECT order_id, chain_id, $3::smallint, creator, senders_reference, created, created, channel,
               sms_policy, email, sms, content FROM taken
    ), states AS (
        INSERT INTO order_states (order_id, creator, status, last_change, requested_send_time)
        SELECT order_id, creator, 'Processed', created, created FROM taken
    ), notified AS (
        INSERT INTO notifications (id, order_id, channel, position, destination, segments, created, expiry, reason)
        SELECT notification_id, order_id, channel, 0, destination, segments, created, expiry, $4::text FROM taken
    ), sending AS (
        INSERT INTO notification_states (notification_id, order_id, creator, channel, lane, result, result_time, expiry,
            claim_count, attempts, attempt_started, outcome_unknown, provider, provider_reference, sender_domain)
        SELECT notification_id, order_id, creator, channel, lane, 'Sending', $2::timestamptz, expiry,
               1, 1, called, $5::boolean, provider, provider_reference,
               lower(trim(split_part(coalesce(email ->> 'from_address', ''), '@', 2))) FROM taken
    )
    SELECT order_id, notification_id, channel, provider, called FROM taken"""

FIND_LEASE: Final = """
    SELECT lease_until FROM instant_reservations WHERE creator = $1 AND idempotency_digest = $2"""

LOCK_ENDED: Final = """
    SELECT chain_id, called FROM instant_reservations WHERE lease_until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED"""


async def reserve(db: Database, messages: Sequence[InstantMessage], *, lease_until: datetime) -> set[UUID]:
    """Take the idempotency ids of `messages` and return the chain ids of those that got theirs."""
    # The same order in every process, so that two groups that share ids cannot wait for each other.
    ordered = sorted(messages, key=lambda message: (message.order.creator, digest(message.chain.idempotency_id)))
    rows = await db.fetch(RESERVE, *columns(map(_row, ordered)), lease_until, OrderType.Instant)
    return {row["chain_id"] for row in rows}


async def begin_calls(
    db: Database, calls: Sequence[tuple[UUID, str]], *, now: datetime, lease_until: datetime
) -> set[UUID]:
    """Note that providers are about to be called for reservations: pairs of chain id and provider.

    Returns the chain ids that may go on. Of the others the id was used in the very moment it was taken, or the lease
    ended and somebody has cleaned up.
    """
    rows = await db.fetch(BEGIN_CALLS, *columns(calls), now, lease_until, OrderType.Instant)
    return {row["chain_id"] for row in rows}


async def release(db: Connection | Database, chain_ids: Sequence[UUID]) -> None:
    """Let go of reservations: nothing is left of them, and their ids are free again."""
    await db.execute(RELEASE, chain_ids)


async def publish(
    connection: Connection, chain_ids: Sequence[UUID], *, now: datetime, outcome_unknown: bool = False
) -> list[Row]:
    """Make reservations visible as processed orders, each with a notification that is being sent.

    Part of the caller's transaction. What somebody else has published is left out of the returned rows.
    """
    return await connection.fetch(PUBLISH, chain_ids, now, OrderType.Instant, Reason.GIVEN, outcome_unknown)


async def find_lease(db: Database, message: InstantMessage) -> datetime | None:
    """When the lease of whoever holds the idempotency id of `message` ends, in UTC; None when nobody does."""
    lease: datetime | None = await db.fetchval(FIND_LEASE, message.order.creator, digest(message.chain.idempotency_id))
    return lease


async def lock_ended(connection: Connection, *, now: datetime, limit: int) -> list[Row]:
    """Reservations whose lease has ended, for the caller's transaction alone: rows with `chain_id` and `called`."""
    return await connection.fetch(LOCK_ENDED, now, limit)


def _row(message: InstantMessage) -> tuple[Any, ...]:
    chain, order = message.chain, message.order
    return (
        chain.id,
        order.creator,
        chain.idempotency_id,
        digest(chain.idempotency_id),
        order.created,
        receipt_document(receipt_for(chain)),
        order.id,
        searchable_reference(order),
        str(order.channel),
        order.sms_policy,
        template_of(order.email),
        template_of(order.sms),
        content_of(order),
        message.notification_id,
        message.destination,
        segments_of(message.outgoing.body) if message.channel is Channel.SMS else None,
        message.expiry,
        lane_of(order, message.channel),
        message.reference,
    )
