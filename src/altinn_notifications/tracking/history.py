"""Everything that is known about one order: the rows from which its timeline is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.lifecycle import Channel, OrderType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database

MESSAGES_AT_ONCE: Final = 25


@dataclass(frozen=True, slots=True, repr=False)
class OrderFacts:
    """An order and its state. All times are in UTC."""

    id: UUID
    chain_id: UUID | None
    type: OrderType
    creator: str
    senders_reference: str | None
    created: datetime
    requested_send_time: datetime
    channel: str
    sms_policy: int | None
    resource_id: str | None
    status: str
    last_change: datetime
    wake_at: datetime | None
    claim_count: int
    is_retry: bool


@dataclass(frozen=True, slots=True, repr=False)
class MessageFacts:
    """A notification and its state. All times are in UTC."""

    id: UUID
    channel: Channel
    position: int
    destination: str
    national_identity_number: str | None
    organization_number: str | None
    reason: str | None
    """Why it has its address or none, one of `recipients.reasons.Reason`."""
    created: datetime
    expiry: datetime
    lane: str
    result: str
    result_time: datetime
    wake_at: datetime | None
    poll_at: datetime | None
    attempts: int
    attempt_open: bool
    deferrals: int
    outcome_unknown: bool
    provider: str | None
    provider_reference: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Happening:
    """A line that was written when it happened (see `events`). `kind` is text so that an unknown one can be shown."""

    notification_id: UUID | None
    at: datetime
    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class UnmatchedReport:
    """A delivery report that has arrived and not been applied yet."""

    provider_reference: str
    result: str
    received: datetime


@dataclass(frozen=True, slots=True)
class FeedNote:
    """The order's entry in the status feed; its number is None until it is old enough to be shown."""

    created: datetime
    sequence_number: int | None


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another order of the same chain."""

    id: UUID
    type: OrderType
    status: str
    requested_send_time: datetime
    messages: int
    failed: int


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """One order at one moment. `messages` are one page of them, `results` counts all by channel and result."""

    order: OrderFacts
    messages: tuple[MessageFacts, ...] = ()
    first_message: int = 0
    results: Mapping[tuple[Channel, str], int] = field(default_factory=dict)
    happenings: tuple[Happening, ...] = ()
    reports: tuple[UnmatchedReport, ...] = ()
    feed: FeedNote | None = None
    siblings: tuple[Sibling, ...] = ()

    @property
    def message_count(self) -> int:
        """How many messages the order has, on all pages."""
        return sum(self.results.values())

    @property
    def failed_count(self) -> int:
        """How many of them have a result that is a failure."""
        return sum(number for (_, result), number in self.results.items() if result.startswith("Failed"))


LOAD_ORDER: Final = """
    SELECT o.id, o.chain_id, o.type, o.creator, o.senders_reference, o.created, o.requested_send_time, o.channel,
           o.sms_policy, o.resource_id, s.status, s.last_change, s.wake_at, s.claim_count, s.is_retry
    FROM orders o JOIN order_states s ON s.order_id = o.id WHERE o.id = $1"""

COUNT_RESULTS: Final = """
    SELECT channel, result, count(*) AS number FROM notification_states WHERE order_id = $1 GROUP BY channel, result"""

LOAD_MESSAGES: Final = """
    SELECT n.id, n.channel, n.position, n.destination, n.national_identity_number, n.organization_number, n.reason,
           n.created, s.expiry, s.lane, s.result, s.result_time, s.wake_at, s.poll_at, s.attempts, s.attempt_open,
           s.deferrals, s.outcome_unknown, s.provider, s.provider_reference
    FROM notifications n JOIN notification_states s ON s.notification_id = n.id
    WHERE s.order_id = $1 ORDER BY n.channel, n.position, n.id OFFSET $2 LIMIT $3"""

LOAD_EVENTS: Final = """
    SELECT notification_id, at, kind, detail FROM events
    WHERE order_id = $1 AND (notification_id IS NULL OR notification_id = ANY($2::uuid[])) ORDER BY id"""

LOAD_UNMATCHED: Final = """
    SELECT r.provider_reference, r.result, r.received
    FROM unnest($1::text[], $2::text[]) AS sent (channel, reference)
    JOIN delivery_reports r ON r.channel = sent.channel AND r.provider_reference = sent.reference
    WHERE r.settled IS NULL ORDER BY r.id"""

LOAD_FEED: Final = """
    SELECT created, sequence_number FROM status_feed WHERE order_id = $1
    UNION ALL SELECT created, NULL FROM status_feed_outbox WHERE order_id = $1 LIMIT 1"""

LOAD_SIBLINGS: Final = """
    WITH chain AS (SELECT receipt FROM order_chains WHERE id = $1),
    members AS (
        SELECT receipt->'main'->>0 AS id FROM chain
        UNION ALL SELECT reminder->>0 FROM chain, jsonb_array_elements(receipt->'reminders') AS reminder
    )
    SELECT o.id, o.type, s.status, o.requested_send_time, m.messages, m.failed
    FROM members JOIN orders o ON o.id = members.id::uuid JOIN order_states s ON s.order_id = o.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS messages, count(*) FILTER (WHERE n.result LIKE 'Failed%') AS failed
        FROM notification_states n WHERE n.order_id = o.id) AS m
    WHERE o.id <> $2 ORDER BY o.requested_send_time, o.id"""


async def load_history(db: Database, order_id: UUID, *, first_message: int = 0) -> History | None:
    """What is known about an order at one moment, with at most 25 messages from `first_message` on; None if unknown."""
    async with db.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(LOAD_ORDER, order_id)
        if row is None:
            return None
        order = OrderFacts(**{**row, "type": OrderType(row["type"])})
        messages = await _load_messages(connection, order_id, first_message)
        return History(
            order=order,
            messages=messages,
            first_message=first_message,
            results=await _count_results(connection, order_id),
            happenings=await _load_events(connection, order_id, messages),
            reports=await _load_unmatched(connection, messages),
            feed=await _load_feed(connection, order_id),
            siblings=await _load_siblings(connection, order),
        )


async def _count_results(connection: Connection, order_id: UUID) -> dict[tuple[Channel, str], int]:
    rows = await connection.fetch(COUNT_RESULTS, order_id)
    return {(Channel(row["channel"]), row["result"]): row["number"] for row in rows}


async def _load_messages(connection: Connection, order_id: UUID, first: int) -> tuple[MessageFacts, ...]:
    rows = await connection.fetch(LOAD_MESSAGES, order_id, first, MESSAGES_AT_ONCE)
    return tuple(MessageFacts(**{**row, "channel": Channel(row["channel"])}) for row in rows)


async def _load_events(
    connection: Connection, order_id: UUID, messages: Sequence[MessageFacts]
) -> tuple[Happening, ...]:
    rows = await connection.fetch(LOAD_EVENTS, order_id, [message.id for message in messages])
    return tuple(Happening(**{**row, "detail": row["detail"] or {}}) for row in rows)


async def _load_unmatched(connection: Connection, messages: Sequence[MessageFacts]) -> tuple[UnmatchedReport, ...]:
    sent = [(message.channel, message.provider_reference) for message in messages if message.provider_reference]
    rows = await connection.fetch(LOAD_UNMATCHED, [str(one) for one, _ in sent], [reference for _, reference in sent])
    return tuple(UnmatchedReport(**row) for row in rows)


async def _load_feed(connection: Connection, order_id: UUID) -> FeedNote | None:
    row = await connection.fetchrow(LOAD_FEED, order_id)
    return None if row is None else FeedNote(**row)


async def _load_siblings(connection: Connection, order: OrderFacts) -> tuple[Sibling, ...]:
    if order.chain_id is None:
        return ()
    rows = await connection.fetch(LOAD_SIBLINGS, order.chain_id, order.id)
    return tuple(Sibling(**{**row, "type": OrderType(row["type"])}) for row in rows)
