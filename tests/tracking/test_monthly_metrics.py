"""The rollup says what the rows say, whatever happens to orders and whenever a worker dies."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.database.partitions import PARTITIONED_TABLES, drop_before, make_ahead
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import Channel, EmailResult, SmsResult
from altinn_notifications.orders.model import NotificationChannel, Recipient, SmsTemplate
from altinn_notifications.reports.inbox import ReportInbox
from altinn_notifications.reports.matching import match_due
from altinn_notifications.reports.model import DeliveryReport, ReportSource
from altinn_notifications.tracking import monthly_metrics
from altinn_notifications.tracking.monthly_metrics import Month, fold, read_year_until
from support.gateway_peer import GatewayPeer
from support.lanes import a_lane, drain
from support.metrics import counted_anew, kept
from support.orders import an_order, an_sms_order, processed, processor, registered
from support.platform_peer import running_peer
from support.providers import ScriptedProvider
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.running_worker import running_worker
from support.smtp_peer import SmtpPeer
from support.times import DAY, MINUTE, NOON
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

LIVES = 12
STEPS = 40
ANYBODY = Recipient(email_address="kari@example.no", mobile_number="+4799999999")
SET_RESULT = "UPDATE notification_states SET result = $2, result_time = $3 WHERE notification_id = ANY($1::uuid[])"


class Life:
    """Made-up things happen to made-up orders; `Life(db, seed).run()` does the same once more."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db, self.seed = db, seed
        self.random = random.Random(seed)  # noqa: S311 - made-up events, repeatable by their seed

    async def run(self) -> None:
        things: list[Callable[[], Awaitable[object]]] = [
            self.order, self.order, self.process, self.process, self.results, self.results, self.results,
            self.nothing_comes_of_it, self.fold, self.folds_at_once, self.dies_while_folding,
        ]  # fmt: skip
        for _ in range(STEPS):
            await self.random.choice(things)()
        await self.compare()
        while await fold(self.db, limit=3):
            pass
        await self.compare()
        assert await self.db.fetchval("SELECT count(*) FROM metrics_changes") == 0

    async def compare(self) -> None:
        assert await kept(self.db) == await counted_anew(self.db), f"seed {self.seed}"

    async def order(self) -> None:
        due = datetime(2026, 2, 27, 22, tzinfo=UTC) + self.random.randrange(100) * timedelta(hours=1)
        number = self.random.randrange(1, 4)
        for _ in range(number):
            await insert(self.db, a_stored_order(creator=self.random.choice("abc"), requested_send_time=due))

    async def process(self) -> None:
        query = "SELECT order_id, creator FROM order_states WHERE status = 'Registered' ORDER BY order_id LIMIT 2"
        for order_id, creator in await self.db.fetch(query):
            await self.db.execute("UPDATE order_states SET status = 'Processed' WHERE order_id = $1", order_id)
            for _ in range(self.random.randrange(4)):
                segments = self.random.choice((None, 1, 2, 16))
                results = self.random.choice(list(EmailResult)), self.random.choice(list(SmsResult))
                email = a_stored_email(order_id, creator=creator, result=results[0])
                sms = a_stored_sms(order_id, creator=creator, segments=segments, result=results[1])
                await insert(self.db, self.random.choice((email, sms)))

    async def results(self) -> None:
        """Some messages get a new result, in any direction."""
        channel = self.random.choice(list(Channel))
        results = EmailResult if channel is Channel.EMAIL else SmsResult
        query = "SELECT notification_id FROM notification_states WHERE channel = $1 ORDER BY 1"
        ids = [row["notification_id"] for row in await self.db.fetch(query, channel)]
        some = self.random.sample(ids, self.random.randrange(len(ids) + 1))
        await self.db.execute(SET_RESULT, some, self.random.choice(list(results)), NOON)

    async def nothing_comes_of_it(self) -> None:
        """A transaction that changes much and is rolled back."""
        async with self.db.connection() as connection:
            change = connection.transaction()
            await change.start()
            await connection.execute("UPDATE notification_states SET result = 'Delivered'")
            await change.rollback()

    async def fold(self) -> None:
        await fold(self.db, limit=self.random.randrange(1, 10))

    async def folds_at_once(self) -> None:
        """Several workers, while results go on."""
        await asyncio.gather(fold(self.db), self.results(), fold(self.db, limit=2), fold(self.db))

    async def dies_while_folding(self) -> None:
        """A worker is killed after its statement and before its commit."""
        async with self.db.connection() as connection:
            death = connection.transaction()
            await death.start()
            await connection.fetchval(monthly_metrics.FOLD, 5)
            await death.rollback()


async def test_whatever_happens_the_rollup_says_what_the_rows_say(db: Database) -> None:
    for _ in range(LIVES):
        await Life(db, random.getrandbits(32)).run()


