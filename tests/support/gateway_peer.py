"""An SMS gateway that does what a test tells it: answer anything, be silent, or hang up at any point."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from defusedxml.ElementTree import fromstring

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from xml.etree.ElementTree import Element

HANG: Final = object()
"""Read the request and say nothing."""
DROP: Final = object()
"""Read the request and hang up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. With `cut` the connection ends after so many octets of the body."""

    body: str
    status: int = 200
    cut: int | None = None
    keep_alive: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


def accepted(reference: str | None = "BB35EDF6-3D61-4DE5-9C95-C6E5E35D48EA") -> Answer:
    """The gateway has taken the message."""
    ref = "" if reference is None else f"<REF>{reference}</REF>"
    return answered(f"<MSG><ID>1</ID>{ref}<STATUS>OK</STATUS><INFO></INFO></MSG>")


def answered(messages: str, *, logon: str = "<LOGON>OK</LOGON><REASON></REASON>") -> Answer:
    """An answer with these `MSG` elements."""
    return Answer(f"<SESSION>{logon}<MSGLST>{messages}</MSGLST></SESSION>")


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def message(self) -> Element:
        """The `MSG` element, decoded as the HTTP charset says."""
        found = fromstring(self.body.decode("utf-8")).find("MSGLST/MSG")
        assert found is not None
        return found

    def value(self, name: str) -> str | None:
        """The text of an element of the message, None when it is absent."""
        return self.message.findtext(name)


@dataclass(slots=True)
class GatewayPeer:
    """Listens on a free port of 127.0.0.1 while its context is open."""

    tls: ssl.SSLContext | None = None
    requests: list[ReceivedRequest] = field(default_factory=list)
    has_request: asyncio.Event = field(default_factory=asyncio.Event)
    otherwise: Callable[[ReceivedRequest], Answer] = lambda _: accepted()
    """What a request gets for which nothing is planned."""
    delay: float = 0.0
    """Seconds between a request and the answer to it."""
    connections: int = 0
    port: int = 0
    _steps: deque[object] = field(default_factory=deque)
    _server: asyncio.Server | None = None
    _sessions: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}/sms/gateway"

    def next(self, *steps: object) -> None:
        """Do these things at the next requests, one each: an `Answer`, `HANG` or `DROP`."""
        self._steps.extend(steps)

    def hang_up(self) -> None:
        """Close every open connection."""
        for writer in self._sessions:
            writer.close()

    async def shut(self) -> None:
        """Take no connections any more and break those that are open, as a machine does that goes down."""
        assert self._server is not None
        self._server.close()
        for writer in self._sessions:
            writer.transport.abort()
        await self.wait_until_gone()

    async def reopen(self) -> None:
        """Listen again where it was before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)

    async def wait_until_gone(self) -> None:
        """Return when every session has ended."""
        while self._sessions:
            await asyncio.wait(self._sessions.values())

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
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
            while await self._serve_one(reader, writer, self.connections):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            del self._sessions[writer]

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> bool:
        self.requests.append(await _read_request(reader, connection))
        self.has_request.set()
        step = self._steps.popleft() if self._steps else self.otherwise(self.requests[-1])
        await asyncio.sleep(self.delay)
        if step is HANG:
            await reader.read()
        if not isinstance(step, Answer):
            return False
        writer.write(_as_http(step))
        await writer.drain()
        return step.keep_alive and step.cut is None


async def _read_request(reader: asyncio.StreamReader, connection: int) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(line, headers, body, connection)


def _as_http(answer: Answer) -> bytes:
    body = answer.body.encode("latin-1")
    connection = "keep-alive" if answer.keep_alive else "close"
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = f"HTTP/1.1 {answer.status} Whatever\r\nContent-Length: {len(body)}\r\nConnection: {connection}\r\n{more}\r\n"
    return head.encode() + body[: answer.cut]
