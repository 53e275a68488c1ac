"""The console: pages for those who watch over the service or answer for an order."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles

from altinn_notifications.console.addresses import AddressBook, addresses_are_shown
from altinn_notifications.console.attention_page import (
    SHOWN_AT_MOST,
    attention_page,
    chosen,
    message_ids,
    replay_news,
    report_ids,
    retry_news,
)
from altinn_notifications.console.guard import NOT_FOUND, Guard, error_response
from altinn_notifications.console.live import Live, live
from altinn_notifications.console.order_lists import orders_page, search_page
from altinn_notifications.console.order_page import LocalPlatform, OrderPage, Viewpoint, order_page
from altinn_notifications.console.overview_page import OverviewPage, overview_page
from altinn_notifications.console.recipient_page import (
    EMPTY_PAGE,
    MESSAGES_AT_MOST,
    read_form,
    recipient_page,
    refused_page,
)
from altinn_notifications.console.rendering import Templates
from altinn_notifications.database.wakeups import NOTIFICATIONS
from altinn_notifications.presence import SILENCE
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.reports.dead import Wanted, list_dead
from altinn_notifications.reports.replay import dismiss, replay
from altinn_notifications.sending.waiting import list_waiting, send_now
from altinn_notifications.settings import Environment
from altinn_notifications.tracking.dependencies import dependency_states
from altinn_notifications.tracking.history import MESSAGES_AT_ONCE, load_history
from altinn_notifications.tracking.listing import Selection, describe_orders, list_orders
from altinn_notifications.tracking.notices import find_notices
from altinn_notifications.tracking.overview import read_overview
from altinn_notifications.tracking.providers import provider_states
from altinn_notifications.tracking.search import place_of, search

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from altinn_notifications.app import Services
    from altinn_notifications.settings import GeneralSettings, Settings
    from altinn_notifications.tracking.search import Hit

STATIC: Final = Path(__file__).parent / "static"
OVERVIEW_SECONDS: Final = 1.0
OVERVIEW_POLL: Final = "every 2s"
LONGEST_PLACE: Final = 8
_UNCACHED: Final = {"Cache-Control": "no-store"}


def create_console(services: Services) -> ASGIApp:
    """The console as an ASGI application; one that knows no page where the settings do not let it be served."""
    if not is_served(services.settings.general):
        return nothing
    local = local_platform(services.settings)
    templates = Templates(services.settings.general, local)
    pages = Pages(services, templates, local)

    async def no_such_page(scope: Scope, receive: Receive, send: Send) -> None:
        await error_response(templates, NOT_FOUND, scope)(scope, receive, send)

    async def no_such_file(request: Request, _: Exception) -> Response:
        return error_response(templates, NOT_FOUND, request.scope)

    routes = [
        Route("/", pages.overview),
        Route("/overview/live", pages.overview_news),
        Route("/orders", pages.orders),
        Route("/orders/{order_id:uuid}", pages.order),
        Route("/orders/{order_id:uuid}/live", pages.order_news),
        Route("/search", pages.search),
        Route("/recipients", pages.recipients, methods=["GET", "POST"]),
        Route("/attention", pages.attention),
        Route("/attention/reports", pages.replay_reports, methods=["POST"]),
        Route("/attention/reports/dismiss", pages.dismiss_reports, methods=["POST"]),
        Route("/attention/messages", pages.retry_messages, methods=["POST"]),
        Mount("/console/static", StaticFiles(directory=STATIC)),
    ]
    return Guard(ExceptionMiddleware(Router(routes, default=no_such_page), {404: no_such_file}), templates)


def is_served(general: GeneralSettings) -> bool:
    """Whether the console is on: its setting, which production must name to have any."""
    if general.environment is Environment.PRODUCTION and "console" not in general.model_fields_set:
        return False
    return general.console


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without pages."""
    await Response(status_code=404)(scope, receive, send)


def local_platform(settings: Settings) -> LocalPlatform | None:
    """Where messages can be seen on this machine, if they can."""
    if settings.general.environment is not Environment.LOCAL or not settings.simulator.enabled:
        return None
    return LocalPlatform(f"http://localhost:{settings.simulator.port}")


