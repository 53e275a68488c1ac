from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.settings import Environment, GeneralSettings, Settings
from support.console_site import reader_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database


@pytest.fixture
async def console(db: Database, clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of a local service's console."""
    async with reader_of(db, clock) as client:
        yield client


@pytest.fixture
async def shared_console(db: Database, clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of the console of a shared test environment."""
    settings = Settings(general=GeneralSettings(environment=Environment.TEST))
    async with reader_of(db, clock, settings) as client:
        yield client
