from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from altinn_notifications.api import shipments
from altinn_notifications.api.router import ApiApp
from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.settings import Settings
from support.tokens import TokenIssuer, running_issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.app import Services
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def client(db: Database, clock: FixedClock, issuer: TokenIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the tracking endpoints that sends `ttd`'s token unless told otherwise."""
    async with client_of(db, clock, issuer) as client:
        client.headers["Authorization"] = f"Bearer {issuer.enterprise('ttd')}"
        yield client


@asynccontextmanager
async def client_of(db: Database, clock: FixedClock, issuer: TokenIssuer) -> AsyncIterator[httpx.AsyncClient]:
    authenticator = Authenticator(issuer.settings(), clock)
    parts = SimpleNamespace(settings=Settings(), clock=clock, db=db, authenticator=authenticator)
    app = ApiApp(cast("Services", parts), shipments.ROUTES)  # the parts that these endpoints use
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/notifications/api/v1/future") as client:
        yield client
    await authenticator.close()
