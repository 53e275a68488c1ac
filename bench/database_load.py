"""What PostgreSQL alone makes of our statements. Reads one plan, a line of JSON, and writes one result.

`register` runs the statement of a registration on a number of connections, `size` chains a time; the rows are made
beforehand, so that nothing but the driver and the server is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import uvloop

from altinn_notifications.clock import SystemClock
from altinn_notifications.database.pool import Database
from altinn_notifications.orders import storage
from bench.figures import Measurement
from bench.orders import chain


class Recorder:
    """Stands where a `Database` is expected and keeps what would have been run."""

    def __init__(self) -> None:
        self.arguments: list[tuple[Any, ...]] = []

    async def fetch(self, _query: str, *arguments: Any) -> list[Any]:
        """Keep the arguments."""
        self.arguments.append(arguments)
        return []


async def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Register `count` chains."""
    recorder, now = Recorder(), SystemClock().now()
    for first in range(0, plan["count"], plan["size"]):
        chains = [chain(first + number, now=now, due=now + timedelta(days=1)) for number in range(plan["size"])]
        await storage.register(recorder, chains)  # type: ignore[arg-type]  # the statement's arguments are all we want
    db = await Database.connect(plan["database_url"], pool_size=plan["connections"])
    waiting, latencies = iter(recorder.arguments), list[float]()

    async def keep_busy() -> None:
        async with db.connection() as connection:
            for arguments in waiting:
                started = time.monotonic()
                await connection.fetch(storage.REGISTER, *arguments)
                latencies.append(time.monotonic() - started)

    started = time.monotonic()
    await asyncio.gather(*(keep_busy() for _ in range(plan["connections"])))
    seconds = time.monotonic() - started
    await db.close()
    return {"measurement": asdict(Measurement.of(latencies, seconds))}


if __name__ == "__main__":
    _plan = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(run(_plan))), flush=True)
