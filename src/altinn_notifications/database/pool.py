"""A pool of PostgreSQL connections, with jsonb as Python values."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    Row = asyncpg.Record
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached, or cannot work at the moment; the work was not done and may be repeated."""


CONNECTION_ERRORS = (
    OSError,
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


class Database:
    """One process's connections. `fetch` and its kin run one statement in its own transaction."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    async def connect(cls, url: str, *, pool_size: int = 10, may_be_away: bool = False) -> Database:
        """Open the pool.

        Raises `DatabaseUnavailable` when the server does not answer, unless it `may_be_away`: then whoever uses the
        pool finds out.
        """
        try:
            pool = await _open_pool(url, min_size=1, max_size=pool_size)
        except CONNECTION_ERRORS as error:
            if not may_be_away:
                raise DatabaseUnavailable(describe(error)) from error
            pool = await _open_pool(url, min_size=0, max_size=pool_size)
        return cls(pool, url)

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
            async with self._pool.acquire() as connection:
                yield connection
        except CONNECTION_ERRORS as error:
            raise DatabaseUnavailable(describe(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Borrow a connection inside a transaction that commits unless an exception leaves the block."""
        async with self.connection() as connection, connection.transaction():
            yield connection


async def _open_pool(url: str, *, min_size: int, max_size: int) -> asyncpg.Pool[asyncpg.Record]:
    return await asyncpg.create_pool(
        url,
        min_size=min_size,
        max_size=max_size,
        init=prepare_connection,
        reset=_keep_session,
        max_inactive_connection_lifetime=60,
    )


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
