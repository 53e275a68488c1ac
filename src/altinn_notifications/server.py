"""The API process's HTTP server: uvicorn, told what we need of it and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn

from altinn_notifications.app import build_services, create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import Settings

OPEN_REQUESTS_SECONDS: Final = 5
log = structlog.get_logger()


async def serve_api(settings: Settings, clock: Clock, db_url: str, stop: asyncio.Event) -> None:
    """Answer HTTP requests until `stop` is set; while the database is away, that orders cannot be taken."""
    async with build_services(settings, clock, db_url) as services:
        server = _Server(
            uvicorn.Config(
                create_app(services),
                host=settings.general.host,
                port=settings.general.port,
                http="httptools",
                lifespan="off",
                access_log=False,
                server_header=False,
                log_config=None,
                timeout_graceful_shutdown=OPEN_REQUESTS_SECONDS,
            )
        )
        stopper = asyncio.create_task(_stop_server(server, stop))
        log.info("api_started", host=settings.general.host, port=settings.general.port)
        await server.serve()
        stopper.cancel()
        log.info("api_stopped")


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `run_until_stopped`: uvicorn would raise them again before our clean-up."""
        yield


async def _stop_server(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
