from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.orders.model import NotificationChannel, Recipient, SendingTimePolicy
from altinn_notifications.processing import due_orders
from altinn_notifications.processing.due_orders import claim_due_orders
from altinn_notifications.sending.termination import terminate_expired
from support.lanes import a_lane, drain
from support.orders import SMS, an_order, an_sms_order, feed_of, kinds_of, log_of, processor, registered, status_of
from support.providers import ScriptedProvider
from support.times import HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database


async def claim(
    db: Database, *, limit: int = 50, now: Any = NOON, worker: int | None = None
) -> list[due_orders.ClaimedOrder]:
    return await claim_due_orders(db, now=now, limit=limit, lease_until=now + 5 * MINUTE, worker=worker)


async def test_an_order_is_claimed_from_a_minute_before_its_time(db: Database) -> None:
    near, far = an_order(requested_send_time=NOON + 50 * SECOND), an_order(requested_send_time=NOON + 70 * SECOND)
    await registered(db, near, far)
    assert [c.order_id for c in await claim(db)] == [near.id]
    assert await status_of(db, far.id) == "Registered"


async def test_the_oldest_orders_are_claimed_first(db: Database) -> None:
    orders = [an_order(requested_send_time=NOON - n * MINUTE) for n in range(6)]
    await registered(db, *orders)
    batches = [{c.order_id for c in await claim(db, limit=2)} for _ in range(3)]
    oldest_first = [order.id for order in reversed(orders)]
    assert batches == [set(oldest_first[:2]), set(oldest_first[2:4]), set(oldest_first[4:])]
    assert await claim(db) == []


async def test_batches_follow_each_other_until_nothing_is_due(db: Database, clock: FixedClock) -> None:
    await registered(db, *(an_order() for _ in range(120)))
    one = processor(db, clock, past_due_orders_batch_size=50)
    assert [await one.process_batch() for _ in range(4)] == [50, 50, 20, 0]
    await registered(db, *(an_order() for _ in range(50)))
    assert [await one.process_batch() for _ in range(2)] == [50, 0]


async def test_claims_made_at_the_same_time_are_disjoint(db: Database) -> None:
    await registered(db, *(an_order() for _ in range(40)))
    claims = await asyncio.gather(*(claim(db, limit=10) for _ in range(4)))
    ids = [c.order_id for batch in claims for c in batch]
    assert len(ids) == len(set(ids))


async def test_one_owners_campaign_does_not_hold_up_another_owner(db: Database) -> None:
    campaign = [an_order(requested_send_time=NOON - HOUR) for _ in range(100)]
    single = an_order(creator="skd")
    await registered(db, *campaign, single)
    assert single.id in {c.order_id for c in await claim(db, limit=10)}


async def test_claiming_does_not_move_the_last_change(db: Database) -> None:
    order = an_order()
    await registered(db, order)
    for count in (1, 2):
        await claim(db, now=NOON + count * HOUR)
        assert await db.fetchval("SELECT last_change FROM order_states WHERE claim_count = $1", count) == NOON
        assert await status_of(db, order.id) == "Processing"


async def test_a_due_order_becomes_notifications(db: Database, clock: FixedClock) -> None:
    order = an_order()
    await registered(db, order)
    assert await processor(db, clock).process_batch() == 1
    row = await db.fetchrow("SELECT * FROM notifications n JOIN notification_states s ON s.notification_id = n.id")
    assert row is not None
    assert (row["destination"], row["result"], row["lane"]) == ("kari@example.no", "New", "email")
    assert row["expiry"] == NOON + timedelta(hours=48)
    assert await status_of(db, order.id) == "Processed"
    assert await kinds_of(db, order.id) == ["order-processed"]


@pytest.mark.parametrize(
    ("policy", "lane"),
    [
        (SendingTimePolicy.ANYTIME, "sms-anytime"),
        (SendingTimePolicy.DAYTIME, "sms-daytime"),
        (None, "sms-daytime"),
    ],
)
async def test_an_sms_takes_the_lane_of_its_policy(
    db: Database, clock: FixedClock, policy: SendingTimePolicy | None, lane: str
) -> None:
    await registered(db, an_sms_order(sms_policy=policy))
    await processor(db, clock).process_batch()
    assert await db.fetchval("SELECT lane FROM notification_states") == lane


async def test_an_order_without_recipients_completes_with_an_empty_feed_entry(db: Database, clock: FixedClock) -> None:
    order = an_order(recipients=())
    await registered(db, order)
    await processor(db, clock).process_batch()
    assert await status_of(db, order.id) == "Completed"
    assert [entry["recipients"] for entry in await feed_of(db, order.id)] == [[]]
    assert await log_of(db, order.id) == []


async def test_a_worker_that_returns_after_its_lease_changes_nothing(db: Database, clock: FixedClock) -> None:
    order = an_order()
    await registered(db, order)
    (late,) = await claim(db)
    clock.turn(6 * MINUTE)
    assert await processor(db, clock).process_batch() == 1
    async with db.transaction() as connection:
        end = due_orders.ClaimEnd(late, "Registered", NOON)
        assert await due_orders.end_claims(connection, [end], now=clock.now()) == set()
    assert await status_of(db, order.id) == "Processed"
    assert await db.fetchval("SELECT count(*) FROM notifications") == 1
    assert await kinds_of(db, order.id) == ["order-taken-over", "order-processed"]


async def test_a_claim_that_nobody_ends_comes_back_when_its_lease_does(db: Database) -> None:
    await registered(db, an_order())
    (first,) = await claim(db)
    assert await claim(db, now=NOON + 4 * MINUTE) == []
    (second,) = await claim(db, now=NOON + 5 * MINUTE)
    assert (first.claim_count, second.claim_count) == (1, 2)


