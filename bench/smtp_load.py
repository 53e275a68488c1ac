"""Bare senders of mail: raw sockets, and aiosmtplib with ready bytes. Reads one plan and writes one result, in JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import aiosmtplib
import uvloop

from bench.figures import Measurement
from bench.orders import BODY, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

SENDER: Final = "noreply@example.no"
RECIPIENT: Final = "innbygger@example.no"
CONTENT: Final = (
    f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: {SUBJECT}\r\n"
    f"Content-Type: text/plain; charset=utf-8\r\n\r\n{BODY}\r\n"
).encode()


async def send_raw(plan: dict[str, Any], numbers: Iterator[int], latencies: list[float]) -> None:
    """One connection that writes each command and waits for its reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plan["port"])
    await reader.readline()
    writer.write(b"HELO bench\r\n")
    await reader.readline()
    steps = (
        f"MAIL FROM:<{SENDER}>\r\n".encode(),
        f"RCPT TO:<{RECIPIENT}>\r\n".encode(),
        b"DATA\r\n",
        CONTENT + b".\r\n",
    )
    for _ in numbers:
        started = time.monotonic()
        for step in steps:
            writer.write(step)
            await reader.readline()
        latencies.append(time.monotonic() - started)
    writer.close()


async def send_with_library(plan: dict[str, Any], numbers: Iterator[int], latencies: list[float]) -> None:
    """One connection of aiosmtplib."""
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=plan["port"], use_tls=False, start_tls=False) as client:
        for _ in numbers:
            started = time.monotonic()
            await client.sendmail(SENDER, [RECIPIENT], CONTENT)
            latencies.append(time.monotonic() - started)


async def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Send `count` mails over `connections` connections."""
    send = send_with_library if plan["library"] else send_raw
    numbers, latencies = iter(range(plan["count"])), list[float]()
    started = time.monotonic()
    await asyncio.gather(*(send(plan, numbers, latencies) for _ in range(plan["connections"])))
    return {"measurement": asdict(Measurement.of(latencies, time.monotonic() - started))}


if __name__ == "__main__":
    _plan = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(run(_plan))), flush=True)
