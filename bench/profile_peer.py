"""A Profile that knows everybody: each person it is asked about has an email address of their own.

The first line out is its port. Each line on standard input is answered with the number of look-ups so far, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Final, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Connection(asyncio.Protocol):
    """One kept-open connection."""

    def __init__(self, asked: Callable[[], None]) -> None:
        self._asked = asked
        self._transport: asyncio.Transport
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for questions."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every question that is complete."""
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end or len(rest) < (length := _content_length(head)):
                return
            self._received = rest[length:]
            self._asked()
            self._transport.write(_answer(json.loads(rest[:length])["nationalIdentityNumbers"]))


def _content_length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line.removeprefix(_LENGTH)) for line in lines if line.startswith(_LENGTH))


def _answer(numbers: list[str]) -> bytes:
    points = [
        {"nationalIdentityNumber": number, "isReserved": False, "email": f"p{number}@epost.example"}
        for number in numbers
    ]
    body = json.dumps({"contactPointsList": points}).encode()
    return _HEAD.format(len(body)).encode() + body


async def serve() -> None:
    """Answer until standard input ends."""
    loop = asyncio.get_running_loop()
    look_ups = 0

    def count() -> None:
        nonlocal look_ups
        look_ups += 1

    server = await loop.create_server(lambda: Connection(count), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while await questions.readline():
        print(json.dumps(look_ups), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