async def test_messages_on_the_services_own_way_are_counted(db: Database, clock: FixedClock) -> None:
    long = SmsTemplate("Altinn", "æ" * 161)
    both = an_order(channel=NotificationChannel.EMAIL_AND_SMS, recipients=(ANYBODY,), sms=long, creator="skd")
    reminder = replace(an_sms_order(creator="skd"), requested_send_time=NOON + 30 * DAY)
    await monthly_metrics_of(db, "skd", orders=0)
    await registered(db, both, reminder, an_order(creator="nav"))
    await monthly_metrics_of(db, "skd", orders=2)
    await processor(db, clock).process_batch()
    await drain(a_lane(db, clock, ScriptedProvider("smtp")))
    assert await kept(db) == await counted_anew(db)
    (month,) = [figures for figures in await read_year_until(db, Month(2026, 3)) if figures.owners]
    skd = next(owner for owner in month.owners if owner.creator == "skd")
    assert (skd.orders, skd.emails, skd.successful_emails, skd.sms_segments, skd.successful_sms) == (1, 1, 1, 2, 0)


async def monthly_metrics_of(db: Database, creator: str, *, orders: int) -> None:
    """Nothing has to run for a figure to be right."""
    found = [row["orders"] for row in await kept(db) if row["creator"] == creator]
    assert sum(found) == orders


async def test_a_success_that_bounces_later_is_none(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order())
    provider = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, provider))
    await fold(db)
    assert (await kept(db))[0]["successful_emails"] == 1
    reference = await db.fetchval("SELECT provider_reference FROM notification_states")
    bounce = DeliveryReport(ReportSource.SMTP, Channel.EMAIL, reference, EmailResult.BOUNCED, {})
    await ReportInbox(db, Wakeups(db)).store([bounce], now=clock.now())
    clock.turn(MINUTE)
    await match_due(db, now=clock.now())
    assert (await kept(db))[0]["successful_emails"] == 0
    assert await kept(db) == await counted_anew(db)


async def test_an_accepted_mail_that_is_delivered_writes_nothing(db: Database) -> None:
    order = await insert(db, a_stored_order())
    email = await insert(db, a_stored_email(order.id, result="Succeeded"))
    while await fold(db):
        pass
    await db.execute(SET_RESULT, [email.id], "Delivered", NOON)
    assert await db.fetchval("SELECT count(*) FROM metrics_changes") == 0


async def test_rows_that_move_to_their_partition_or_leave_with_it_stay_counted_once(db: Database) -> None:
    order = await insert(db, a_stored_order())
    sms = await insert(db, a_stored_sms(order.id, segments=2, result="Delivered"))
    before = await kept(db)
    number = await db.fetchval("SELECT number FROM notifications")
    created = datetime.fromtimestamp((sms.id.int >> 80) / 1000, UTC)
    assert await make_ahead(db, created)
    assert await db.fetchval("SELECT count(*) FROM notifications_default") == 0
    assert (await kept(db), await db.fetchval("SELECT number FROM notifications")) == (before, number)
    await insert(db, a_stored_sms(order.id, segments=1))
    assert await kept(db) == await counted_anew(db)
    (table,) = [table for table in PARTITIONED_TABLES if table.name == "notifications"]
    assert await drop_before(db, table, created + 100 * DAY)
    assert (await kept(db))[0]["sms_segments"] == 3


async def test_a_batch_leaves_one_row_for_each_owner_and_day(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, *(an_order(creator=creator) for creator in ("ttd", "nav") for _ in range(20)))
    rows = await db.fetch("SELECT creator, sum(emails) AS emails FROM metrics_changes WHERE emails > 0 GROUP BY 1")
    assert {row["creator"]: row["emails"] for row in rows} == {"ttd": 20, "nav": 20}
    assert await db.fetchval("SELECT count(*) FROM metrics_changes") == 4


async def test_who_changes_results_waits_for_nobody_who_folds(db: Database) -> None:
    order = await insert(db, a_stored_order())
    email = await insert(db, a_stored_email(order.id))
    async with db.transaction() as folding:
        await folding.fetchval(monthly_metrics.FOLD, 100)
        async with asyncio.timeout(5):
            await db.execute(SET_RESULT, [email.id], "Delivered", NOON)
    assert await fold(db) > 0


async def test_a_worker_folds_what_was_left_when_it_starts(db: Database, database_url: str, clock: FixedClock) -> None:
    await insert(db, a_stored_order(status="Completed"))
    async with (
        running_peer() as platform,
        SmtpPeer() as smtp,
        GatewayPeer() as gateway,
        running_worker(database_url, clock, platform=platform, smtp=smtp, gateway=gateway),
    ):
        days = await until(lambda: db.fetch("SELECT creator, orders FROM metrics_days"), "a day is summed up")
    assert [(day["creator"], day["orders"]) for day in days] == [("ttd", 1)]
    assert await db.fetchval("SELECT count(*) FROM metrics_changes") == 0


@pytest.mark.parametrize(
    ("month", "months", "expected"),
    [
        (Month(2026, 3), -11, Month(2025, 4)),
        (Month(2026, 12), 1, Month(2027, 1)),
        (Month(2026, 1), -1, Month(2025, 12)),
        (Month(2026, 1), 0, Month(2026, 1)),
    ],
)
def test_months_are_counted_over_the_turn_of_the_year(month: Month, months: int, expected: Month) -> None:
    assert month.later(months) == expected


async def test_the_day_is_that_of_utc(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL timezone = 'Europe/Oslo'")
        for moment in (datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)):
            await insert(connection, a_stored_order(requested_send_time=moment))
    by_month = {figures.month: figures.owners for figures in await read_year_until(db, Month(2026, 4))}
    assert [by_month[Month(2026, number)][0].orders for number in (3, 4)] == [1, 1]
