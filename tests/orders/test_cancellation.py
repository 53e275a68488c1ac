"""Cancelling against everything else that may happen to an order (spec 05, 13 and spec 08, 15)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.orders import storage
from altinn_notifications.orders.cancellation import Cancellation, cancel, judge
from altinn_notifications.processing.due_orders import claim_due_orders
from support.orders import a_chain, an_order, feed_of, kinds_of, processor, registered, status_of
from support.times import DAY, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

IN_TIME = NOON - 10 * MINUTE


@pytest.mark.parametrize(
    ("status", "ahead", "verdict"),
    [
        ("Registered", 6 * MINUTE, Cancellation.NOW),
        ("Registered", 5 * MINUTE + SECOND, Cancellation.NOW),
        ("Registered", 5 * MINUTE, Cancellation.PROHIBITED),
        ("Registered", -MINUTE, Cancellation.PROHIBITED),
        ("Cancelled", DAY, Cancellation.BEFORE),
        ("Cancelled", -DAY, Cancellation.BEFORE),
        ("Processing", DAY, Cancellation.PROHIBITED),
        ("Processed", DAY, Cancellation.PROHIBITED),
        ("Completed", DAY, Cancellation.PROHIBITED),
        ("SendConditionNotMet", DAY, Cancellation.PROHIBITED),
    ],
)
def test_only_a_registered_order_with_more_than_five_minutes_left_can_be_cancelled(
    status: str, ahead: timedelta, verdict: Cancellation
) -> None:
    assert judge(OrderStatus(status), NOON + ahead, NOON) is verdict


async def test_a_cancelled_order_is_never_claimed(db: Database, clock: FixedClock) -> None:
    order = an_order()
    await registered(db, order)
    assert await cancel(db, order.id, creator="ttd", now=IN_TIME) is Cancellation.NOW
    clock.turn(30 * DAY)
    assert await processor(db, clock).process_batch() == 0
    assert await status_of(db, order.id) == "Cancelled"


async def test_a_cancellation_is_on_the_timeline_and_not_in_the_feed(db: Database) -> None:
    order = an_order()
    await registered(db, order)
    for _ in range(2):
        await cancel(db, order.id, creator="ttd", now=IN_TIME)
    assert await kinds_of(db, order.id) == ["order-cancelled"]
    assert await feed_of(db, order.id) == []
    assert await db.fetchval("SELECT last_change FROM order_states") == IN_TIME


async def test_nobody_cancels_what_is_not_theirs(db: Database) -> None:
    order = an_order()
    await registered(db, order)
    assert await cancel(db, order.id, creator="skd", now=IN_TIME) is None
    assert await cancel(db, new_id(), creator="ttd", now=IN_TIME) is None
    assert await status_of(db, order.id) == "Registered"


async def test_the_reminder_of_a_cancelled_order_is_still_processed(db: Database, clock: FixedClock) -> None:
    main, reminder = an_order(), an_order(requested_send_time=NOON + DAY)
    await storage.register(db, [a_chain(main, reminder)])
    await cancel(db, main.id, creator="ttd", now=IN_TIME)
    assert await status_of(db, reminder.id) == "Registered"
    clock.turn(DAY)
    assert await processor(db, clock).process_batch() == 1
    assert await status_of(db, reminder.id) == "Processed"


async def test_of_a_claim_and_a_cancellation_exactly_one_wins(db: Database) -> None:
    """Clocks of two machines may differ, so both can believe to be in time."""
    orders = [an_order() for _ in range(300)]
    await registered(db, *orders)
    claimed: list[UUID] = []
    cancelled: list[UUID] = []
    to_cancel = list(reversed(orders))

    async def claim_all() -> None:
        while batch := await claim_due_orders(db, now=NOON, limit=2, lease_until=NOON + MINUTE, worker=None):
            claimed.extend(claim.order_id for claim in batch)

    async def cancel_all() -> None:
        while to_cancel:
            order_id = to_cancel.pop().id  # the claims take the same order, so they meet
            if await cancel(db, order_id, creator="ttd", now=IN_TIME) is Cancellation.NOW:
                cancelled.append(order_id)

    await asyncio.gather(claim_all(), claim_all(), cancel_all(), cancel_all())
    assert sorted([*claimed, *cancelled]) == sorted(order.id for order in orders)
    assert [await status_of(db, order_id) for order_id in claimed] == ["Processing"] * len(claimed)
    assert [await status_of(db, order_id) for order_id in cancelled] == ["Cancelled"] * len(cancelled)


async def test_simultaneous_cancellations_leave_one_trace(db: Database) -> None:
    order = an_order()
    await registered(db, order)
    verdicts = await asyncio.gather(*(cancel(db, order.id, creator="ttd", now=IN_TIME) for _ in range(5)))
    assert sorted(verdict.name for verdict in verdicts if verdict) == ["BEFORE"] * 4 + ["NOW"]
    assert await kinds_of(db, order.id) == ["order-cancelled"]
