"""A pool of PostgreSQL connections, with jsonb as Python values."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    Row = asyncpg.Record
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached, or cannot work at the moment; the work was not done and may be repeated."""


CONNECTION_ERRORS = (
    OSError,  # also what runs out of time
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # too many connections, memory, a full disk
    asyncpg.ReadOnlySQLTransactionError,  # a standby that has not taken over yet
    asyncpg.TransactionRollbackError,  # deadlocks
)
"""What asyncpg raises when the server is to blame, as opposed to when a statement is wrong."""


LONG_STATEMENT_SECONDS: Final = 3600.0
"""The `timeout` of statements that may rightly take long: upkeep and exports, for which no client waits."""
CONNECT_SECONDS: Final = 60.0


class Database:
    """One process's connections. `fetch` and its kin run one statement in its own transaction."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], url: str, patience: float | None) -> None:
        self._pool = pool
        self._patience = patience
        self.url = url

    @classmethod
    async def connect(
        cls, url: str, *, pool_size: int = 10, may_be_away: bool = False, patience: float | None = None
    ) -> Database:
        """Open the pool.

        A server that keeps a connection, an answer or a statement's turn waiting for longer than `patience` (seconds)
        counts as away: it may hang with its sockets open, which TCP does not notice. None: it may take any time.
        Raises `DatabaseUnavailable` when the server does not answer, unless it `may_be_away`: then whoever uses the
        pool finds out.
        """
        try:
            pool = await _open_pool(url, min_size=1, max_size=pool_size, patience=patience)
        except CONNECTION_ERRORS as error:
            if not may_be_away:
                raise DatabaseUnavailable(describe(error)) from error
            pool = await _open_pool(url, min_size=0, max_size=pool_size, patience=patience)
        return cls(pool, url, patience)

    async def connect_apart(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection outside the pool, for what must keep its session; the caller closes it.

        Raises one of `CONNECTION_ERRORS`, also later when the server does not answer in time.
        """
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(self.url, **_limits(self._patience))
        try:
            await prepare_connection(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:
        """Run one statement and return its first row."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run one statement and return the first column of its first row."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement and return PostgreSQL's command tag."""
        async with self.connection() as connection:
            return await connection.execute(query, *args)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection. Raises `DatabaseUnavailable` when the server is away."""
        try:
            async with asyncio.timeout(self._patience):
                connection = await self._pool.acquire()
            try:
                yield connection
            finally:
                await self._pool.release(connection)
        except CONNECTION_ERRORS as error:
            raise DatabaseUnavailable(describe(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Borrow a connection inside a transaction that commits unless an exception leaves the block."""
        async with self.connection() as connection, connection.transaction():
            yield connection


async def _open_pool(url: str, *, min_size: int, max_size: int, patience: float | None) -> asyncpg.Pool[asyncpg.Record]:
    return await asyncpg.create_pool(
        url,
        min_size=min_size,
        max_size=max_size,
        init=prepare_connection,
        reset=_keep_session,
        max_inactive_connection_lifetime=60,
        **_limits(patience),
    )


def _limits(patience: float | None) -> dict[str, Any]:
    return {"timeout": min(patience or CONNECT_SECONDS, CONNECT_SECONDS), "command_timeout": patience}


async def prepare_connection(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Read and write jsonb as Python values."""
    await connection.set_type_codec("jsonb", encoder=_to_json, decoder=json.loads, schema="pg_catalog")


async def _keep_session(_connection: Connection) -> None:
    """Give a connection back as it is: asyncpg's own clean-up would be one more round trip for each statement.

    Nobody changes the session of a pooled connection: no `SET`, no `LISTEN`, no advisory lock beyond a transaction. A
    transaction that was left open is still rolled back.
    """


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def describe(error: BaseException) -> str:
    """A short reason without addresses or secrets, for a person."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows as columns, the form in which `unnest` takes many rows in one statement."""
    return [list(column) for column in zip(*rows, strict=True)]
