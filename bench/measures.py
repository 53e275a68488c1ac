"""What is measured: each function loads one part of the service and its bare tool, and returns lines of the table."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from altinn_notifications.clock import SystemClock
from altinn_notifications.database.pool import Database
from altinn_notifications.database.wakeups import DUE_ORDERS, Wakeups
from altinn_notifications.orders import storage
from bench.children import Child
from bench.figures import MEGABYTE, Figure, Measurement
from bench.orders import chain
from bench.system import bare_api

if TYPE_CHECKING:
    from bench.system import System

TOMORROW: Final = timedelta(days=1)
LOAD_SECONDS: Final = 5.0
OFFERED: Final = 300
OFFERED_SECONDS: Final = 10.0
IDLE_ORDERS: Final = 100
IDLE_GAP_SECONDS: Final = 0.1
REGISTERED_AT_ONCE: Final = 250
PERSONS: Final = 100_000
PERSONS_A_CALL: Final = 1000
LEAD_SECONDS: Final = 2.0
REGISTERED_PER_SECOND: Final = 4000
LONGEST_SECONDS: Final = 60.0
UNSTORED: Final = "SELECT count(*) FROM notification_states WHERE result IN ('New', 'Sending')"
LAST_OUTCOME: Final = "SELECT max(result_time) FROM notification_states WHERE result = 'Succeeded'"


async def registrations(system: System) -> list[Figure]:
    """Orders registered over HTTP, due tomorrow, by callers that each wait for their answer."""
    due = (SystemClock().now() + TOMORROW).isoformat()
    figures = []
    for connections in (8, 64):
        load: dict[str, Any] = {"connections": connections, "seconds": LOAD_SECONDS, "due": due}
        ours = measurement(await system.load(port=system.api_port, **load))
        async with bare_api(system, grouped=False) as port:
            single = measurement(await system.load(port=port, **load))
        async with bare_api(system, grouped=True) as port:
            grouped = measurement(await system.load(port=port, **load))
        name = f"registrations, {connections} connections"
        aim = "2,000 /s" if connections == 64 else ""  # noqa: PLR2004 - the more of the two
        figures += [
            Figure(name, ours.per_second, "/s", single.per_second, "uvicorn, one INSERT each", aim),
            Figure(name, ours.per_second, "/s", grouped.per_second, "uvicorn, grouped INSERT", aim),
            Figure(f"{name}: p50", ours.p50, "ms", single.p50, "uvicorn, one INSERT each"),
            Figure(f"{name}: p99", ours.p99, "ms", single.p99, "uvicorn, one INSERT each"),
        ]
    return figures + await database_alone(system, ours.per_second)


async def database_alone(system: System, ours: float) -> list[Figure]:
    """The statement of a registration without HTTP."""
    figures = []
    for size, count in ((1, 8_000), (25, 40_000)):
        url = await system.new_database(f"alone_{size}")
        result = await system.run("database_load", database_url=url, connections=8, size=size, count=count)
        tool = f"PostgreSQL, {size} to a statement, 8 connections"
        figures.append(
            Figure("registrations, 64 connections", ours, "/s", count / result["measurement"]["seconds"], tool)
        )
    return figures


async def offered(system: System) -> list[Figure]:
    """Orders that arrive at a fixed rate, are due at once, and are sent meanwhile."""
    load: dict[str, Any] = {"connections": 64, "seconds": OFFERED_SECONDS, "rate": OFFERED}
    async with system.workers(1):
        ours = measurement(await system.load(port=system.api_port, **load))
        await all_stored(system)
    async with bare_api(system, grouped=False) as port:
        bare = measurement(await system.load(port=port, **load))
    name, tool = f"{OFFERED}/s offered and sent meanwhile", "uvicorn, one INSERT each, nothing sent"
    return [
        Figure(f"{name}: p50", ours.p50, "ms", bare.p50, tool),
        Figure(f"{name}: p99", ours.p99, "ms", bare.p99, tool, "under 100 ms"),
    ]


async def end_to_end(system: System, count: int) -> list[Figure]:
    """Messages from due order to stored outcome."""
    bare = {
        tool: await system.run("smtp_load", port=sink_port(system), connections=32, count=count, library=library)
        for tool, library in (("raw sockets, nothing stored", False), ("aiosmtplib, nothing stored", True))
    }
    figures = []
    for workers in (1, 2):
        rate = await campaign(system, count, workers)
        name = f"order to stored outcome, {workers} worker" + ("s" if workers > 1 else "")
        figures += [
            Figure(name, rate, "/s", count / result["measurement"]["seconds"], tool, "2,000 /s")
            for tool, result in bare.items()
        ]
    return figures


def sink_port(system: System) -> int:
    """Where the mail server listens."""
    return int(system.environment["NOTIFICATIONS_EMAIL_SMTP_PORT"])


async def campaign(system: System, count: int, workers: int) -> float:
    """Messages a second of `count` orders that become due at one moment: from that moment to the last outcome."""
    db = await Database.connect(system.database_url)
    async with system.workers(workers):
        now = SystemClock().now()
        starts = now + timedelta(seconds=LEAD_SECONDS + count / REGISTERED_PER_SECOND)
        for first in range(0, count, REGISTERED_AT_ONCE):
            numbers = range(first, min(first + REGISTERED_AT_ONCE, count))
            due = starts + storage.PROCESSING_GRACE
            await storage.register(db, [chain(number, now=now, due=due) for number in numbers])
        Wakeups(db).wake(DUE_ORDERS)  # so that the worker knows when the first of them is due
        registered = SystemClock().now()
        await system.mails()
        await asyncio.sleep(max(0.0, (starts - registered).total_seconds()))
        await all_arrived(system, count)
        await all_stored(system)
        last = await db.fetchval(LAST_OUTCOME)
    await db.close()
    return count / float((last - starts).total_seconds())


async def all_arrived(system: System, count: int) -> list[float]:
    """When mails arrived: those of now until `count` have, or for a minute nothing more comes."""
    arrivals, patient_until = list[float](), time.monotonic() + LONGEST_SECONDS
    while len(arrivals) < count and time.monotonic() < patient_until:
        await asyncio.sleep(0.2)
        if new := await system.mails():
            arrivals, patient_until = arrivals + new, time.monotonic() + LONGEST_SECONDS
    return arrivals


async def all_stored(system: System) -> None:
    """Wait until no outcome is outstanding, at most a minute."""
    deadline = time.monotonic() + LONGEST_SECONDS
    connection = await asyncpg.connect(system.database_url)
    while await connection.fetchval(UNSTORED) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process's work
        await asyncio.sleep(0.1)
    if unstored := await connection.fetchval(UNSTORED):
        print(f"{unstored} outcomes were not stored within a minute; the figures that follow leave them out.")
    await connection.close()


async def idle_latency(system: System) -> list[Figure]:
    """From the request that orders one message to its final dot, one at a time on a system with nothing else to do."""
    async with system.workers(1):
        load: dict[str, Any] = {
            "connections": 1,
            "seconds": IDLE_ORDERS * IDLE_GAP_SECONDS,
            "rate": 1 / IDLE_GAP_SECONDS,
        }
        await system.mails()
        result = await system.load(port=system.api_port, **load)
        arrivals = await all_arrived(system, result["sent"])
        await all_stored(system)
    pairs = zip(sorted(result["started"], reverse=True), sorted(arrivals, reverse=True), strict=False)
    took = [arrival - sent for sent, arrival in pairs]
    ours = Measurement.of(took, sum(took))
    plan = {"port": sink_port(system), "connections": 1, "count": IDLE_ORDERS, "library": False}
    bare = measurement(await system.run("smtp_load", **plan))
    name, tool = "idle, order sent to final dot", "raw sockets, one mail"
    return [
        Figure(f"{name}: p50", ours.p50, "ms", bare.p50, tool),
        Figure(f"{name}: p95", ours.p95, "ms", bare.p95, tool, "under 250 ms"),
    ]


async def stages(system: System, count: int) -> list[Figure]:
    """Stages by themselves, without the others."""
    url = await system.new_database("stages")
    rates = await system.run("stages", database_url=url, count=count)
    return [
        Figure("orders processed", rates["processing"], "/s", rates["copy"], "COPY of the notifications"),
        Figure("reports taken in, 64 at a time", rates["intake"], "/s", rates["bare intake"], "INSERT of 64"),
        Figure("reports matched", rates["matching"], "/s", rates["bare match"], "UPDATE of 500 by reference"),
    ]


async def persons(system: System) -> list[Figure]:
    """Orders to distinct persons, looked up in a Profile in another process."""
    peer = await Child.start("profile", "bench.profile_peer", environment=system.environment, folder=system.folder)
    try:
        plan = {"database_url": await system.new_database("persons"), "count": PERSONS}
        result = await system.run("persons", profile_port=await peer.answer(), **plan)
        look_ups = await peer.ask()
    finally:
        await peer.stop()
    return [
        Figure(f"orders to {PERSONS:,} persons processed", result["rate"], "/s", aim="3,000 /s"),
        Figure("... with look-ups in Profile", look_ups, "calls", PERSONS / PERSONS_A_CALL, "1,000 persons a call"),
        Figure("... with memory of", result["memory"] / MEGABYTE, "MB"),
    ]


def memory(system: System) -> list[Figure]:
    """The most memory that each process held during all of it."""
    return [Figure(f"memory of {name}", held / MEGABYTE, "MB") for name, held in sorted(system.memory.items())]


def measurement(result: dict[str, Any]) -> Measurement:
    """What a load generator reports. Says so if any answer was another than the expected one."""
    if result.get("wrong"):
        print(f"Answers with other statuses: {result['wrong']}")
    return Measurement(**result["measurement"])
