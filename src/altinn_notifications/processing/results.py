"""What can become of one claimed order: pure, from the order and what was found out to what is stored (spec 08, 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.events import Event, Kind
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import BORN_FINAL, Channel, OrderStatus, OrderType
from altinn_notifications.orders.model import SendingTimePolicy
from altinn_notifications.orders.storage import PROCESSING_GRACE
from altinn_notifications.processing.deadline import closing_drafts
from altinn_notifications.processing.due_orders import ClaimEnd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.dependencies import DependencyFailed
    from altinn_notifications.processing.due_orders import ClaimedOrder
    from altinn_notifications.recipients.drafts import Draft

    NotificationRow = tuple[tuple[Any, ...], tuple[Any, ...]]

ENDED: Final = frozenset({OrderStatus.COMPLETED, OrderStatus.SEND_CONDITION_NOT_MET})


@dataclass(frozen=True, slots=True)
class Result:
    """How the claim ends, the notifications that are stored with it, and what the timeline says."""

    order: Order
    end: ClaimEnd
    drafts: list[Draft] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def drafted(order: Order, claim: ClaimedOrder, drafts: list[Draft], now: datetime) -> Result:
    """The order is processed, and completed at once if nobody is to be written to."""
    finished = all(draft.result in BORN_FINAL for draft in drafts)
    status = OrderStatus.COMPLETED if finished else OrderStatus.PROCESSED
    return _result(
        order, ClaimEnd(claim, status), now, Kind.ORDER_PROCESSED, {"notifications": len(drafts)}, drafts=drafts
    )


def condition_not_met(order: Order, claim: ClaimedOrder, now: datetime) -> Result:
    """The condition endpoint said no: the order ends without notifications."""
    return _result(order, ClaimEnd(claim, OrderStatus.SEND_CONDITION_NOT_MET), now, Kind.CONDITION_NOT_MET, {})


def asked_again_later(order: Order, claim: ClaimedOrder, reason: str | None, now: datetime, delay: timedelta) -> Result:
    """The condition endpoint gave no answer that can be used; it is asked once more."""
    end = ClaimEnd(claim, OrderStatus.PROCESSING, now + delay, is_retry=True)
    detail = {"reason": f"send condition: {reason}", "at": (now + delay).isoformat()}
    return _result(order, end, now, Kind.ORDER_RETRY_SCHEDULED, detail)


def dependency_failed(
    order: Order, claim: ClaimedOrder, failure: DependencyFailed, now: datetime, delay: timedelta
) -> Result:
    """A register gave no answer: once more after `delay`, and after that from the beginning (spec 08, 5.2)."""
    reason = f"{failure.dependency}: {failure.cause}"
    if claim.is_retry:
        due = order.requested_send_time - PROCESSING_GRACE
        end = ClaimEnd(claim, OrderStatus.REGISTERED, due, failing=failure.dependency)
        return _result(order, end, now, Kind.ORDER_RETURNED, {"reason": reason})
    end = ClaimEnd(claim, OrderStatus.PROCESSING, now + delay, is_retry=True, failing=failure.dependency)
    return _result(order, end, now, Kind.ORDER_RETRY_SCHEDULED, {"reason": reason, "at": (now + delay).isoformat()})


def failed(order: Order, claim: ClaimedOrder, error: Exception, now: datetime, again: datetime) -> Result:
    """Something nobody foresaw: the order is tried again at `again`, until its deadline (spec 08, 5.4)."""
    end = ClaimEnd(claim, OrderStatus.PROCESSING, again)
    return _result(order, end, now, Kind.ORDER_FAILED, {"error": type(error).__name__, "at": again.isoformat()})


def closed(order: Order, claim: ClaimedOrder, deadline: datetime, now: datetime) -> Result:
    """The order's time is over; it ends with what could not be sent (spec 08, 5.4)."""
    end = ClaimEnd(claim, OrderStatus.COMPLETED)
    detail = {"deadline": deadline.isoformat()}
    return _result(order, end, now, Kind.ORDER_CLOSED, detail, drafts=closing_drafts(order, deadline))


def lane_of(order: Order, channel: Channel) -> str:
    """Which sending pass takes a notification (spec 08, 10.1)."""
    if channel is Channel.EMAIL:
        return "composed" if order.type is OrderType.Composed else "email"
    return "sms-anytime" if order.sms_policy is SendingTimePolicy.ANYTIME else "sms-daytime"


def notification_rows(order: Order, drafts: Sequence[Draft], now: datetime) -> list[NotificationRow]:
    """Rows for `notifications` and `notification_states`, in the order in which the drafts came."""
    return [_rows(order, draft, position, new_id(), now) for position, draft in enumerate(drafts)]


def _rows(order: Order, draft: Draft, position: int, id_: UUID, now: datetime) -> NotificationRow:
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
        draft.reason,
        order.requested_send_time,
    )
    lane = lane_of(order, draft.channel)
    domain = order.email.sender_domain if draft.channel is Channel.EMAIL and order.email else ""
    state = (id_, order.id, order.creator, str(draft.channel), lane, str(draft.result), now, draft.expiry, domain)
    return notification, state


def _result(  # noqa: PLR0913 - the parts of a result, each of them given
    order: Order,
    end: ClaimEnd,
    now: datetime,
    kind: Kind,
    detail: dict[str, Any],
    *,
    drafts: list[Draft] | None = None,
) -> Result:
    return Result(order, end, drafts or [], [Event(order.id, None, now, kind, detail)])
