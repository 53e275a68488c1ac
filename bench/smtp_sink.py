"""A mail server that takes every mail and forgets it: all it keeps is when each final dot came (monotonic seconds).

Each line on standard input is answered with the times since the line before, as JSON; the first line out is the port.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Final, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

_OK: Final = b"250 ok\r\n"
_REPLIES: Final = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 50000000\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 goodbye\r\n",
}
_END: Final = b"\r\n.\r\n"


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, taken: Callable[[], None]) -> None:
        self._taken = taken
        self._transport: asyncio.Transport
        self._received = b""
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer everything that is complete."""
        received = self._received + data if self._received else data
        replies = []
        while True:
            text, end, rest = received.partition(_END if self._in_message else b"\r\n")
            if not end:
                break
            replies.append(self._reply(text))
            received = rest
        self._received = received
        if replies:
            self._transport.write(b"".join(replies))

    def _reply(self, text: bytes) -> bytes:
        if self._in_message:
            self._in_message = False
            self._taken()
            return _OK
        verb = text[:4].upper()
        self._in_message = verb == b"DATA"
        return _REPLIES.get(verb, _OK)


async def serve() -> None:
    """Take mail until standard input ends."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    server = await loop.create_server(lambda: Session(lambda: times.append(time.monotonic())), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while await questions.readline():
        print(json.dumps(times), flush=True)
        times.clear()


if __name__ == "__main__":
    uvloop.run(serve())
