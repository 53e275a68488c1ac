"""The timeline: what happened to an order and its notifications that no other row tells.

Registration, creation and completion are read from the rows they made; everything between is an event, written in the
transaction that it describes. Details hold ids, names of providers and reasons, never an address or a text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.database.pool import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection


class Kind(StrEnum):
    """What can happen. The comment names the keys of `detail`."""

    ORDER_PROCESSED = "order-processed"  # notifications
    ORDER_RETRY_SCHEDULED = "order-retry-scheduled"  # reason, at
    ORDER_RETURNED = "order-returned"  # reason
    ORDER_TAKEN_OVER = "order-taken-over"  # claim
    ORDER_FAILED = "order-failed"  # error, at
    ORDER_CLOSED = "order-closed"  # deadline
    ORDER_CANCELLED = "order-cancelled"
    CONDITION_NOT_MET = "condition-not-met"
    SEND_ACCEPTED = "send-accepted"  # provider, attempt, started, reference
    SEND_REFUSED = "send-refused"  # provider, attempt, started, result, reason
    SEND_DEFERRED = "send-deferred"  # provider, attempt, started, reason, at
    SEND_RETURNED = "send-returned"  # provider, attempt, started, reason, pausedUntil
    SEND_UNKNOWN = "send-unknown"  # provider, attempt, started, reason, next: retry, hold, end, aside, ask, over
    RETRY_REQUESTED = "retry-requested"  # by an operator
    ATTACHMENTS_DEFERRED = "attachments-deferred"  # reason, at
    ATTACHMENTS_REFUSED = "attachments-refused"  # result, reason
    OPERATION_SUCCEEDED = "operation-succeeded"  # provider
    OPERATION_FAILED = "operation-failed"  # provider, result, reason
    OPERATION_RETURNED = "operation-returned"  # provider, reason
    REPORT_APPLIED = "report-applied"  # provider, result
    REPORT_IGNORED = "report-ignored"  # provider, result, reason
    DELIVERED_WITHOUT_REPORT = "delivered-without-report"  # after (seconds)
    TERMINATED = "terminated"  # was


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline. `notification_id` is None for what concerns the whole order."""

    order_id: UUID
    notification_id: UUID | None
    at: datetime
    kind: Kind
    detail: Mapping[str, Any] = field(default_factory=dict)


INSERT_EVENTS: Final = """
    INSERT INTO events (order_id, notification_id, at, kind, detail)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::jsonb[])"""


async def record(connection: Connection, events: Sequence[Event]) -> None:
    """Write `events` in the caller's transaction."""
    if events:
        rows = ((e.order_id, e.notification_id, e.at, str(e.kind), dict(e.detail)) for e in events)
        await connection.execute(INSERT_EVENTS, *columns(rows))
