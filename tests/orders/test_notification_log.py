"""What the notification log holds of finished orders (spec 07, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders import storage
from altinn_notifications.orders.cancellation import cancel
from altinn_notifications.orders.completion import announce, complete_finished
from support.orders import a_chain, an_order, log_of, registered
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.times import DAY, MINUTE, NOON

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.database.pool import Database
    from support.rows import StoredOrder


async def processed_order(db: Database, **changes: Any) -> StoredOrder:
    return await insert(db, a_stored_order(status="Processed", **changes))


async def finish(db: Database, *order_ids: UUID) -> list[UUID]:
    """Complete what can be, as whoever writes the last result does."""
    async with db.transaction() as connection:
        return await complete_finished(connection, order_ids, now=NOON + MINUTE)


async def test_nothing_is_logged_before_the_last_notification_is_final(db: Database) -> None:
    order = await processed_order(db)
    *_, last = [
        await insert(db, a_stored_email(order.id, position=place, result=result))
        for place, result in enumerate(("Delivered", "Delivered", "Succeeded"))
    ]
    assert await finish(db, order.id) == []
    assert await log_of(db, order.id) == []
    await db.execute("UPDATE notification_states SET result = 'Failed_Bounced' WHERE notification_id = $1", last.id)
    assert await finish(db, order.id) == [order.id]
    assert [row["status"] for row in await log_of(db, order.id)] == ["Delivered", "Delivered", "Failed_Bounced"]


async def test_every_column_says_what_was_stored(db: Database) -> None:
    order = await processed_order(db, resource_id="urn:altinn:resource:x", requested_send_time=NOON - DAY)
    email = await insert(
        db,
        a_stored_email(
            order.id,
            national_identity_number="12838530255",
            result="Failed_SupressedRecipient",
            result_time=NOON + MINUTE,
            provider_reference="operation-1",
        ),
    )
    await insert(db, a_stored_sms(order.id, organization_number="319900241", result="Delivered"))
    await finish(db, order.id)
    first, second = await log_of(db, order.id)
    wanted = {
        "order_chain_id": None,
        "shipment_id": order.id,
        "notification_id": email.id,
        "creator": "ttd",
        "senders_reference": "case-4711",
        "dialog_id": None,
        "transmission_id": None,
        "delivery_reference": "operation-1",
        "recipient": "12838530255",
        "type": "Notification",
        "channel": "Email",
        "destination": "kari@example.no",
        "resource": "urn:altinn:resource:x",
        "status": "Failed_SupressedRecipient",
        "requested_send_time": NOON - DAY,
        "last_update_time": NOON + MINUTE,
    }
    assert {name: first[name] for name in wanted} == wanted
    assert (second["recipient"], second["channel"], second["delivery_reference"]) == ("319900241", "Sms", None)


async def test_main_order_and_reminder_carry_the_ids_of_their_dialog(db: Database) -> None:
    reminder = an_order(type=OrderType.Reminder)
    chain = a_chain(an_order(), reminder, dialog_id="d-1", transmission_id="t-1")
    await storage.register(db, [chain])
    await db.execute("UPDATE order_states SET status = 'Processed'")
    for order in (chain.main, reminder):
        await insert(db, a_stored_email(order.id, result="Delivered"))
    await finish(db, chain.main.id, reminder.id)
    rows = [*await log_of(db, chain.main.id), *await log_of(db, reminder.id)]
    assert [(row["type"], row["dialog_id"], row["transmission_id"]) for row in rows] == [
        ("Notification", "d-1", "t-1"),
        ("Reminder", "d-1", "t-1"),
    ]
    assert {row["order_chain_id"] for row in rows} == {chain.id}


async def test_a_direct_address_has_no_recipient_and_a_reserved_person_no_address(db: Database) -> None:
    order = await processed_order(db)
    await insert(db, a_stored_email(order.id, result="Delivered"))
    reserved = {"national_identity_number": "17816812151", "destination": "", "result": "Failed_RecipientReserved"}
    await insert(db, a_stored_email(order.id, position=1, **reserved))
    await finish(db, order.id)
    assert [(row["recipient"], row["destination"], row["status"]) for row in await log_of(db, order.id)] == [
        (None, "kari@example.no", "Delivered"),
        ("17816812151", "", "Failed_RecipientReserved"),
    ]


async def test_an_order_that_is_logged_twice_gets_only_what_is_new_and_that_is_told(db: Database) -> None:
    order = await processed_order(db)
    await insert(db, a_stored_email(order.id, result="Delivered"))
    with capture_logs() as quiet:
        await finish(db, order.id)
    before = await log_of(db, order.id)
    await insert(db, a_stored_email(order.id, position=1, result="Failed_Bounced"))
    with capture_logs() as lines:
        async with db.transaction() as connection:
            await announce(connection, [order.id], now=NOON + DAY)
    assert quiet == []
    assert [(line["event"], line["count"], line["order_ids"]) for line in lines] == [
        ("notifications_logged_before", 1, [str(order.id)])
    ]
    first, second = await log_of(db, order.id)
    assert [first] == before
    assert second["status"] == "Failed_Bounced"


async def test_a_bounce_after_the_end_changes_nothing_in_the_log(db: Database) -> None:
    order = await processed_order(db)
    await insert(db, a_stored_email(order.id, result="Delivered"))
    await finish(db, order.id)
    await db.execute("UPDATE notification_states SET result = 'Failed_Bounced'")
    assert await finish(db, order.id) == []
    assert [row["status"] for row in await log_of(db, order.id)] == ["Delivered"]


async def test_orders_without_notifications_are_not_in_the_log(db: Database) -> None:
    unmet = await insert(db, a_stored_order(status="SendConditionNotMet"))
    async with db.transaction() as connection:
        await announce(connection, [unmet.id], now=NOON)
    (cancelled,) = await registered(db, an_order(requested_send_time=NOON + DAY))
    await cancel(db, cancelled, creator="ttd", now=NOON)
    assert await db.fetchval("SELECT count(*) FROM notification_log") == 0
