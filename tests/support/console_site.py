"""The console on its own: its application, and a server for a browser."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import httpx
import uvicorn

from altinn_notifications.console.pages import create_console
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from altinn_notifications.app import Services
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database


def a_console(db: Database, clock: Clock, settings: Settings | None = None) -> ASGIApp:
    """The console of a local service."""
    parts = SimpleNamespace(settings=settings or Settings(), clock=clock, db=db, wakeups=Wakeups(db))
    return create_console(cast("Services", parts))  # the parts of the service that the console uses


def reader_of(db: Database, clock: Clock, settings: Settings | None = None) -> httpx.AsyncClient:
    """Somebody who reads the console's pages with a browser."""
    transport = httpx.ASGITransport(a_console(db, clock, settings))
    return httpx.AsyncClient(transport=transport, base_url="http://console", headers={"Accept": "text/html"})


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The address at which `app` is served as long as the block lasts."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", loop="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it by this attribute only
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task
