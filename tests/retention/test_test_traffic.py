from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.clock import SystemClock
from altinn_notifications.events import Kind
from altinn_notifications.orders import storage
from altinn_notifications.retention import test_traffic as traffic
from support.orders import a_chain, an_order
from support.rows import a_feed_entry, a_stored_email, an_event, insert, insert_numbered
from support.times import DAY

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from altinn_notifications.database.pool import Database

NOW = SystemClock().now()
BEFORE = NOW - 90 * DAY
TABLES = {
    "order_chains": "id",
    "orders": "id",
    "order_states": "order_id",
    "notifications": "order_id",
    "notification_states": "order_id",
    "events": "order_id",
    "status_feed": "order_id",
    "status_feed_outbox": "order_id",
    "notification_log": "shipment_id",
}
LOG_ROW = """
    INSERT INTO notification_log (shipment_id, notification_id, creator, type, channel, destination, status,
        requested_send_time, last_update_time)
    VALUES ($1, $2, $3, 'Notification', 'Email', 'kari@example.no', 'Delivered', $4, $4)"""


async def an_order_with_traces(
    db: Database, creator: str = "ttd", *, at: datetime = BEFORE - DAY, status: str = "Completed"
) -> UUID:
    order = an_order(creator=creator, created=at)
    await storage.register(db, [a_chain(order)])
    await db.execute("UPDATE order_states SET status = $2, last_change = $3 WHERE order_id = $1", order.id, status, at)
    email = await insert(db, a_stored_email(order.id, creator=creator, result="Delivered", created=at))
    await insert(db, an_event(order.id, Kind.ORDER_PROCESSED, at=at))
    await insert_numbered(db, a_feed_entry(creator=creator, order_id=order.id, created=at))
    await insert(db, a_feed_entry(creator=creator, order_id=order.id, created=at))
    await db.execute(LOG_ROW, order.id, email.id, creator, at)
    return order.id


async def counts(db: Database) -> dict[str, int]:
    return {table: await db.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608 - our names


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFICATIONS_")}

    def run(*options: str, environment: str = "test") -> subprocess.CompletedProcess[str]:
        settings = {"NOTIFICATIONS_DATABASE_URL": database_url, "NOTIFICATIONS_ENVIRONMENT": environment}
        call = [sys.executable, "-P", "-m", "altinn_notifications", "delete-test-traffic", "--creator", "ttd", *options]
        return subprocess.run(
            call, check=False, capture_output=True, text=True, cwd=tmp_path, env={**clean, **settings}
        )

    return run


async def test_old_orders_of_the_creator_go_with_everything_that_tells_of_them(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "ORDERS_AT_ONCE", 2)
    for _ in range(5):
        await an_order_with_traces(db)
    assert await traffic.delete_traffic(db, "ttd", before=BEFORE) == 5
    assert set((await counts(db)).values()) == {0}


async def test_other_creators_younger_orders_and_unfinished_ones_stay(db: Database) -> None:
    await an_order_with_traces(db)
    kept = {
        await an_order_with_traces(db, "skd"),
        await an_order_with_traces(db, at=BEFORE + DAY),
        await an_order_with_traces(db, status="Processed"),
    }
    assert await traffic.count_traffic(db, "ttd", before=BEFORE) == traffic.Traffic(ended=1, unfinished=1)
    assert await traffic.delete_traffic(db, "ttd", before=BEFORE) == 1
    assert set((await counts(db)).values()) == {3}
    assert {row["id"] for row in await db.fetch("SELECT id FROM orders")} == kept


async def test_the_command_counts_first_and_deletes_only_when_told_to(db: Database, command: Any) -> None:
    await an_order_with_traces(db)
    counted = command("--older-than", "90")
    assert (counted.returncode, "1 orders have ended; 0 have not" in counted.stdout) == (0, True)
    assert (await counts(db))["orders"] == 1
    deleted = command("--older-than", "90", "--yes")
    assert (deleted.returncode, "1 orders deleted." in deleted.stdout) == (0, True)
    assert set((await counts(db)).values()) == {0}


async def test_the_command_refuses_production(db: Database, command: Any) -> None:
    await an_order_with_traces(db)
    refused = command("--yes", environment="production")
    assert (refused.returncode, "nothing is deleted" in refused.stderr) == (1, True)
    assert (await counts(db))["orders"] == 1
