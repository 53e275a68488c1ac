"""Stages by themselves, in one process: orders into notifications, reports into the inbox, reports matched.

Reads one plan, a line of JSON, and writes one result: pieces a second of each stage and of its bare statement.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import uvloop

from altinn_notifications.clock import SystemClock
from altinn_notifications.database.pool import Database
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import Channel, EmailResult
from altinn_notifications.orders import storage
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.processing import results
from altinn_notifications.processing.due_orders import insert_notifications
from altinn_notifications.processing.processor import Processor
from altinn_notifications.recipients.drafts import Draft
from altinn_notifications.reports import inbox, matching
from altinn_notifications.reports.model import DeliveryReport, ReportSource
from altinn_notifications.settings import NotificationSettings, Settings
from bench.orders import chain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from uuid import UUID

BATCH: Final = 500
REQUESTS_AT_ONCE: Final = 64
HAND_OVER: Final = """
    UPDATE notification_states SET result = 'Succeeded', provider_reference = notification_id::text
    RETURNING notification_id"""
BARE_MATCH: Final = """
    UPDATE notification_states s SET result = 'Succeeded', result_time = $2
    FROM unnest($1::text[]) AS u (reference) WHERE s.channel = 'Email' AND s.provider_reference = u.reference"""


class Stopwatch:
    """Notes how many pieces a second each named stage makes."""

    def __init__(self) -> None:
        self.rates: dict[str, float] = {}

    @asynccontextmanager
    async def timing(self, name: str, count: int) -> AsyncIterator[None]:
        """Time the block, in which `count` pieces are made."""
        started = time.monotonic()
        yield
        self.rates[name] = count / (time.monotonic() - started)


async def run(plan: dict[str, Any]) -> dict[str, float]:
    """Every stage, on a database of its own."""
    db = await Database.connect(plan["database_url"])
    watch, count = Stopwatch(), plan["count"]
    await register_due(db, count)
    async with watch.timing("processing", count):
        await process(db)
    async with watch.timing("copy", count):
        await copy(db, count)
    ids = [row["notification_id"] for row in await db.fetch(HAND_OVER)][:count]
    async with watch.timing("bare match", count):
        for batch in batches(ids):
            await db.execute(BARE_MATCH, [str(id_) for id_ in batch], SystemClock().now())
    async with watch.timing("intake", count):
        await take_in(db, ids)
    async with watch.timing("matching", count):
        while await matching.match_due(db, now=SystemClock().now()):
            pass
    async with watch.timing("bare intake", count):
        await insert_reports(db, count)
    await db.close()
    return watch.rates


async def register_due(db: Database, count: int) -> None:
    """Orders that are due now."""
    now = SystemClock().now()
    for batch in batches(range(count)):
        await storage.register(db, [chain(number, now=now, due=now) for number in batch])


async def process(db: Database) -> None:
    """What the worker's first loop does, until nothing is due."""
    platform = open_platform(Settings())
    processor = Processor(db, SystemClock(), Wakeups(db), NotificationSettings(), platform)
    while await processor.process_batch():
        pass
    await processor.settled()
    await platform.close()


async def copy(db: Database, count: int) -> None:
    """The rows of as many notifications, by COPY alone."""
    now = SystemClock().now()
    orders = [chain(number, now=now, due=now).main for number in range(BATCH)]
    draft = Draft(Channel.EMAIL, "innbygger@example.no", EmailResult.NEW, now + timedelta(hours=48))
    for _ in range(0, count, BATCH):
        rows = [row for order in orders for row in results.notification_rows(order, [draft], now)]
        async with db.transaction() as connection:
            await insert_notifications(connection, rows)


async def take_in(db: Database, ids: Sequence[UUID]) -> None:
    """One report to a request, as many requests at a time as a busy sender has open."""
    box, waiting = inbox.ReportInbox(db, Wakeups(db)), iter(ids)

    async def keep_busy() -> None:
        for id_ in waiting:
            report = DeliveryReport(
                ReportSource.SMTP, Channel.EMAIL, str(id_), EmailResult.DELIVERED, {"operationId": str(id_)}
            )
            await box.store([report], now=SystemClock().now())

    await asyncio.gather(*(keep_busy() for _ in range(REQUESTS_AT_ONCE)))


async def insert_reports(db: Database, count: int) -> None:
    """As many rows by the inbox's statement alone, in groups as large as those of a busy inbox."""
    now = SystemClock().now()
    for batch in batches(range(count), size=REQUESTS_AT_ONCE):
        size = len(batch)
        references = [str(new_id()) for _ in batch]
        async with db.connection() as connection:
            documents = [{"operationId": reference} for reference in references]
            await connection.execute(
                inbox.STORE, [3] * size, ["Email"] * size, references, ["Delivered"] * size, documents, [now] * size
            )


def batches(items: Any, size: int = BATCH) -> Iterator[list[Any]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


if __name__ == "__main__":
    _plan = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(run(_plan))), flush=True)