async def test_an_order_that_always_fails_is_tried_again_every_half_hour(db: Database, clock: FixedClock) -> None:
    order = an_order(email=None)
    await registered(db, order)
    await processor(db, clock).process_batch()
    assert await status_of(db, order.id) == "Processing"
    clock.turn(29 * MINUTE)
    assert await processor(db, clock).process_batch() == 0
    clock.turn(MINUTE)
    assert await processor(db, clock).process_batch() == 1
    assert (await kinds_of(db, order.id)).count("order-failed") == 2


async def test_one_orders_trouble_does_not_hold_up_the_rest_of_its_batch(db: Database, clock: FixedClock) -> None:
    broken, sound = an_order(email=None), an_order()
    await registered(db, broken, sound)
    await processor(db, clock).process_batch()
    assert await status_of(db, sound.id) == "Processed"


@pytest.mark.parametrize(
    ("channel", "left"),
    [
        (NotificationChannel.EMAIL, ["Email"]),
        (NotificationChannel.EMAIL_AND_SMS, ["Email", "Sms"]),
        (NotificationChannel.SMS_PREFERRED, ["Sms"]),
        (NotificationChannel.EMAIL_PREFERRED, ["Email"]),
    ],
)
async def test_an_order_past_its_deadline_is_closed(
    db: Database, clock: FixedClock, channel: NotificationChannel, left: list[str]
) -> None:
    order = an_order(channel=channel, recipients=(Recipient(national_identity_number="12838530255"),), email=None)
    await registered(db, order)
    await claim(db)
    clock.turn(timedelta(hours=48, seconds=301))
    await processor(db, clock).process_batch()
    assert await status_of(db, order.id) == "Completed"
    rows = await db.fetch(
        "SELECT n.channel, n.destination, s.result FROM notifications n"
        " JOIN notification_states s ON s.notification_id = n.id ORDER BY n.channel"
    )
    assert [tuple(row) for row in rows] == [(name, "", "Failed_TTL") for name in left]
    assert len(await feed_of(db, order.id)) == 1
    assert len(await log_of(db, order.id)) == len(left)


async def test_an_order_first_claimed_after_its_deadline_is_processed_as_usual(db: Database, clock: FixedClock) -> None:
    order = an_order()
    await registered(db, order)
    clock.turn(timedelta(days=3))
    await processor(db, clock).process_batch()
    assert await status_of(db, order.id) == "Processed"
    assert await db.fetchval("SELECT expiry < $1 FROM notification_states", clock.now())
    smtp = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, smtp))
    assert smtp.sent == []
    await terminate_expired(db, now=clock.now(), offset=5 * MINUTE, batch_size=10)
    assert await db.fetchval("SELECT result FROM notification_states") == "Failed_TTL"
    assert await status_of(db, order.id) == "Completed"


async def test_the_sleeper_knows_when_the_next_order_is_due(db: Database) -> None:
    assert await due_orders.next_wake(db) is None
    await registered(db, an_order(requested_send_time=NOON + HOUR), an_order(requested_send_time=NOON + 2 * HOUR))
    assert await due_orders.next_wake(db) == NOON + HOUR - MINUTE


BREAK = """
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '%s'; END $$;
    CREATE TRIGGER break_off BEFORE INSERT ON notification_states FOR EACH ROW WHEN (NEW.creator = 'ttd')
        EXECUTE FUNCTION break_off()"""


async def test_an_order_that_cannot_be_stored_leaves_nothing_and_is_tried_again(
    db: Database, clock: FixedClock
) -> None:
    order = an_order(channel=NotificationChannel.EMAIL_AND_SMS, sms=SMS)
    await registered(db, order)
    await db.execute("ALTER TABLE notification_states ADD CONSTRAINT broken CHECK (lane <> 'email')")
    await processor(db, clock).process_batch()
    assert await db.fetchval("SELECT count(*) FROM notifications") == 0
    assert await status_of(db, order.id) == "Processing"
    assert await kinds_of(db, order.id) == ["order-failed"]


async def test_an_order_that_cannot_be_stored_holds_up_no_other(db: Database, clock: FixedClock) -> None:
    orders = [an_order(creator=creator) for creator in ("skd", "ttd", "skd")]
    await registered(db, *orders)
    await db.execute(BREAK % "22P02")
    await processor(db, clock).process_batch()
    assert [await status_of(db, order.id) for order in orders] == ["Processed", "Processing", "Processed"]
    await db.execute("DROP TRIGGER break_off ON notification_states")
    clock.turn(30 * MINUTE)
    await processor(db, clock).process_batch()
    assert await status_of(db, orders[1].id) == "Processed"
    assert await db.fetchval("SELECT count(*) FROM notifications") == 3


async def test_orders_that_were_claimed_when_the_database_went_away_are_claimed_again_at_once(
    db: Database, clock: FixedClock
) -> None:
    orders = [an_order(), an_order()]
    await registered(db, *orders)
    await db.execute(BREAK % "57P01")
    one = processor(db, clock, worker=7)
    with pytest.raises(DatabaseUnavailable):
        await one.process_batch()
    await db.execute("DROP TRIGGER break_off ON notification_states")
    assert await one.process_batch() == 2
    assert [await status_of(db, order.id) for order in orders] == ["Processed", "Processed"]
    assert await db.fetchval("SELECT count(*) FROM notifications") == 2


async def test_what_another_worker_holds_is_not_let_go(db: Database, clock: FixedClock) -> None:
    await registered(db, an_order())
    await claim(db, worker=8)
    await due_orders.let_go(db, worker=7, held=[], now=clock.now())
    assert await claim(db, now=NOON + MINUTE) == []
