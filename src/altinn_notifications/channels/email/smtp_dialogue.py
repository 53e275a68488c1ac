"""Commands and replies on a session that has been opened (RFC 5321, 4.2 and RFC 2920).

`aiosmtplib` opens the session: greeting, TLS, authentication. It reads one reply for each write, with a lock and a task
for both, which was half of what a mail cost; here commands may travel together, and a reply costs one callback.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from altinn_notifications.channels.email.smtp_replies import GARBLED, LOST, TIMED_OUT, TLS_FAILED

_LONGEST_REPLY: Final = 65_536
_CODE_LENGTH: Final = 3


class NoReply(Exception):
    """No usable reply came; `reason` says why, for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Dialogue(asyncio.Protocol):
    """Takes over `transport`. Replies are heard in the order of the commands."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._received = bytearray()
        self._owed = 0
        self._heard: asyncio.Future[None] | None = None
        self._ended_because: str | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed the connection, as far as we have heard."""
        return self._ended_because is None and not self._transport.is_closing()

    def say(self, *commands: bytes) -> None:
        """Write commands, each of which is owed one reply. Raises `NoReply` when the connection is closed."""
        self.write(b"".join(command + b"\r\n" for command in commands), replies=len(commands))

    def write(self, data: bytes, *, replies: int = 1) -> None:
        """Write what is owed that many replies. Raises `NoReply` when the connection is closed."""
        if not self.is_open:
            raise NoReply(self._ended_because or LOST)
        if not self._owed:
            self._received.clear()  # nobody asked for it
        self._owed += replies
        self._transport.write(data)

    async def hear(self, *, timeout: float) -> tuple[int, str]:  # noqa: ASYNC109 - each reply has its own patience
        """Code and text of the next reply, waiting at most `timeout` seconds. Raises `NoReply`."""
        try:
            async with asyncio.timeout(timeout):
                while (reply := self._next_reply()) is None:
                    if self._ended_because is not None:
                        raise NoReply(self._ended_because)
                    self._heard = asyncio.get_running_loop().create_future()
                    await self._heard
        except TimeoutError:
            raise NoReply(TIMED_OUT) from None
        self._owed -= 1
        return reply

    def data_received(self, data: bytes) -> None:
        """Keep it, and wake who waits for it."""
        self._received += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why, and wake who waits for a reply."""
        self._ended_because = TLS_FAILED if isinstance(exc, ssl.SSLError) else LOST
        self._wake()

    def _wake(self) -> None:
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(None)

    def _next_reply(self) -> tuple[int, str] | None:
        """The first complete reply of what was received. A reply of several lines is one text of several lines."""
        if len(self._received) > _LONGEST_REPLY:
            raise NoReply(GARBLED)
        texts, start = [], 0
        while (end := self._received.find(b"\n", start)) >= 0:
            line, start = bytes(self._received[start:end]), end + 1
            if not line[:_CODE_LENGTH].isdigit():
                raise NoReply(GARBLED)
            texts.append(line[_CODE_LENGTH + 1 :].strip())
            if line[_CODE_LENGTH : _CODE_LENGTH + 1] != b"-":
                del self._received[:start]
                return int(line[:_CODE_LENGTH]), b"\n".join(texts).decode(errors="surrogateescape")
        return None
