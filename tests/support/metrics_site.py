"""The metrics endpoints over real sockets, for the job that holds the key and for everybody."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from altinn_notifications.settings import AuthenticationSettings
from support.console_site import serving
from support.service import API, METRICS_KEY, running_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import Clock

KEY = METRICS_KEY
METRICS = f"{API}/metrics"


@asynccontextmanager
async def metrics_client(
    database_url: str, clock: Clock, *, key: str | None = KEY, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running service that knows `key`; what the client sends is up to the test."""
    authentication = AuthenticationSettings(metrics_api_key=None if key is None else SecretStr(key))
    async with (
        running_service(database_url, clock, authentication=authentication, **settings) as service,
        serving(service.app) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        yield client
