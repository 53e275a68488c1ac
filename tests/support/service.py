"""The service as a client meets it: the whole ASGI application on the test's database, and an issuer of tokens."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from altinn_notifications.app import build_services, create_app
from altinn_notifications.settings import DatabaseSettings, Settings
from support.tokens import running_issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from altinn_notifications.app import Services
    from altinn_notifications.clock import Clock
    from support.tokens import TokenIssuer

API = "/notifications/api/v1"
ORDERS = f"{API}/future/orders"
METRICS_KEY = "4a8f7d0e"


class Service:
    """The running application. `get` and `post` act for `ttd` unless other credentials are given."""

    def __init__(self, app: ASGIApp, services: Services, issuer: TokenIssuer) -> None:
        self.app = app
        self.services = services
        self.issuer = issuer
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://service")
        """Without credentials of its own."""
        self.bearer = issuer.enterprise()

    def authorization(self, creator: str | None = "ttd", **claims: Any) -> dict[str, str]:
        """Headers of a caller of this organisation."""
        return {"Authorization": f"Bearer {self.issuer.enterprise(creator, **claims)}"}

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """`GET` as `ttd`."""
        return await self.client.get(path, headers={"Authorization": f"Bearer {self.bearer}", **headers})

    async def post(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """`POST` as `ttd`; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        standard = {"Authorization": f"Bearer {self.bearer}", "Content-Type": "application/json"}
        return await self.client.post(path, content=content, headers=standard | (headers or {}))

    async def order(self, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """Order a chain as `ttd`."""
        return await self.post(ORDERS, body, headers=headers)


@asynccontextmanager
async def running_service(database_url: str, clock: Clock, **settings: Any) -> AsyncIterator[Service]:
    """The application as long as the block lasts. `settings` replace groups of the default settings."""
    async with running_issuer(clock.now()) as issuer:
        authentication = issuer.settings(metrics_api_key=SecretStr(METRICS_KEY))
        groups = {"database": DatabaseSettings(pool_size=5), "authentication": authentication} | settings
        async with build_services(Settings(**groups), clock, database_url) as services:
            service = Service(create_app(services), services, issuer)
            async with service.client:
                yield service


EXPLAINED = ("errorCode", "documentation")
"""What every problem body has besides what the original's clients know."""


def errors_of(response: httpx.Response) -> dict[str, list[str]]:
    """The errors of a 400, checked for its shape (spec 01, 6.1)."""
    assert response.status_code == 400, response.text
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "errors", "traceId", *EXPLAINED}
    assert problem["status"] == 400
    assert problem["errors"]
    assert all(problem["errors"].values())
    errors: dict[str, list[str]] = problem["errors"]
    return errors


def keys_of(response: httpx.Response) -> set[str]:
    """The keys of a 400."""
    return set(errors_of(response))
