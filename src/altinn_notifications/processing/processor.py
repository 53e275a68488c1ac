"""Processing in sets: claimed orders become notifications, hundreds in one transaction (spec 08, 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from altinn_notifications import events
from altinn_notifications.database.wakeups import NOTIFICATIONS
from altinn_notifications.events import Event, Kind
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import BORN_FINAL, Channel, OrderStatus, OrderType
from altinn_notifications.orders.completion import announce
from altinn_notifications.orders.model import SendingTimePolicy
from altinn_notifications.orders.storage import load_orders
from altinn_notifications.processing.deadline import closing_drafts, order_deadline
from altinn_notifications.processing.due_orders import (
    ClaimedOrder,
    ClaimEnd,
    claim_due_orders,
    end_claims,
    insert_notifications,
)
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.recipients.drafts import Draft, drafts_for_order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.database.wakeups import Wakeups
    from altinn_notifications.orders.model import Order
    from altinn_notifications.settings import NotificationSettings

log = structlog.get_logger()
LANES: Final = ("email", "composed", "sms-anytime", "sms-daytime")


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of one claimed order: its drafts, or the claim's other end."""

    order: Order
    end: ClaimEnd
    drafts: list[Draft] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Processor:
    """Turns due orders into notifications."""

    def __init__(
        self, db: Database, clock: Clock, wakeups: Wakeups, settings: NotificationSettings, *, worker: int | None = None
    ) -> None:
        self._db = db
        self._clock = clock
        self._wakeups = wakeups
        self._settings = settings
        self._window = SendWindow(settings.sms_send_window_start_hour, settings.sms_send_window_end_hour)
        self.worker = worker

    async def process_batch(self) -> int:
        """Claim one batch of due orders and bring each to its next state; the number that was claimed."""
        now = self._clock.now()
        claims = await claim_due_orders(
            self._db,
            now=now,
            limit=self._settings.past_due_orders_batch_size,
            lease_until=now + timedelta(seconds=self._settings.claim_lease_seconds),
            worker=self.worker,
        )
        if claims:
            orders = await load_orders(self._db, [claim.order_id for claim in claims])
            await self._store([self._decide(orders[claim.order_id], claim) for claim in claims])
        return len(claims)

    def _decide(self, order: Order, claim: ClaimedOrder) -> Processed:
        now = self._clock.now()
        try:
            ends = order_deadline(order, self._window)
            if claim.claim_count > 1 and now > ends + timedelta(seconds=self._settings.expiry_offset_seconds):
                return self._closed(order, claim, ends)
            return _processed(order, claim, drafts_for_order(order, {}, {}, window=self._window), now)
        except Exception as error:  # noqa: BLE001 - one order's trouble must not hold up the batch
            return self._failed(order, claim, error)

    def _closed(self, order: Order, claim: ClaimedOrder, ends: datetime) -> Processed:
        detail = {"deadline": ends.isoformat()}
        closed = Event(order.id, None, self._clock.now(), Kind.ORDER_CLOSED, detail)
        drafts = closing_drafts(order, ends)
        return Processed(order, ClaimEnd(claim, OrderStatus.COMPLETED), drafts, [closed])

    def _failed(self, order: Order, claim: ClaimedOrder, error: Exception) -> Processed:
        now = self._clock.now()
        again = now + timedelta(seconds=self._settings.processing_error_retry_seconds)
        log.error("order_processing_failed", order_id=str(order.id), error=type(error).__name__)
        detail = {"error": type(error).__name__, "at": again.isoformat()}
        failed = Event(order.id, None, now, Kind.ORDER_FAILED, detail)
        return Processed(order, ClaimEnd(claim, OrderStatus.PROCESSING, again), [], [failed])

    async def _store(self, results: Sequence[Processed]) -> None:
        now = self._clock.now()
        async with self._db.transaction() as connection:
            won = await end_claims(connection, [result.end for result in results], now=now)
            ours = [result for result in results if result.order.id in won]
            rows = [row for result in ours for row in notification_rows(result.order, result.drafts, now)]
            if rows:
                await insert_notifications(connection, [row[0] for row in rows], [row[1] for row in rows])
            await events.record(connection, [event for result in ours for event in result.events])
            done = [r.order.id for r in ours if r.end.status == OrderStatus.COMPLETED]
            await announce(connection, done, now=now)
        if any(state[5] == "New" for _, state in rows):
            self._wakeups.wake(NOTIFICATIONS)


def _processed(order: Order, claim: ClaimedOrder, drafts: list[Draft], now: datetime) -> Processed:
    finished = all(draft.result in BORN_FINAL for draft in drafts)
    status = OrderStatus.COMPLETED if finished else OrderStatus.PROCESSED
    event = Event(order.id, None, now, Kind.ORDER_PROCESSED, {"notifications": len(drafts)})
    return Processed(order, ClaimEnd(claim, status), drafts, [event])


def lane_of(order: Order, channel: Channel) -> str:
    """Which sending pass takes a notification (spec 08, 10.1)."""
    if channel is Channel.EMAIL:
        return "composed" if order.type is OrderType.Composed else "email"
    return "sms-anytime" if order.sms_policy is SendingTimePolicy.ANYTIME else "sms-daytime"


def notification_rows(
    order: Order, drafts: Sequence[Draft], now: datetime
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Rows for `notifications` and `notification_states`, in the order in which the drafts came."""
    return [_rows(order, draft, position, new_id(), now) for position, draft in enumerate(drafts)]


def _rows(
    order: Order, draft: Draft, position: int, id_: UUID, now: datetime
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    notification = (
        id_,
        order.id,
        str(draft.channel),
        position,
        draft.destination,
        draft.national_identity_number,
        draft.organization_number,
        draft.subject,
        draft.body,
        draft.segments,
        now,
        draft.expiry,
    )
    lane = lane_of(order, draft.channel)
    state = (id_, order.id, order.creator, str(draft.channel), lane, str(draft.result), now, draft.expiry)
    return notification, state
