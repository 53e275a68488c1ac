"""Shared fixtures: one embedded PostgreSQL per test run, one migrated database per test, copied from a template."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from altinn_notifications.clock import FixedClock
from altinn_notifications.database.embedded import EmbeddedServer
from altinn_notifications.database.migrate import migrate
from altinn_notifications.database.partitions import make_ahead
from altinn_notifications.database.pool import Database
from support.databases import SERVER, TEMPLATE, a_database
from support.service import Service, running_service
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytest_plugins = ["support.browser"]


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once, in the process that controls the others."""
    if hasattr(config, "workerinput") or SERVER in os.environ:
        return
    directory = tempfile.TemporaryDirectory(prefix="notifications-test-")
    server = EmbeddedServer(Path(directory.name) / "postgresql", durable=False)
    server.start()
    config.add_cleanup(directory.cleanup)
    config.add_cleanup(server.stop)
    config.add_cleanup(_forget_server)
    asyncio.run(_create_template(server.url("postgres"), server.url(TEMPLATE)))
    os.environ[SERVER] = server.url("{database}")


def _forget_server() -> None:
    os.environ.pop(SERVER, None)


async def _create_template(admin_url: str, template_url: str) -> None:
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {TEMPLATE}")
    await migrate(template_url)
    await admin.close()
    template = await Database.connect(template_url, pool_size=1)
    await make_ahead(template, NOON)
    await template.close()


@pytest.fixture
async def database_url() -> AsyncIterator[str]:
    """A migrated database of one test's own."""
    async with a_database() as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool on the test's own database."""
    database = await Database.connect(database_url, pool_size=5)
    yield database
    await database.close()


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at noon and is turned by the test."""
    return FixedClock(NOON)


@pytest.fixture
async def service(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    """The application on the test's own database."""
    async with running_service(database_url, clock) as running:
        yield running
