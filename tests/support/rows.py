"""Rows as the service keeps them, for tests that need a state rather than the way to it.

Each factory gives a row with sensible values, changed by name; `insert` writes it. Times default to `NOON`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import Channel, OrderStatus, OrderType
from support.times import DAY, MINUTE, NOON

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.events import Kind

EMAIL_TEMPLATE = {
    "from_address": "noreply@altinn.cloud",
    "subject": "Your case",
    "body": "There is news in your case.",
    "content_type": "Plain",
}
SMS_TEMPLATE = {"sender": "Altinn", "body": "There is news in your case."}


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A row of `orders` and its row of `order_states`."""

    id: UUID = field(default_factory=new_id)
    chain_id: UUID | None = None
    type: OrderType = OrderType.Notification
    creator: str = "ttd"
    senders_reference: str | None = "case-4711"
    created: datetime = NOON
    requested_send_time: datetime = NOON
    channel: str = "Email"
    sms_policy: int | None = None
    resource_id: str | None = None
    email: dict[str, Any] | None = field(default_factory=lambda: dict(EMAIL_TEMPLATE))
    sms: dict[str, Any] | None = field(default_factory=lambda: dict(SMS_TEMPLATE))
    content: dict[str, Any] = field(default_factory=lambda: {"recipients": [{"email_address": "kari@example.no"}]})
    status: str = OrderStatus.REGISTERED
    last_change: datetime = NOON
    wake_at: datetime | None = None
    claim_count: int = 0
    claimed_by: int | None = None
    is_retry: bool = False
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A row of `notifications` and its row of `notification_states`."""

    order_id: UUID
    id: UUID = field(default_factory=new_id)
    creator: str = "ttd"
    channel: Channel = Channel.EMAIL
    position: int = 0
    destination: str = "kari@example.no"
    national_identity_number: str | None = None
    organization_number: str | None = None
    subject: str | None = None
    body: str | None = None
    segments: int | None = None
    created: datetime = NOON
    lane: str = "email"
    result: str = "New"
    result_time: datetime = NOON
    expiry: datetime = NOON + 2 * DAY
    requested_send_time: datetime = NOON
    wake_at: datetime | None = None
    claim_count: int = 0
    claimed_by: int | None = None
    attempts: int = 0
    attempt_open: bool = False
    attempt_started: datetime | None = None
    outcome_unknown: bool = False
    deferrals: int = 0
    provider: str | None = None
    provider_reference: str | None = None
    attachment_bytes: int = 0
    report: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of `events`."""

    order_id: UUID
    kind: Kind
    notification_id: UUID | None = None
    at: datetime = NOON
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A row of `delivery_reports`: one that waits to be matched, unless `settled`."""

    provider: int = 2
    channel: Channel = Channel.SMS
    provider_reference: str = "4711"
    result: str = "Delivered"
    report: dict[str, Any] = field(default_factory=dict)
    received: datetime = NOON
    attempts: int = 1
    wake_at: datetime | None = NOON + MINUTE
    settled: datetime | None = None
    dead_report_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredDeadReport:
    """A row of `dead_delivery_reports`."""

    channel: int = 2
    delivery_report: Any = field(default_factory=dict)
    first_seen: datetime = NOON
    last_attempt: datetime = NOON
    resolved: bool = False
    attempt_count: int = 7
    reason: str = "RETRY_THRESHOLD_EXCEEDED"
    message: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFeedEntry:
    """A row of `status_feed_outbox`, or with `insert_numbered` one of `status_feed`."""

    creator: str = "ttd"
    order_id: UUID = field(default_factory=new_id)
    created: datetime = NOON
    entry: Any = None


Row = TypeVar("Row", StoredOrder, StoredNotification, StoredEvent, StoredReport, StoredDeadReport, StoredFeedEntry)


def a_stored_order(**changes: Any) -> StoredOrder:
    """A registered email order by `ttd` to one address, due at noon."""
    return replace(StoredOrder(), **changes)


def a_stored_email(order_id: UUID, **changes: Any) -> StoredNotification:
    """A new email of the order."""
    return replace(StoredNotification(order_id), **changes)


def a_stored_sms(order_id: UUID, **changes: Any) -> StoredNotification:
    """A new SMS of the order, to be sent at any time."""
    sms = StoredNotification(order_id, channel=Channel.SMS, destination="+4799999999", lane="sms-anytime")
    return replace(sms, **changes)


def an_event(order_id: UUID, kind: Kind, **changes: Any) -> StoredEvent:
    """Something that happened to the order at noon."""
    return replace(StoredEvent(order_id, kind), **changes)


def a_feed_entry(**changes: Any) -> StoredFeedEntry:
    """An entry of a completed order without notifications, written at noon."""
    row = replace(StoredFeedEntry(), **changes)
    return row if row.entry is not None else replace(row, entry=a_feed_document(shipmentId=str(row.order_id)))


def a_feed_document(**changes: Any) -> dict[str, Any]:
    """What an entry holds."""
    document = {
        "shipmentId": str(uuid4()),
        "recipients": [],
        "status": "Order_Completed",
        "lastUpdate": "2026-03-02T12:00:00Z",
        "shipmentType": "Notification",
        "type": "Notification",
    }
    return document | changes


async def insert(db: Database | Connection, row: Row) -> Row:
    """Write one row (or the pair of rows it stands for) and return it."""
    match row:
        case StoredOrder():
            await _insert(db, "orders", row, _ORDER_COLUMNS)
            await _insert(db, "order_states", row, _ORDER_STATE_COLUMNS, id_column="order_id")
        case StoredNotification():
            await _insert(db, "notifications", row, _NOTIFICATION_COLUMNS)
            await _insert(db, "notification_states", row, _NOTIFICATION_STATE_COLUMNS, id_column="notification_id")
        case StoredEvent():
            await _insert(db, "events", row, _names(row))
        case StoredReport():
            await _insert(db, "delivery_reports", row, _names(row))
        case StoredDeadReport():
            await _insert(db, "dead_delivery_reports", row, _names(row))
        case StoredFeedEntry():
            await _insert(db, "status_feed_outbox", row, _names(row))
    return row


async def insert_numbered(db: Database | Connection, row: StoredFeedEntry) -> int:
    """Write an entry that has already been published and return its number."""
    return int(
        await db.fetchval(
            "INSERT INTO status_feed (creator, order_id, created, entry) VALUES ($1, $2, $3, $4)"
            " RETURNING sequence_number",
            row.creator,
            row.order_id,
            row.created,
            row.entry,
        )
    )


_ORDER_STATE_ONLY = ("status", "last_change", "wake_at", "claim_count", "claimed_by", "is_retry", "failing_since")
_ORDER_COLUMNS = tuple(item.name for item in fields(StoredOrder) if item.name not in _ORDER_STATE_ONLY)
_ORDER_STATE_COLUMNS = ("id", "creator", "requested_send_time", *_ORDER_STATE_ONLY)
_NOTIFICATION_COLUMNS = (
    "id", "order_id", "channel", "position", "destination", "national_identity_number", "organization_number",
    "subject", "body", "segments", "created", "expiry", "requested_send_time",
)  # fmt: skip
_NOTIFICATION_STATE_COLUMNS = (
    "id", "order_id", "creator", "channel", "lane", "result", "result_time", "expiry", "wake_at", "claim_count",
    "claimed_by", "attempts", "attempt_open", "attempt_started", "outcome_unknown", "deferrals", "provider",
    "provider_reference", "attachment_bytes", "report",
)  # fmt: skip


def _names(row: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(row))


async def _insert(
    db: Database | Connection, table: str, row: Any, names: tuple[str, ...], *, id_column: str = "id"
) -> None:
    columns = ", ".join(id_column if name == "id" else name for name in names)
    places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    values = (getattr(row, name) for name in names)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names are this module's own
    await db.execute(statement, *values)
