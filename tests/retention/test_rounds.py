from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.database.partitions import find_partitions, make_ahead
from altinn_notifications.events import Kind
from altinn_notifications.identifiers import first_id_at
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders import storage
from altinn_notifications.retention.rounds import keep_house
from altinn_notifications.settings import RetentionSettings
from support.orders import a_chain, an_order
from support.rows import (
    StoredReport,
    a_feed_entry,
    a_stored_email,
    a_stored_order,
    an_event,
    insert,
    insert_numbered,
)
from support.times import DAY, MINUTE, NOON

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database

TODAY = NOON + 400 * DAY
LOG_ROW = """
    INSERT INTO notification_log (shipment_id, notification_id, creator, type, channel, destination, status,
        requested_send_time, last_update_time)
    VALUES ($1, $1, 'ttd', 'Notification', 'Email', 'kari@example.no', 'Delivered', $2, $2)"""


async def keep(db: Database, *, now: datetime = TODAY, **limits: Any) -> None:
    await keep_house(db, RetentionSettings(**limits), now=now, machine_now=now)


async def count(db: Database, table: str) -> int:
    return int(await db.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - the tests' own names


async def an_ended_order(db: Database, moment: datetime, *, nth: int = 0, **changes: Any) -> UUID:
    """An order registered at `moment`, ended a minute later, with an email, a log row and an event."""
    order_id = type(first_id_at(moment))(int=first_id_at(moment).int + nth)
    ended = {"status": "Completed", "created": moment, "last_change": moment + MINUTE, **changes}
    await insert(db, a_stored_order(id=order_id, **ended))
    await insert(db, a_stored_email(order_id, id=order_id, result="Delivered", created=moment))
    await insert(db, an_event(order_id, Kind.ORDER_PROCESSED, at=moment))
    await db.execute(LOG_ROW, order_id, moment)
    return order_id


async def test_without_limits_only_the_feed_and_raw_reports_grow_old(db: Database) -> None:
    for moment in (NOON - 500 * DAY, NOON):
        await an_ended_order(db, moment)
        await insert_numbered(db, a_feed_entry(created=moment))
        await insert(db, StoredReport(received=moment, wake_at=None, settled=moment))
    await keep(db)
    kept = [await count(db, table) for table in ("orders", "notifications", "events", "notification_log")]
    assert kept == [2, 2, 2, 2]
    assert [await count(db, table) for table in ("status_feed", "delivery_reports")] == [0, 0]


async def test_each_table_has_a_limit_of_its_own(db: Database) -> None:
    await an_ended_order(db, NOON)
    await keep(db, log_days=100)
    assert [await count(db, table) for table in ("notification_log", "events")] == [0, 1]
    await keep(db, timeline_days=100)
    assert [await count(db, table) for table in ("events", "orders")] == [0, 1]


async def test_the_feed_keeps_an_entry_for_ninety_days_and_at_most_a_week_more(db: Database) -> None:
    number = await insert_numbered(db, a_feed_entry(created=NOON))
    await keep(db, now=NOON + 89 * DAY)
    assert await db.fetchval("SELECT sequence_number FROM status_feed") == number
    await keep(db, now=NOON + 97 * DAY)
    assert await count(db, "status_feed") == 0


async def test_a_report_that_is_still_tried_is_kept_however_old_it_is(db: Database) -> None:
    await insert(db, StoredReport(received=NOON, wake_at=NOON))
    await keep(db)
    assert await count(db, "delivery_reports") == 1


async def test_ended_orders_go_with_everything_that_is_theirs(db: Database) -> None:
    old, young = await an_ended_order(db, NOON), await an_ended_order(db, TODAY - 30 * DAY)
    await keep(db, order_days=100)
    for table, column in (("orders", "id"), ("order_states", "order_id"), ("notification_states", "order_id")):
        rows = await db.fetch(f"SELECT {column} AS id FROM {table}")  # noqa: S608 - the test's own names
        assert [row["id"] for row in rows] == [young]
    assert await db.fetchval("SELECT count(*) FROM notifications WHERE order_id = $1", old) == 0
    assert await db.fetchval("SELECT count(*) FROM events WHERE order_id = $1", old) == 0
    assert await count(db, "notification_log") == 2


@pytest.mark.parametrize("status", ["Registered", "Processing", "Processed"])
async def test_an_order_that_has_not_ended_is_never_dropped_nor_are_its_notifications(
    db: Database, status: str
) -> None:
    await an_ended_order(db, NOON)
    unfinished = await an_ended_order(db, NOON, nth=1, status=status)
    await keep(db, order_days=1)
    assert await db.fetchval("SELECT id FROM orders") == unfinished
    assert await db.fetchval("SELECT count(*) FROM notifications WHERE order_id = $1", unfinished) == 1
    assert "notifications_20260301" in {partition.name for partition in await find_partitions(db)}


async def test_an_order_that_was_scheduled_long_ago_and_ended_yesterday_is_kept(db: Database) -> None:
    order = await an_ended_order(db, NOON, last_change=TODAY - DAY)
    await keep(db, order_days=100)
    assert await db.fetchval("SELECT id FROM orders") == order


async def test_a_chain_and_its_idempotency_id_go_with_the_last_of_its_orders(db: Database) -> None:
    main = an_order(id=first_id_at(NOON), created=NOON)
    reminder = an_order(id=first_id_at(NOON + DAY), created=NOON, type=OrderType.Reminder)
    chain = a_chain(main, reminder)
    await storage.register(db, [chain])
    end = "UPDATE order_states SET status = 'Completed', last_change = $2 WHERE order_id = $1"
    await db.execute(end, main.id, NOON)
    await keep(db, order_days=100)
    assert await storage.find_chain(db, chain.id, creator=main.creator) is not None
    assert await count(db, "orders") == 1
    await db.execute(end, reminder.id, NOON)
    await keep(db, order_days=100)
    assert (await count(db, "orders"), await count(db, "order_chains")) == (0, 0)


async def test_notifications_whose_ids_are_of_another_time_than_the_turned_clock_go_too(db: Database) -> None:
    order = await insert(db, a_stored_order(id=first_id_at(NOON), status="Completed", created=NOON, last_change=NOON))
    await insert(db, a_stored_email(order.id, result="Delivered"))
    await keep(db, order_days=100)
    assert await count(db, "notifications") == 0


async def test_a_round_makes_the_partitions_of_the_turned_time_and_those_of_ids_by_the_machines(db: Database) -> None:
    await keep_house(db, RetentionSettings(), now=TODAY, machine_now=TODAY - 100 * DAY)
    made = {partition.name for partition in await find_partitions(db)}
    assert {"events_20270401", "notifications_20261201"} <= made
    assert not {"events_20261201", "notifications_20270401"} & made
    assert await make_ahead(db, TODAY, ids_at=TODAY - 100 * DAY) == []
