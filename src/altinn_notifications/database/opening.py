"""The database that the settings name: a server at a URL, or the embedded one for as long as it is needed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.database.embedded import EmbeddedServer, EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.settings import DatabaseSettings

DATABASE: Final = "notifications"
WATCH_SECONDS: Final = 1.0
log = structlog.get_logger()


@asynccontextmanager
async def opened(settings: DatabaseSettings) -> AsyncIterator[str]:
    """The URL of the database; the embedded server is started, kept running, and stopped at the end.

    Raises `EmbeddedServerError`.
    """
    if settings.url is not None:
        yield settings.url.get_secret_value()
        return
    server = EmbeddedServer(settings.directory)
    try:
        await asyncio.to_thread(server.start)
        url = await server.ensure_database(DATABASE)
        watch = asyncio.create_task(_keep_running(server))
        try:
            yield url
        finally:
            watch.cancel()
            await asyncio.wait([watch])
    finally:
        await asyncio.to_thread(server.stop)


async def _keep_running(server: EmbeddedServer) -> None:
    """Start the server again whenever its process has died."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if not server.is_running():
            log.warning("embedded_server_died")
            try:
                await asyncio.to_thread(server.start)
            except EmbeddedServerError as error:
                log.error("embedded_server_not_started", reason=error.reason)  # noqa: TRY400 - the reason says it all
