"""A file store on a real socket that does what a test tells it: any status, silence, hanging up, endless content."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from types import TracebackType

EXPIRY = "2027-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class File:
    """One answer. `length` announces another size than `content` has; `holds` waits before the last byte."""

    content: bytes = b"file"
    status: int = 200
    location: str | None = None
    holds: asyncio.Event | None = None
    hangs: bool = False
    """Say nothing, and wait for the client to leave."""
    drops: bool = False
    """Hang up without a word."""


@dataclass(slots=True)
class FilePeer:
    """Listens on a free port of 127.0.0.1 while its context is open."""

    requests: list[str] = field(default_factory=list)
    """The targets asked for, as they were written."""
    abandoned: list[str] = field(default_factory=list)
    """Targets whose client left before it had its answer."""
    open_now: int = 0
    most_open: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _always: dict[str, File] = field(default_factory=dict)
    _once: dict[str, deque[File]] = field(default_factory=lambda: defaultdict(deque))
    _server: asyncio.Server | None = None
    _sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, name: str, file: File, *first: File) -> str:
        """Answer so from now on, but `first` the first times, one each; the link to the file."""
        self._always[f"/{quote(name)}"] = file
        self._once[f"/{quote(name)}"].extend(first)
        return self.link(name)

    def link(self, name: str) -> str:
        """A link that the rules of orders accept."""
        return f"{self.origin}/{quote(name)}?se={EXPIRY}&sp=r&sr=b&sig=s3cr3t%2F"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for session, writer in self._sessions.items():
            writer.transport.abort()
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions[task] = writer
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            del self._sessions[task]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        target = head.split(b" ")[1].decode()
        self.requests.append(target)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        self.reached.set()
        try:
            return await self._write(target, reader, writer)
        finally:
            self.open_now -= 1

    async def _write(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        file = self._file(target.partition("?")[0])
        if file.drops:
            return False
        if file.hangs:
            await reader.read()
            self.abandoned.append(target)
            return False
        location = f"Location: {file.location}\r\n" if file.location else ""
        writer.write(f"HTTP/1.1 {file.status} X\r\n{location}Content-Length: {len(file.content)}\r\n\r\n".encode())
        if file.holds is not None and await self._left_while(file.holds, reader):
            self.abandoned.append(target)
            return False
        writer.write(file.content)
        await writer.drain()
        return True

    def _file(self, path: str) -> File:
        if self._once[path]:
            return self._once[path].popleft()
        return self._always.get(path, File(b"", status=404))

    @staticmethod
    async def _left_while(held: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """Whether the client leaves before the event is set."""
        waits = [asyncio.ensure_future(held.wait()), asyncio.ensure_future(reader.read())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        left = waits[1].done()
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return left
