from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.events import Kind
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.tracking import listing, overview
from altinn_notifications.tracking.listing import Selection, list_orders
from altinn_notifications.tracking.overview import Count, read_overview
from altinn_notifications.tracking.search import FoundBy, place_of, search
from support.rows import (
    StoredDeadReport,
    a_feed_document,
    a_feed_entry,
    a_stored_email,
    a_stored_order,
    a_stored_sms,
    an_event,
    insert,
    insert_numbered,
)
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database
    from altinn_notifications.tracking.overview import Overview

WINDOW = SendWindow(9, 17)


async def look(db: Database, now: datetime = NOON) -> Overview:
    return await read_overview(db, now=now, window=WINDOW)


async def test_an_empty_service_has_nothing_going_on(db: Database) -> None:
    seen = await look(db)
    assert not any((seen.scheduled, seen.due, seen.processing, seen.sending, seen.with_providers, seen.dead_reports))
    assert (seen.oldest, seen.oldest_age.total_seconds(), seen.is_overdue, seen.workers) == (None, 0, False, 0)


async def test_orders_are_counted_by_what_they_wait_for(db: Database) -> None:
    for status, due in (
        (OrderStatus.REGISTERED, NOON + HOUR),
        (OrderStatus.REGISTERED, NOON + DAY),
        (OrderStatus.REGISTERED, NOON),
        (OrderStatus.PROCESSING, NOON - MINUTE),
        (OrderStatus.PROCESSED, NOON - HOUR),
        (OrderStatus.COMPLETED, NOON - DAY),
        (OrderStatus.CANCELLED, NOON - DAY),
    ):
        await insert(db, a_stored_order(status=status, requested_send_time=due))
    seen = await look(db)
    assert [one.value for one in (seen.scheduled, seen.due, seen.processing, seen.sending)] == [2, 1, 1, 1]


async def test_the_oldest_unfinished_order_is_the_one_that_was_due_first(db: Database) -> None:
    await insert(db, a_stored_order(status=OrderStatus.COMPLETED, requested_send_time=NOON - 9 * DAY))
    await insert(db, a_stored_order(status=OrderStatus.REGISTERED, requested_send_time=NOON - MINUTE))
    oldest = await insert(db, a_stored_order(status=OrderStatus.PROCESSED, requested_send_time=NOON - HOUR))
    seen = await look(db)
    assert seen.oldest is not None
    assert (seen.oldest.id, seen.oldest.status, seen.oldest_age) == (oldest.id, "Processed", HOUR)
    assert not seen.is_overdue
    assert (await look(db, NOON + 48 * HOUR)).is_overdue


async def test_an_order_whose_time_has_not_come_has_no_age(db: Database) -> None:
    await insert(db, a_stored_order(requested_send_time=NOON + HOUR))
    assert (await look(db)).oldest_age.total_seconds() == 0


async def test_messages_are_counted_by_lane_and_by_provider(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    for position, result in enumerate(("New", "New", "Sending", "Succeeded", "Delivered")):
        await insert(db, a_stored_email(order.id, result=result, position=position))
    await insert(db, a_stored_sms(order.id, result="New", lane="sms-daytime"))
    seen = await look(db)
    assert {lane: count.value for lane, count in seen.lanes.items()} == {
        "email": 2,
        "composed": 0,
        "sms-anytime": 0,
        "sms-daytime": 1,
    }
    assert seen.with_providers.value == 2


async def test_what_was_sent_lately_is_counted_by_its_time(db: Database) -> None:
    order = await insert(db, a_stored_order())
    for age in (SECOND, MINUTE / 2, MINUTE * 2, HOUR * 2):
        await insert(db, an_event(order.id, Kind.SEND_ACCEPTED, notification_id=new_id(), at=NOON - age))
        await insert(db, an_event(order.id, Kind.SEND_REFUSED, notification_id=new_id(), at=NOON - age))
    await insert(db, a_feed_entry(created=NOON - SECOND))
    await insert_numbered(db, a_feed_entry(created=NOON - MINUTE))
    await insert_numbered(db, a_feed_entry(created=NOON - DAY))
    seen = await look(db)
    assert (seen.sent_last_minute.value, seen.sent_last_hour.value, seen.ended_last_hour.value) == (2, 3, 2)


async def test_unresolved_dead_reports_and_living_workers_are_shown(db: Database) -> None:
    await insert(db, StoredDeadReport())
    await insert(db, StoredDeadReport(resolved=True))
    await db.execute("INSERT INTO workers (started, seen) VALUES ($1, $1), ($1, $2)", NOON, NOON - MINUTE)
    seen = await look(db)
    assert (seen.dead_reports.value, seen.workers) == (1, 1)


async def test_counting_stops_at_a_bound_and_says_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "COUNTED_AT_MOST", 2)
    for _ in range(3):
        await insert(db, a_stored_order(requested_send_time=NOON))
    assert (await look(db)).due == Count(2, is_more=True)


def test_a_count_is_written_for_people() -> None:
    assert [str(Count(0)), str(Count(10_000, is_more=True))] == ["0", "10\u00a0000+"]


async def read_all(db: Database, selection: Selection) -> list[UUID]:
    found: list[UUID] = []
    after = None
    while True:
        page = await list_orders(db, selection, after=after)
        found += [line.id for line in page.lines]
        if page.following is None:
            return found
        after = page.following


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LINES_AT_ONCE", 2)