class Pages:
    """The handlers: each reads, makes a context, and renders it."""

    def __init__(self, services: Services, templates: Templates, local: LocalPlatform | None) -> None:
        self._services, self._templates, self._local = services, templates, local
        self._book = AddressBook(addresses_are_shown(services.settings.general))
        hours = services.settings.notification
        self._window = SendWindow(hours.sms_send_window_start_hour, hours.sms_send_window_end_hour)
        self._overview: tuple[float, OverviewPage] | None = None
        self._reading_overview = asyncio.Lock()

    async def overview(self, _: Request) -> Response:
        """`/`"""
        page = await self._read_overview()
        return self._page("overview.html", page, live=live(page, "/overview/live", OVERVIEW_POLL))

    async def overview_news(self, request: Request) -> Response:
        """What has changed on `/` since the version that the request names."""
        page = await self._read_overview()
        return self._news(request, "_overview.html", page, live(page, "/overview/live", OVERVIEW_POLL))

    async def orders(self, request: Request) -> Response:
        """`/orders`, with `show` (a selection) and `after` (the last order of the page before)."""
        selection, after = _selection(request), _uuid(request.query_params.get("after"))
        found = await list_orders(self._services.db, selection, after=after)
        return self._page("orders.html", orders_page(selection, found, is_first=after is None))

    async def order(self, request: Request) -> Response:
        """`/orders/{id}`, with `from` (the first message of a large order)."""
        page = await self._read_order(request)
        if page is None:
            return error_response(self._templates, NOT_FOUND, request.scope)
        return self._page("order.html", page, live=_order_live(page))

    async def order_news(self, request: Request) -> Response:
        """What has changed on `/orders/{id}` since the version that the request names."""
        page = await self._read_order(request)
        if page is None:
            return Response(status_code=404)
        return self._news(request, "_order.html", page, _order_live(page))

    async def search(self, request: Request) -> Response:
        """`/search?q=`: straight to the order if there is one, else a list."""
        text = request.query_params.get("q", "").strip()
        hits = await search(self._services.db, text)
        if len({hit.order_id for hit in hits}) == 1:
            return RedirectResponse(await self._address_of(hits[0]), 303)
        lines = await describe_orders(self._services.db, [hit.order_id for hit in hits])
        return self._page("search.html", search_page(text, hits, lines))

    async def recipients(self, request: Request) -> Response:
        """`/recipients`: the number comes in a form, so that no address line, history or access log has it."""
        if request.method != "POST":
            return self._page("recipients.html", EMPTY_PAGE)
        form = await read_form(request)
        if form.identity is None:
            return self._page("recipients.html", refused_page(form), 400)
        now = self._services.clock.now()
        since = now - timedelta(days=form.days)
        notices = await find_notices(self._services.db, form.identity, since=since, until=now, limit=MESSAGES_AT_MOST)
        return self._page("recipients.html", recipient_page(form, form.identity, notices, self._book))

    async def attention(self, _: Request) -> Response:
        """`/attention`: dead delivery reports and messages that wait."""
        return await self._attention(None)

    async def replay_reports(self, request: Request) -> Response:
        """The dead reports that were chosen, once more."""
        ids = report_ids(await chosen(request))
        outcomes = await replay(self._services.db, ids, now=self._services.clock.now())
        return await self._attention(replay_news(outcomes))

    async def dismiss_reports(self, request: Request) -> Response:
        """The dead reports that were chosen are no more to be looked after."""
        number = await dismiss(self._services.db, report_ids(await chosen(request)))
        return await self._attention(f"Dismissed: {number}.")

    async def retry_messages(self, request: Request) -> Response:
        """The messages that were chosen are tried now."""
        ids = message_ids(await chosen(request))
        tried = await send_now(self._services.db, ids, now=self._services.clock.now())
        self._services.wakeups.wake(NOTIFICATIONS)
        return await self._attention(retry_news(len(tried)))

    async def _attention(self, news: str | None) -> Response:
        db, now = self._services.db, self._services.clock.now()
        reports = await list_dead(db, Wanted(), limit=SHOWN_AT_MOST)
        sends = await list_waiting(db, now=now, limit=SHOWN_AT_MOST)
        return self._page("attention.html", attention_page(reports, sends, news))

    async def _address_of(self, hit: Hit) -> str:
        if hit.notification_id is None:
            return f"/orders/{hit.order_id}"
        place = await place_of(self._services.db, hit.notification_id)
        start = f"?from={place}" if place >= MESSAGES_AT_ONCE else ""
        return f"/orders/{hit.order_id}{start}#message-{hit.notification_id}"

    async def _read_overview(self) -> OverviewPage:
        """The overview, read at most once a second however many people watch it."""
        time = asyncio.get_running_loop().time
        async with self._reading_overview:
            if self._overview is None or self._overview[0] <= time():
                db, now = self._services.db, self._services.clock.now()
                overview = await read_overview(db, now=now, window=self._window)
                latest = await list_orders(db, Selection.ALL)
                dependencies = await dependency_states(db, seen_since=now - SILENCE)
                providers = await provider_states(db, now=now, seen_since=now - SILENCE)
                page = overview_page(overview, latest.lines, dependencies, providers)
                self._overview = time() + OVERVIEW_SECONDS, page
            return self._overview[1]

    async def _read_order(self, request: Request) -> OrderPage | None:
        order_id: UUID = request.path_params["order_id"]
        first = _first_message(request.query_params.get("from", ""))
        history = await load_history(self._services.db, order_id, first_message=first)
        if history is None:
            return None
        return order_page(history, Viewpoint(self._services.clock.now(), self._book, self._local))

    def _page(self, template: str, page: object, status: int = 200, **context: Any) -> Response:
        return HTMLResponse(self._templates.render(template, page=page, **context), status, headers=_UNCACHED)

    def _news(self, request: Request, template: str, page: OverviewPage | OrderPage, shown: Live) -> Response:
        if request.query_params.get("version") == shown.version:
            return Response(status_code=204, headers=_UNCACHED)
        is_new = request.query_params.get("said") != shown.said
        return self._page(template, page, live=shown, announcement=page.announcement if is_new else None)


def _order_live(page: OrderPage) -> Live:
    return live(page, f"/orders/{page.id}/live", page.poll, {"from": str(page.first_message)})


def _selection(request: Request) -> Selection:
    try:
        return Selection(request.query_params.get("show", ""))
    except ValueError:
        return Selection.ALL


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


def _first_message(text: str) -> int:
    place = int(text) if text.isdecimal() and len(text) < LONGEST_PLACE else 0
    return place - place % MESSAGES_AT_ONCE
