"""An SMTP server that does what a test tells it: answer anything at any point, be silent, or hang up."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

HANG: Final = object()
"""Say nothing, and wait for the client to leave."""
DROP: Final = object()
"""Hang up without a word."""


@dataclass(frozen=True, slots=True)
class ThenDrop:
    """Answer, then hang up."""

    reply: str


Step = object
"""A reply line such as `250 OK` (or several, with line breaks), `HANG`, `DROP` or `ThenDrop`."""


@dataclass(slots=True)
class ReceivedMail:
    """One mail that the server took or refused after it had read all of it."""

    mail: str
    rcpt: str
    content: bytes
    """As a reader sees it: without dot-stuffing, with CR LF."""
    connection: int


@dataclass(slots=True)
class SmtpPeer:
    """Listens on a free port of 127.0.0.1 while its context is open.

    The points at which it can be told what to do: GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, CONTENT (after the
    final dot), RSET and QUIT; and EARLY, an answer in the middle of the content, after which it reads no more.
    """

    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 10485760", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None
    """With it `STARTTLS` works; with `implicit_tls` the connection begins encrypted."""
    implicit_tls: bool = False
    mails: list[ReceivedMail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    has_mail: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to end the session of an EARLY answer."""
    delay: float = 0.0
    """Seconds between the end of a mail and the answer to it."""
    connections: int = 0
    port: int = 0
    _once: dict[str, deque[Step]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[str, Step] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _sessions: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    def next(self, point: str, *steps: Step) -> None:
        """Do `steps` the next times this point is reached, one each."""
        self._once[point].extend(steps)

    def always(self, point: str, step: Step) -> None:
        """Do this at that point from now on."""
        self._always[point] = step

    def hang_up(self) -> None:
        """Close every open connection, as a relay does with those that are idle."""
        for writer in self._sessions:
            writer.close()

    async def wait_until_gone(self) -> None:
        """Return when every session has ended."""
        while self._sessions:
            await asyncio.wait(self._sessions.values())

    async def __aenter__(self) -> Self:
        ssl_context = self.tls if self.implicit_tls else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=ssl_context, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer, session in self._sessions.items():
            writer.transport.abort()
            session.cancel()
        await self.wait_until_gone()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._sessions[writer] = task
        try:
            await _Session(self, reader, writer, self.connections).run()
        except (_HangUp, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            del self._sessions[writer]

    def step(self, point: str, default: Step) -> Step:
        """What to do now."""
        return self._once[point].popleft() if self._once[point] else self._always.get(point, default)


class _HangUp(Exception):
    pass


@dataclass(slots=True)
class _Session:
    peer: SmtpPeer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    mail: str = ""
    rcpt: str = ""

    async def run(self) -> None:
        await self._answer("GREETING", "220 peer.test ESMTP")
        while line := await self.reader.readline():
            command = line.decode().rstrip("\r\n")
            self.peer.commands.append(command)
            await self._obey(command, command.split(" ")[0].upper())

    async def _obey(self, command: str, verb: str) -> None:
        if verb == "EHLO":
            await self._answer("EHLO", _ehlo(self.peer.extensions))
        elif verb == "MAIL":
            self.mail = command
            await self._answer("MAIL", "250 2.1.0 Ok")
        elif verb == "RCPT":
            self.rcpt = command
            await self._answer("RCPT", "250 2.1.5 Ok")
        elif verb == "DATA":
            await self._data()
        elif verb == "STARTTLS":
            await self._starttls()
        elif verb == "AUTH":
            await self._answer("AUTH", "235 2.7.0 Authentication successful")
        elif verb == "QUIT":
            await self._answer("QUIT", ThenDrop("221 2.0.0 Bye"))
        else:
            await self._answer(verb, "250 2.0.0 Ok")

    async def _starttls(self) -> None:
        if await self._answer("STARTTLS", "220 2.0.0 Ready to start TLS") == "2" and self.peer.tls is not None:
            await self.writer.start_tls(self.peer.tls)

    async def _data(self) -> None:
        if await self._answer("DATA", "354 End data with <CR><LF>.<CR><LF>") != "3":
            return
        if (early := self.peer.step("EARLY", None)) is not None:
            await self.reader.readexactly(10_000)
            self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
            self.writer.write(f"{early}\r\n".encode())
            await self.peer.may_end.wait()
            raise _HangUp
        content = await self.reader.readuntil(b"\r\n.\r\n")
        plain = content[:-3].replace(b"\r\n..", b"\r\n.")
        self.peer.mails.append(ReceivedMail(self.mail, self.rcpt, plain, self.number))
        self.peer.has_mail.set()
        await asyncio.sleep(self.peer.delay)
        await self._answer("CONTENT", "250 2.0.0 Ok: queued")

    async def _answer(self, point: str, default: Step) -> str:
        """Do what is planned for this point; the first digit of what was said."""
        step = self.peer.step(point, default)
        if step is HANG:
            await self.reader.read()
        if step is HANG or step is DROP:
            raise _HangUp
        reply = step.reply if isinstance(step, ThenDrop) else str(step)
        self.writer.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()
        if isinstance(step, ThenDrop):
            raise _HangUp
        return reply[:1]


def _ehlo(extensions: tuple[str, ...]) -> str:
    lines = ["peer.test", *extensions]
    return "\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])
