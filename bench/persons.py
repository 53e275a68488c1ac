"""Orders to distinct persons, all due at once: looked up in Profile and made into notifications.

Reads one plan, a line of JSON, and writes one result: orders a second, and the most memory (bytes) that it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import uvloop

from altinn_notifications.clock import SystemClock
from altinn_notifications.database.pool import Database
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.orders import storage
from altinn_notifications.orders.model import Recipient
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.processing.processor import Processor
from altinn_notifications.settings import NotificationSettings, PlatformSettings, Settings
from bench.children import peak_memory
from bench.orders import chain
from bench.stages import batches

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.orders.model import OrderChain


def to_person(number: int, now: datetime) -> OrderChain:
    """An order to the person with this number, due now."""
    ordered = chain(number, now=now, due=now)
    recipient = Recipient(national_identity_number=f"{number:011d}")
    return replace(ordered, main=replace(ordered.main, recipients=(recipient,)))


async def run(plan: dict[str, Any]) -> dict[str, float]:
    """Register, then process until nothing is left."""
    db, clock, count = await Database.connect(plan["database_url"]), SystemClock(), plan["count"]
    for batch in batches(range(count)):
        await storage.register(db, [to_person(number, clock.now()) for number in batch])
    profile = PlatformSettings(profile_base_url=f"http://127.0.0.1:{plan['profile_port']}/profile/api/v1/")
    platform = open_platform(Settings(platform=profile))
    processor = Processor(db, clock, Wakeups(db), NotificationSettings(), platform)
    started = time.monotonic()
    while await processor.process_batch():
        pass
    await processor.settled()
    seconds = time.monotonic() - started
    made = await db.fetchval("SELECT count(*) FROM notification_states WHERE result = 'New'")
    await platform.close()
    await db.close()
    return {"rate": made / seconds, "memory": peak_memory(os.getpid())}


if __name__ == "__main__":
    _plan = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(run(_plan))), flush=True)
