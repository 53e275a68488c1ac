"""A way to the database that can stop forwarding while every socket stays open, as a server that hangs does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class DatabaseProxy:
    """Listens on a port of its own. `hang` holds everything back, `go_on` lets it through."""

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self._is_forwarding = asyncio.Event()
        self._is_forwarding.set()
        self._connections: set[asyncio.Task[None]] = set()
        self.hang, self.go_on = self._is_forwarding.clear, self._is_forwarding.set
        self.port = 0

    @property
    def url(self) -> str:
        """The database's URL through the proxy."""
        return f"postgresql://{self._target.username}@127.0.0.1:{self.port}{self._target.path}?sslmode=disable"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with suppress(asyncio.CancelledError, ConnectionError):
            there, back = await self._open()
            with suppress(ConnectionError):
                await asyncio.wait(
                    [asyncio.create_task(self._pass(reader, back)), asyncio.create_task(self._pass(there, writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            back.close()
        writer.close()
        self._connections.discard(task)

    async def stop(self) -> None:
        """Hang up on everybody."""
        self.go_on()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        (folder,) = parse_qs(self._target.query)["host"]
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while octets := await reader.read(65536):
                await self._is_forwarding.wait()
                writer.write(octets)
                await writer.drain()


@asynccontextmanager
async def database_proxy(database_url: str) -> AsyncIterator[DatabaseProxy]:
    """A proxy as long as the block lasts."""
    proxy = DatabaseProxy(database_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.stop()
