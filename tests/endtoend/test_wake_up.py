"""An order goes its way by itself: from one process to the other, and also when the wake-up between them is lost."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.orders import storage
from support.deployment import deployment
from support.orders import a_chain, an_order
from support.requests import an_order_request, to_email, to_sms
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from altinn_notifications.database.pool import Database
    from support.deployment import Deployment

pytestmark = pytest.mark.slow
ANYTIME = {"sendingTimePolicy": "Anytime"}
LOOK_OUT_SECONDS = 15


async def arrived(site: Deployment, count: int, *, within: float) -> float:
    """Wait until so many messages have arrived; how many seconds that took."""
    started = time.monotonic()

    async def have_come() -> bool:
        return site.collect().count >= count

    await until(have_come, f"{count} messages have arrived", seconds=within)
    return time.monotonic() - started


async def test_an_order_leaves_at_once_without_a_trigger_and_later_without_its_wake_up(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    async with deployment(database_url, tmp_path) as site:
        await site.start("api")
        await site.start("worker")
        await until(lambda: db.fetchval("SELECT true FROM workers"), "the worker is there")
        assert await site.order(an_order_request(to_email())) == 201
        assert await site.order(an_order_request(to_sms(**ANYTIME))) == 201
        assert await arrived(site, 2, within=2 * LOOK_OUT_SECONDS) < LOOK_OUT_SECONDS / 2
        now = datetime.now(UTC)
        unheard = replace(an_order(), created=now, requested_send_time=now)
        await storage.register(db, [a_chain(unheard)])
        await arrived(site, 3, within=2 * LOOK_OUT_SECONDS)


async def test_a_worker_that_starts_takes_up_what_was_ordered_before_and_stops_when_told(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    async with deployment(database_url, tmp_path) as site, site.reporting():
        await site.start("api")
        assert await site.order(an_order_request(to_email())) == 201
        worker = await site.start("worker")

        async def is_completed() -> bool:
            return bool(await db.fetchval("SELECT status = 'Completed' FROM order_states"))

        await until(is_completed, "the order is completed", seconds=LOOK_OUT_SECONDS)
        assert await worker.stop() == 0
        assert "worker_stopped" in worker.log
        assert await db.fetchval("SELECT count(*) FROM workers") == 0
