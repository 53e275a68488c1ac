"""The local platform put together: one application, one event loop, HTTP and SMTP."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import httpx
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from altinn_notifications.clock import SystemClock, TurnableClock
from altinn_notifications.settings import Environment
from altinn_notifications.simulator import passthrough, sms_gateway, tokens
from altinn_notifications.simulator.acs import Acs
from altinn_notifications.simulator.authorization import Authorization
from altinn_notifications.simulator.bodies import BadRequest
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.captured import CapturedSms, captures_sms
from altinn_notifications.simulator.clock_pages import ClockPages
from altinn_notifications.simulator.condition_pages import ConditionPages
from altinn_notifications.simulator.conditions import ConditionEndpoints
from altinn_notifications.simulator.control import Control
from altinn_notifications.simulator.dialogporten import Dialogporten
from altinn_notifications.simulator.fault_pages import FaultPages
from altinn_notifications.simulator.files import FileEndpoints
from altinn_notifications.simulator.keys import SigningKeys
from altinn_notifications.simulator.mailbox import Reception
from altinn_notifications.simulator.mailbox_pages import MailboxPages
from altinn_notifications.simulator.observation import observed
from altinn_notifications.simulator.organisation_pages import OrganisationPages
from altinn_notifications.simulator.outbox import Postman
from altinn_notifications.simulator.pages import SHARED_STATIC, STATIC, Pages
from altinn_notifications.simulator.person_pages import PersonPages
from altinn_notifications.simulator.phone_pages import PhonePages
from altinn_notifications.simulator.profile import Profile
from altinn_notifications.simulator.register import Register
from altinn_notifications.simulator.reports import EventGrid, GatewayCallback
from altinn_notifications.simulator.shared_time import SharedTime
from altinn_notifications.simulator.smtp import SmtpServer
from altinn_notifications.simulator.start_page import StartPage
from altinn_notifications.simulator.state import Behaviour, SimulatorState
from altinn_notifications.simulator.user_pages import UserPages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import Settings, SimulatorSettings

_TIMEOUT: Final = httpx.Timeout(30, connect=5)
_CONNECTIONS: Final = httpx.Limits(max_connections=200, max_keepalive_connections=50)
_SECONDS_TO_LEAVE: Final = 2
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to

log = structlog.get_logger()


class SimulatorInProduction(Exception):
    """The local platform was to be started beside a service in production mode."""

    def __init__(self) -> None:
        super().__init__(
            "the local platform refuses to start: NOTIFICATIONS_ENVIRONMENT is production, "
            "where nobody may be shown a message that was not sent"
        )


def create_simulator(settings: Settings, clock: Clock, *, smtp_listener: socket.socket | None = None) -> Starlette:
    """The local platform as an application; its lifespan opens the mailbox's port and posts delivery reports.

    The mailbox listens on `smtp_listener` if one is given, else on the port of the settings.
    Raises `SimulatorInProduction`. Source: spec 13, 9.
    """
    if settings.general.environment is Environment.PRODUCTION:
        raise SimulatorInProduction
    turned = TurnableClock(clock)
    behaviour = Behaviour(
        report_delay=timedelta(milliseconds=settings.simulator.report_delay_ms),
        allow_list=frozenset(settings.sms.allow_list),
    )
    state, pages = SimulatorState(behaviour, turned), Pages(turned)
    http = httpx.AsyncClient(timeout=_TIMEOUT, limits=_CONNECTIONS, trust_env=False)

    time = SharedTime(turned, settings.simulator.service_url, http)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        listener = smtp_listener or bound(settings.simulator.host, settings.simulator.smtp_port)
        app.state.smtp_port = listener.getsockname()[1]
        async with (
            _mailbox(Reception(state, turned), listener),
            _postmen(settings, state, http, turned),
            _adopting(time, state),
            _showing_captured(settings, http, state),
            http,
        ):
            log.info("simulator_started", port=settings.simulator.port, smtp_port=app.state.smtp_port)
            yield

    async def explain_bad_request(request: Request, error: Exception) -> Response:
        return pages.bad_request(request, getattr(error, "errors", {}))

    return Starlette(
        routes=[*_routes(settings, state, http, turned, pages), *ClockPages(turned, time, pages).routes()],
        lifespan=lifespan,
        exception_handlers={BadRequest: explain_bad_request},
    )


def _routes(
    settings: Settings, state: SimulatorState, http: httpx.AsyncClient, clock: TurnableClock, pages: Pages
) -> list[BaseRoute]:
    """Every address of the platform, the busiest first."""
    service_url = settings.simulator.service_url
    keys = SigningKeys(clock.machine.now(), settings.simulator.keys_directory)
    token_state = tokens.TokenState(public_url(settings.simulator), clock.machine, keys)
    return [
        *sms_gateway.routes(sms_gateway.SmsGateway(settings.sms, state, clock), state, clock),
        *passthrough.routes(passthrough.PassThrough(service_url, http, state, clock)),
        *Acs(settings.acs, state, clock).routes(),
        *Profile(state, clock).routes(),
        *Register(state, token_state, clock).routes(),
        *Authorization(state, clock).routes(),
        *ConditionEndpoints(state, token_state, clock).routes(),
        *Dialogporten(state, token_state, clock).routes(),
        *tokens.routes(token_state, lambda endpoint: observed(endpoint, Target.MASKINPORTEN, state, clock)),
        *StartPage(settings, state, token_state.keys, pages).routes(),
        *_pages(settings, state, clock, pages),
        *Control(service_url, http, state, token_state, pages).routes(),
        Mount("/static", StaticFiles(directory=SHARED_STATIC)),
        Mount("/sim/static", StaticFiles(directory=STATIC)),
    ]


def _pages(settings: Settings, state: SimulatorState, clock: Clock, pages: Pages) -> list[BaseRoute]:
    """Where people look, and change what the registers know."""
    return [
        *MailboxPages(state, pages).routes(),
        *PhonePages(state, clock, pages).routes(),
        *PersonPages(state, clock, pages).routes(),
        *OrganisationPages(state, clock, pages).routes(),
        *UserPages(state, pages).routes(),
        *ConditionPages(public_url(settings.simulator), state, pages).routes(),
        *FaultPages(state, pages).routes(),
        *FileEndpoints(public_url(settings.simulator), state, clock, pages).routes(),
    ]


@asynccontextmanager
async def _mailbox(reception: Reception, listener: socket.socket) -> AsyncIterator[None]:
    server = SmtpServer(reception)
    await server.start(listener)
    try:
        yield
    finally:
        await server.stop()


@asynccontextmanager
async def _postmen(
    settings: Settings, state: SimulatorState, http: httpx.AsyncClient, clock: Clock
) -> AsyncIterator[None]:
    service_url = settings.simulator.service_url
    postmen = [
        Postman(state.email_reports, EventGrid(service_url, settings.email), http, clock),
        Postman(state.sms_reports, GatewayCallback(service_url, settings.sms), http, clock),
    ]
    rounds = [asyncio.create_task(postman.run()) for postman in postmen]
    try:
        yield
    finally:
        for task in rounds:
            task.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)


@asynccontextmanager
async def _adopting(time: SharedTime, state: SimulatorState) -> AsyncIterator[None]:
    """Begin in the service's time, with contact data that are fresh then."""

    async def adopt() -> None:
        if await time.adopt():
            state.registers.clear()

    task = asyncio.create_task(adopt())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _showing_captured(settings: Settings, http: httpx.AsyncClient, state: SimulatorState) -> AsyncIterator[None]:
    """Show on the phones what the service keeps to itself, where it does."""
    if settings.general.environment is not Environment.LOCAL or not captures_sms(settings):
        yield
        return
    task = asyncio.create_task(CapturedSms(settings.simulator.service_url, http, state).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def serve(settings: Settings) -> None:
    """Run the local platform until a signal or a cancellation ends it; both close every port first.

    Raises `SimulatorInProduction`, and `OSError` when a port is taken.
    """
    if settings.general.environment is Environment.PRODUCTION:
        raise SimulatorInProduction
    host = settings.simulator.host
    with bound(host, settings.simulator.port) as http_listener, bound(host, settings.simulator.smtp_port) as mailbox:
        app = create_simulator(settings, SystemClock(), smtp_listener=mailbox)
        server = uvicorn.Server(http_config(app))
        serving = asyncio.create_task(server.serve(sockets=[http_listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise


def public_url(settings: SimulatorSettings) -> str:
    """Where callers on this machine reach the platform; tokens and metadata name it as their issuer."""
    host = "localhost" if settings.host in _THIS_MACHINE else settings.host
    return f"http://{host}:{settings.port}"


def http_config(app: Starlette) -> uvicorn.Config:
    """How the platform speaks HTTP: silently, and without headers of its own on what it passes through."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_SECONDS_TO_LEAVE,
    )


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises `OSError`, which names the address, when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    listener.setblocking(False)  # noqa: FBT003 - the standard library takes it so
    # Only sockets that say they are TCP get TCP_NODELAY from asyncio; without it each small answer waits 40 ms.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, listener.detach())