@pytest.mark.usefixtures("two_at_once")
async def test_of_all_orders_the_newest_come_first_and_pages_follow_each_other(db: Database) -> None:
    orders = [await insert(db, a_stored_order(status=status)) for status in OrderStatus]
    assert await read_all(db, Selection.ALL) == [order.id for order in reversed(orders)]


@pytest.mark.usefixtures("two_at_once")
async def test_unfinished_orders_come_in_the_order_in_which_they_are_due(db: Database) -> None:
    await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    statuses = (OrderStatus.REGISTERED, OrderStatus.PROCESSING, OrderStatus.PROCESSED)
    orders = [
        await insert(db, a_stored_order(status=statuses[n % 3], requested_send_time=NOON - (n // 2) * HOUR))
        for n in range(7)
    ]
    expected = sorted(orders, key=lambda order: (order.requested_send_time, order.id))
    assert await read_all(db, Selection.UNFINISHED) == [order.id for order in expected]


@pytest.mark.usefixtures("two_at_once")
@pytest.mark.parametrize(
    ("selection", "status"),
    [
        (Selection.REGISTERED, OrderStatus.REGISTERED),
        (Selection.PROCESSING, OrderStatus.PROCESSING),
        (Selection.SENDING, OrderStatus.PROCESSED),
        (Selection.CONDITION_NOT_MET, OrderStatus.SEND_CONDITION_NOT_MET),
        (Selection.CANCELLED, OrderStatus.CANCELLED),
    ],
)
async def test_a_selection_holds_the_orders_of_one_status(
    db: Database, selection: Selection, status: OrderStatus
) -> None:
    orders = [await insert(db, a_stored_order(status=one)) for one in OrderStatus for _ in range(3)]
    assert set(await read_all(db, selection)) == {order.id for order in orders if order.status == status}


@pytest.mark.usefixtures("two_at_once")
async def test_of_completed_orders_the_latest_ended_come_first(db: Database) -> None:
    orders = [await insert(db, a_stored_order(status=OrderStatus.COMPLETED)) for _ in range(5)]
    for order in reversed(orders):
        await insert_numbered(db, a_feed_entry(order_id=order.id))
    unsent = await insert(db, a_stored_order(status=OrderStatus.SEND_CONDITION_NOT_MET))
    document = a_feed_document(status="Order_SendConditionNotMet")
    await insert_numbered(db, a_feed_entry(order_id=unsent.id, entry=document))
    assert await read_all(db, Selection.COMPLETED) == [order.id for order in orders]


async def test_a_line_counts_the_messages_of_its_order(db: Database) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    for position, result in enumerate(("Delivered", "Failed_Bounced", "Failed")):
        await insert(db, a_stored_email(order.id, result=result, position=position))
    (line,) = (await list_orders(db, Selection.ALL)).lines
    assert (line.id, line.messages, line.failed, line.status) == (order.id, 3, 2, "Completed")


async def test_an_order_is_found_by_whatever_names_it(db: Database) -> None:
    order = await insert(db, a_stored_order(chain_id=new_id(), senders_reference="case-1"))
    email = await insert(db, a_stored_email(order.id, provider_reference="op-1"))
    sms = await insert(db, a_stored_sms(order.id, provider_reference="4711"))
    await db.execute(
        "INSERT INTO order_chains (id, creator, type, idempotency_id, idempotency_digest, created, receipt)"
        " VALUES ($1, 'ttd', 0, 'a', 'a', $2, $3)",
        order.chain_id,
        NOON,
        {"main": [str(order.id), None], "reminders": []},
    )
    for text, found_by, notification_id in (
        (str(order.id), FoundBy.ORDER, None),
        (f"  {str(order.id).upper()} ", FoundBy.ORDER, None),
        (str(order.chain_id), FoundBy.CHAIN, None),
        (str(email.id), FoundBy.NOTIFICATION, email.id),
        ("op-1", FoundBy.PROVIDER_REFERENCE, email.id),
        ("4711", FoundBy.PROVIDER_REFERENCE, sms.id),
        ("case-1", FoundBy.SENDERS_REFERENCE, None),
    ):
        (hit,) = await search(db, text)
        assert (hit.found_by, hit.order_id, hit.notification_id) == (found_by, order.id, notification_id)


async def test_a_reference_is_found_with_every_creator_newest_first(db: Database) -> None:
    orders = [
        await insert(db, a_stored_order(creator=creator, senders_reference="shared")) for creator in ("skd", "ttd", "a")
    ]
    await insert(db, a_stored_order(creator="digdir", senders_reference="another"))
    await insert(db, a_stored_order(creator="nav", senders_reference=None))
    assert [hit.order_id for hit in await search(db, "shared")] == [order.id for order in reversed(orders)]


@pytest.mark.parametrize("text", ["", "   ", "nothing", "x" * 1001, "a\x00b", "00000000-0000-7000-8000-000000000000"])
async def test_a_text_that_names_nothing_finds_nothing(db: Database, text: str) -> None:
    await insert(db, a_stored_order())
    assert await search(db, text) == []


async def test_a_message_knows_its_place_in_its_order(db: Database) -> None:
    order = await insert(db, a_stored_order())
    sms = await insert(db, a_stored_sms(order.id))
    emails = [await insert(db, a_stored_email(order.id, position=position)) for position in range(3)]
    assert [await place_of(db, one.id) for one in (*emails, sms)] == [0, 1, 2, 3]
    assert await place_of(db, new_id()) == 0
