"""Load generator: prebuilt requests over kept connections. Reads one plan, a line of JSON, and writes one result.

Closed loop: every connection has one request open at any time. Open loop: requests are due at fixed times whatever the
server does, and a latency counts from that time, so that a server that stalls cannot hide the requests it held up.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, cast

import uvloop

from bench.figures import Measurement
from bench.orders import RequestBytes, request_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 15.0
LISTED: Final = 1000


class Connection(asyncio.Protocol):
    """One connection with at most one open request. `done` gets the connection and the status of each response."""

    def __init__(self, done: Callable[[Connection, int], None]) -> None:
        self._done = done
        self._transport: asyncio.Transport
        self._received = b""
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, *, started: float) -> None:
        """Send one request whose latency counts from `started`."""
        self.started = started
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Tell when a response is complete."""
        received = self._received = self._received + data if self._received else data
        head = received.find(b"\r\n\r\n")
        if head < 0 or len(received) < head + 4 + _content_length(received[:head].lower()):
            return
        self._received = b""
        self._done(self, int(received[9:12]))

    def close(self) -> None:
        """Close it."""
        self._transport.close()


def _content_length(head: bytes) -> int:
    return int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])


class Load:
    """What one plan does."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._requests: RequestBytes = request_bytes(host=plan["host"], token=plan["token"], due=plan["due"])
        self._numbers = itertools.count()
        self._latencies: list[float] = []
        self._started: list[float] = []
        self._wrong: dict[int, int] = {}
        self._begins = self._ends = 0.0
        self._idle: deque[Connection] = deque()
        self._late: deque[float] = deque()
        self._open = 0

    async def run(self) -> dict[str, Any]:
        """Connect, load, and return the result."""
        loop = asyncio.get_running_loop()
        done = self._next_open if self._plan["rate"] else self._next_closed
        made = [
            await loop.create_connection(lambda: Connection(done), self._plan["host"], self._plan["port"])
            for _ in range(self._plan["connections"])
        ]
        connections = [connection for _, connection in made]
        self._begins = time.monotonic() + WARM_UP_SECONDS
        self._ends = self._begins + self._plan["seconds"]
        if self._plan["rate"]:
            await self._offer(connections)
        else:
            await self._keep_busy(connections)
        await self._drain()
        for connection in connections:
            connection.close()
        measured = Measurement.of(self._latencies, self._plan["seconds"])
        listed = self._started[-LISTED:]
        return {"measurement": asdict(measured), "sent": next(self._numbers), "started": listed, "wrong": self._wrong}

    async def _keep_busy(self, connections: list[Connection]) -> None:
        for connection in connections:
            self._begin(connection, time.monotonic())
        await asyncio.sleep(self._ends - time.monotonic())

    async def _offer(self, connections: list[Connection]) -> None:
        self._idle.extend(connections)
        started = time.monotonic()
        for number in range(int(self._plan["rate"] * (WARM_UP_SECONDS + self._plan["seconds"]))):
            due = started + number / self._plan["rate"]
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if self._idle:
                self._begin(self._idle.popleft(), due)
            else:
                self._late.append(due)

    async def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._open and time.monotonic() < deadline:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.01)

    def _begin(self, connection: Connection, due: float) -> None:
        self._open += 1
        connection.send(self._requests.numbered(next(self._numbers)), started=due)

    def _next_closed(self, connection: Connection, status: int) -> None:
        now = self._note(connection, status)
        if now < self._ends:
            self._begin(connection, now)

    def _next_open(self, connection: Connection, status: int) -> None:
        self._note(connection, status)
        if self._late:
            self._begin(connection, self._late.popleft())
        else:
            self._idle.append(connection)

    def _note(self, connection: Connection, status: int) -> float:
        now = time.monotonic()
        self._open -= 1
        if status != self._plan["expected_status"]:
            self._wrong[status] = self._wrong.get(status, 0) + 1
        elif self._plan["rate"]:
            if connection.started >= self._begins:
                self._latencies.append(now - connection.started)
                self._started.append(connection.started)
        elif self._begins <= now < self._ends:
            self._latencies.append(now - connection.started)
        return now


if __name__ == "__main__":
    _plan = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(Load(_plan).run())), flush=True)
