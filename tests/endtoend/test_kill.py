"""Workers that are killed in the middle of their work, as often as it takes (spec 08, 10.4 and 5.4)."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.orders import storage
from altinn_notifications.orders.model import NotificationChannel, Recipient
from support.deployment import deployment
from support.kills import OpenCall, as_stored, kill_and_restart, marked
from support.orders import SMS, a_chain, an_order, an_sms_order
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import Order
    from support.deployment import Deployment

pytestmark = pytest.mark.slow
EMAILS, TEXTS = 3000, 2000
KILLS = 4
UNFINISHED = "SELECT count(*) FROM order_states WHERE status <> 'Completed'"
TOUCHED = "SELECT count(*) FROM order_states WHERE status <> 'Registered'"
SETS = "SELECT order_id, count(*) AS notifications FROM notifications GROUP BY order_id"


async def register(db: Database, orders: list[Order]) -> None:
    now = datetime.now(UTC)
    due = [replace(order, created=now, requested_send_time=now) for order in orders]
    for start in range(0, len(due), 500):
        await storage.register(db, [a_chain(order) for order in due[start : start + 500]])


def emails(count: int) -> list[Order]:
    return [an_order(recipients=(Recipient(email_address=f"kari.{n:05}@example.no"),)) for n in range(count)]


def texts(count: int) -> list[Order]:
    return [an_sms_order(recipients=(Recipient(mobile_number=f"+47999{n:05}"),)) for n in range(count)]


async def all_complete(db: Database) -> None:
    async def finished() -> bool:
        return bool(await db.fetchval(UNFINISHED) == 0)

    await until(finished, "every order is completed", seconds=120)


async def killed_while_sending(site: Deployment, db: Database) -> set[OpenCall]:
    """Kill the worker now and then until everything has left; the calls that were open at the kills."""
    worker, open_calls = await site.start("worker"), set[OpenCall]()
    total = EMAILS + TEXTS
    early, late = range(3, 25), range(25, 85)  # SMS, which can be repeated, are soon gone
    for share in sorted(random.sample(early, KILLS // 2) + random.sample(late, KILLS // 2)):

        async def has_come(share: int = share) -> bool:
            return site.collect().count * 100 >= share * total

        await until(has_come, f"{share} % have arrived", seconds=90)
        open_calls |= await kill_and_restart(worker, db)
    await all_complete(db)
    return open_calls


async def test_no_message_of_a_killed_worker_is_lost_and_only_marked_ones_come_twice(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    await register(db, emails(EMAILS) + texts(TEXTS))
    async with deployment(database_url, tmp_path) as site:
        site.relay.delay = site.gateway.delay = 0.02
        await site.start("api")
        async with site.reporting():
            open_calls = await killed_while_sending(site, db)
        arrived = site.collect()
        assert len(arrived.mails) == EMAILS
        assert len(arrived.texts) == TEXTS
        assert as_stored(arrived.repeated) <= await marked(db)
        assert arrived.count - EMAILS - TEXTS <= len(open_calls)
        repeated = [to for to in arrived.repeated if to in arrived.mails]
        assert all(len(set(arrived.mails[to])) == len(arrived.message_ids[to]) == 1 for to in repeated)
        assert await db.fetchval("SELECT count(*) FROM notification_log WHERE status = 'Delivered'") == EMAILS + TEXTS
        await until(lambda: has_feed(site), "every order is in the feed once", seconds=20)
        assert open_calls, "the kills met no open call; the test has shown nothing"


async def has_feed(site: Deployment) -> bool:
    return await site.feed_length() == EMAILS + TEXTS


async def test_an_order_of_a_worker_killed_while_processing_has_exactly_one_set_of_notifications(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    recipients = (Recipient(email_address="kari@example.no", mobile_number="+4799999999"),) * 2
    both = NotificationChannel.EMAIL_AND_SMS
    template = an_order(channel=both, recipients=recipients, sms=SMS)
    orders = [replace(template, id=an_order().id) for _ in range(4000)]
    await register(db, orders)
    async with deployment(database_url, tmp_path) as site:
        worker = await site.start("worker")
        for share in sorted(random.sample(range(1, 80), KILLS)):

            async def is_at_it(share: int = share) -> bool:
                return bool(await db.fetchval(TOUCHED) * 100 >= share * len(orders))

            await until(is_at_it, f"{share} % are being processed", seconds=60)
            await worker.kill()
            await worker.start()

        async def processed() -> bool:
            return not await db.fetchval("SELECT true FROM order_states WHERE status <> 'Processed' LIMIT 1")

        await until(processed, "every order is processed", seconds=60)
        await worker.stop()
    rows = await db.fetch(SETS)
    assert {row["notifications"] for row in rows} == {4}
    assert len(rows) == len(orders)
