"""The API process: what it is made of, and its ASGI application."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.api import (
    captured,
    composed_orders,
    daily_exports,
    dashboard,
    end_user_log,
    errors,
    future_orders,
    health,
    instant_orders,
    metrics,
    monthly_metrics,
    reports,
    shipments,
    triggers,
)
from altinn_notifications.api import clock as clock_endpoints
from altinn_notifications.api.first_generation import orders, reads, status
from altinn_notifications.api.openapi import document, documentation_routes
from altinn_notifications.api.router import ApiApp
from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.channels.providers import email_providers, sms_providers
from altinn_notifications.clock import unturned
from altinn_notifications.console.pages import create_console
from altinn_notifications.database.pool import Database
from altinn_notifications.database.turned_clock import following
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.orders.contact_check import ContactCheck
from altinn_notifications.orders.registration import Registrar
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.reports.inbox import ReportInbox
from altinn_notifications.sending.instant import InstantSender
from altinn_notifications.settings import Environment, GeneralSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from altinn_notifications.api.router import Route
    from altinn_notifications.clock import Clock
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.settings import Settings


BASE: Final = "/notifications/"
"""Every path below it is the API's, also those without endpoint: their 404 has no body (spec 01, 1.1)."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint may call."""

    settings: Settings
    clock: Clock
    db: Database
    wakeups: Wakeups
    authenticator: Authenticator
    registrar: Registrar
    contact_check: ContactCheck
    reports: ReportInbox
    platform: Platform
    instant: InstantSender


@asynccontextmanager
async def build_services(settings: Settings, clock: Clock, db_url: str) -> AsyncIterator[Services]:
    """What the endpoints of one process share, on an open pool. The database may be away, now or later."""
    async with AsyncExitStack() as stack:
        size, patience = settings.database.pool_size, settings.database.timeout_seconds
        db = await Database.connect(db_url, pool_size=size, patience=patience, may_be_away=True)
        stack.push_async_callback(db.close)
        is_production = settings.general.environment is Environment.PRODUCTION
        authenticator = Authenticator(settings.authentication, unturned(clock), https_only=is_production)
        stack.push_async_callback(authenticator.close)
        wakeups = Wakeups(db)
        await stack.enter_async_context(following(clock, db, wakeups, listens=True))
        platform = open_platform(settings)
        stack.push_async_callback(platform.close)
        email, sms = email_providers(settings, clock, db), sms_providers(settings, clock, db)
        for close in [provider.close for provider in email] + [provider.close for provider in sms]:
            stack.push_async_callback(close)
        instant = InstantSender(db, clock, settings, email=email, sms=sms)
        stack.push_async_callback(instant.close)
        yield Services(
            settings=settings,
            clock=clock,
            db=db,
            wakeups=wakeups,
            authenticator=authenticator,
            registrar=Registrar(db, wakeups),
            contact_check=ContactCheck(platform),
            reports=ReportInbox(db, wakeups),
            platform=platform,
            instant=instant,
        )


def routes(general: GeneralSettings) -> list[Route]:
    """Every endpoint that the settings let be served."""
    served = [
        *future_orders.ROUTES,
        *instant_orders.ROUTES,
        *composed_orders.ROUTES,
        *shipments.ROUTES,
        *dashboard.ROUTES,
        *end_user_log.ROUTES,
        *orders.ROUTES,
        *reads.ROUTES,
        *status.ROUTES,
        *triggers.ROUTES,
        *health.ROUTES,
        *metrics.ROUTES,
        *monthly_metrics.ROUTES,
        *daily_exports.ROUTES,
        *reports.ROUTES,
        *errors.ROUTES,
    ]
    if general.environment is Environment.LOCAL:
        served += [*clock_endpoints.ROUTES, *captured.ROUTES]
    return served + (documentation_routes(served, general.base_uri) if general.openapi else [])


def published_document() -> dict[str, Any]:
    """The OpenAPI document of the endpoints that every environment has, as it is committed in docs/openapi.json."""
    general = GeneralSettings(environment=Environment.TEST, base_uri="http://localhost:5090")
    return document(routes(general), general.base_uri)


def create_app(services: Services) -> ASGIApp:
    """The ASGI application of `services`."""
    return Application(ApiApp(services, routes(services.settings.general)), create_console(services))


class Application:
    """Hands each request to the API, or to the console if the API does not know its path.

    What lives as long as the process is opened and closed around it.
    """

    def __init__(self, api: ApiApp, console: ASGIApp) -> None:
        self._api = api
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of an ASGI server."""
        if scope["type"] == "http":
            path = scope["path"]
            is_api = path[: len(BASE)].lower() == BASE or self._api.knows(path)
            await (self._api if is_api else self._console)(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _acknowledge(receive, send)


async def _acknowledge(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
