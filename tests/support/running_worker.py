"""A whole worker in the test's own process, between peers that stand for the platform and the providers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from altinn_notifications.settings import DatabaseSettings, EmailSettings, Settings, SmsSettings
from altinn_notifications.worker import build_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import Clock
    from support.gateway_peer import GatewayPeer
    from support.platform_peer import PlatformPeer
    from support.smtp_peer import SmtpPeer


@asynccontextmanager
async def running_worker(
    database_url: str,
    clock: Clock,
    *,
    platform: PlatformPeer,
    smtp: SmtpPeer,
    gateway: GatewayPeer,
    database: DatabaseSettings | None = None,
) -> AsyncIterator[None]:
    """The worker works as long as the block lasts, and has stopped in order when it ends."""
    settings = Settings(
        database=database or DatabaseSettings(pool_size=5),
        email=EmailSettings(smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_connections=2),
        sms=SmsSettings(gateway_endpoint=gateway.url),
        platform=platform.settings().platform,
    )
    stop = asyncio.Event()
    async with build_worker(settings, clock, database_url) as worker:
        work = asyncio.create_task(worker.run(stop))
        try:
            yield
        finally:
            stop.set()
            await work
