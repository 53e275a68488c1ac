"""Versioned migrations: the SQL files beside this module, applied in order of their number.

Every process applies what is missing when it starts. Several may start at once: a lock lets one of them work while the
others wait and then find nothing left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import asyncpg

from altinn_notifications.database.pool import CONNECTION_ERRORS, DatabaseUnavailable, describe

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Connection, Database

MIGRATION_LOCK: Final = 0x616C7469_6E6E  # any number that nobody else uses: "altinn"
OLDEST_SERVER: Final = 150_000


class UnsupportedServer(Exception):
    """The PostgreSQL server is older than version 15."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """All steps, oldest first."""
    folder = resources.files("altinn_notifications.database") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [Migration(int(file.name.split("_")[0]), file.name.removesuffix(".sql"), file.read_text()) for file in files]


async def migrate(url: str) -> list[Migration]:
    """Apply what is missing and return it.

    Raises `DatabaseUnavailable` when the server cannot be reached and `UnsupportedServer` when it is too old.
    """
    try:
        connection = await asyncpg.connect(url)
    except CONNECTION_ERRORS as error:
        raise DatabaseUnavailable(describe(error)) from error
    try:
        return await _apply_missing(connection)
    finally:
        await connection.close()


async def _apply_missing(connection: Connection) -> list[Migration]:
    version = connection.get_server_version()
    if version.major * 10_000 < OLDEST_SERVER:
        msg = f"PostgreSQL 15 or newer is needed, this is {version.major}.{version.minor}"
        raise UnsupportedServer(msg)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (number integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"
        )
        applied = {row["number"] for row in await connection.fetch("SELECT number FROM schema_migrations")}
        missing = [migration for migration in migrations() if migration.number not in applied]
        for migration in missing:
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)", migration.number, migration.name
            )
    return missing


async def is_current(db: Database) -> bool:
    """Whether every migration of this version is applied."""
    newest = migrations()[-1].number
    if await db.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return False
    return bool(await db.fetchval("SELECT max(number) >= $1 FROM schema_migrations", newest))
