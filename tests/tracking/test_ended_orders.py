"""What clients see of an order that ends: the shipment and the feed beside each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.orders.completion import announce, complete_finished
from altinn_notifications.tracking.feed import FeedQuery, delete_old_entries, read_feed
from altinn_notifications.tracking.shipment import find_shipment
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.times import DAY, HOUR, MINUTE, NOON

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database
    from altinn_notifications.tracking.shipment import Shipment
    from support.rows import StoredNotification, StoredOrder

SET_RESULT = "UPDATE notification_states SET result = $2, result_time = $3 WHERE notification_id = $1"


async def finish(db: Database, message: StoredNotification, result: str, now: datetime = NOON) -> list[UUID]:
    async with db.transaction() as connection:
        await connection.execute(SET_RESULT, message.id, result, now)
        return await complete_finished(connection, [message.order_id], now=now)


async def feed(db: Database) -> list[dict[str, Any]]:
    return await read_feed(db, FeedQuery(0, 500, descending=False), creator="ttd", now=NOON + DAY)


async def shipment(db: Database, order: StoredOrder) -> Shipment:
    found = await find_shipment(db, order.id, creator=order.creator)
    assert found is not None
    return found


async def test_the_last_final_result_completes_the_order_with_one_entry_for_all(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED, channel="Sms"))
    first = await insert(db, a_stored_sms(order.id, result="Sending", position=0))
    second = await insert(db, a_stored_sms(order.id, result="Accepted", position=1))
    await finish(db, first, "Delivered")
    assert ((await shipment(db, order)).status, await feed(db)) == ("Processed", [])
    await finish(db, second, "Failed_Undelivered", NOON + MINUTE)
    assert (await shipment(db, order)).last_update == NOON + MINUTE
    (entry,) = await feed(db)
    assert (entry["status"], entry["lastUpdate"]) == ("Order_Completed", "2026-03-02T12:01:00Z")
    assert [one["status"] for one in entry["recipients"]] == ["SMS_Delivered", "SMS_Failed_Undelivered"]


async def test_a_second_last_report_adds_no_entry(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    email = await insert(db, a_stored_email(order.id, result="Succeeded"))
    await finish(db, email, "Delivered")
    assert await finish(db, email, "Delivered", NOON + HOUR) == []
    assert [entry["lastUpdate"] for entry in await feed(db)] == ["2026-03-02T12:00:00Z"]


async def test_a_late_bounce_shows_in_the_shipment_and_not_in_the_feed(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    email = await insert(db, a_stored_email(order.id, result="Succeeded"))
    await finish(db, email, "Delivered")
    await finish(db, email, "Failed_Bounced", NOON + HOUR)
    shown = await shipment(db, order)
    assert (shown.status, shown.last_update, shown.recipients[0].result) == ("Completed", NOON, "Failed_Bounced")
    assert [one["status"] for one in (await feed(db))[0]["recipients"]] == ["Email_Delivered"]


async def test_an_order_without_any_notification_ends_with_an_empty_entry(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSING))
    async with db.transaction() as connection:
        assert await complete_finished(connection, [order.id], now=NOON) == [order.id]
    assert [(entry["status"], entry["recipients"]) for entry in await feed(db)] == [("Order_Completed", [])]


async def test_a_condition_that_is_not_met_ends_with_an_empty_entry(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.SEND_CONDITION_NOT_MET))
    async with db.transaction() as connection:
        await announce(connection, [order.id], now=NOON)
    assert [(one["status"], one["recipients"]) for one in await feed(db)] == [("Order_SendConditionNotMet", [])]


async def test_a_cancelled_order_never_reaches_the_feed(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.CANCELLED))
    async with db.transaction() as connection:
        assert await complete_finished(connection, [order.id], now=NOON) == []
    assert ((await shipment(db, order)).status, await feed(db)) == ("Cancelled", [])


async def test_two_last_results_at_the_same_moment_complete_the_order_once(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    messages = [await insert(db, a_stored_email(order.id, result="Succeeded", position=n)) for n in range(2)]
    completed = await asyncio.gather(*(finish(db, message, "Delivered") for message in messages))
    assert sorted(map(len, completed)) == [0, 1]
    (entry,) = await feed(db)
    assert [one["status"] for one in entry["recipients"]] == ["Email_Delivered", "Email_Delivered"]


async def test_a_shipment_stays_readable_after_its_entry_was_cleaned_up(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    email = await insert(db, a_stored_email(order.id, result="Succeeded"))
    await finish(db, email, "Delivered")
    assert len(await feed(db)) == 1
    assert await delete_old_entries(db, now=NOON + 91 * DAY, limit=10) == 1
    assert (await feed(db), (await shipment(db, order)).status) == ([], "Completed")


async def test_three_shipments_of_a_chain_are_three_entries(db: Database) -> None:
    orders = [await insert(db, a_stored_order(status=OrderStatus.PROCESSING, type=kind)) for kind in (0, 1, 1)]
    async with db.transaction() as connection:
        await complete_finished(connection, [order.id for order in orders], now=NOON)
    entries = {entry["shipmentId"]: entry["shipmentType"] for entry in await feed(db)}
    assert sorted(entries) == sorted(str(order.id) for order in orders)
    assert sorted(entries.values()) == ["Notification", "Reminder", "Reminder"]
