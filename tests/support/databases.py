"""Migrated databases on the test run's own server."""

from __future__ import annotations

import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEMPLATE = "notifications_template"
SERVER = "TEST_POSTGRESQL_URL"


def url_of(database: str) -> str:
    """Connection URL of a database on the test server."""
    return os.environ[SERVER].replace("{database}", database).replace("%7Bdatabase%7D", database)


@asynccontextmanager
async def a_database() -> AsyncIterator[str]:
    """The URL of a new migrated database, which is gone after the block."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(url_of("postgres"))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    try:
        yield url_of(name)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
