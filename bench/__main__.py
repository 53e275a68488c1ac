"""`python -m bench`: measure, and print the figures. Never fails because a machine is slow."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bench import history, measures
from bench.figures import machine, table
from bench.system import started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.figures import Figure
    from bench.system import System

WIDTH = 132


async def measure(system: System, count: int, orders: int, only: list[str]) -> list[Figure]:
    """Every figure, or those of the parts in `only`."""
    parts: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
        "registrations": lambda: measures.registrations(system),
        "offered": lambda: measures.offered(system),
        "idle": lambda: measures.idle_latency(system),
        "end-to-end": lambda: measures.end_to_end(system, count),
        "stages": lambda: measures.stages(system, count),
        "persons": lambda: measures.persons(system),
        "history": lambda: history.figures(system, orders),
    }
    figures: list[Figure] = []
    for name, part in parts.items():
        if not only or name in only:
            began = time.monotonic()
            figures += await part()
            print(f"measured {name} in {time.monotonic() - began:.0f} s", flush=True)
    return figures


async def main(count: int, orders: int, only: list[str]) -> None:
    """Start everything in a temporary folder, measure, print, and leave nothing behind."""
    console = Console(width=WIDTH, highlight=False)
    described = machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        async with started(Path(name)) as system:
            version = await system.postgresql_version()
            figures = await measure(system, count, orders, only)
        figures += measures.memory(system)
    console.print(f"\nMeasured on {described}, PostgreSQL {version} with durable commits.")
    console.print(f"Load generators, service and database share the cores; load at the end {os.getloadavg()[0]:.1f}.\n")
    console.print(table("Figures of this run", figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the service on this machine.")
    parser.add_argument("--orders", type=int, default=1_000_000, help="stored orders of the history")
    parser.add_argument("--count", type=int, default=20_000, help="messages of the end-to-end measurement")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="a part: registrations, offered, idle, end-to-end, stages, persons, history",
    )
    arguments = parser.parse_args()
    asyncio.run(main(arguments.count, arguments.orders, arguments.only))
