"""What surrounds every page: headers that keep it on this machine, and a friendly word when something fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response

from altinn_notifications.database.pool import DatabaseUnavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from altinn_notifications.console.rendering import Templates

log = structlog.get_logger()

# The design system draws its icons from data: addresses in its style sheet.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What is shown instead of a page."""

    section: ClassVar[str] = ""
    status: int
    title: str
    text: str


NOT_FOUND: Final = ErrorPage(404, "Page not found", "There is no page here. The order may have another id.")
UNAVAILABLE: Final = ErrorPage(
    503,
    "The database is away",
    "Nothing is lost: what was accepted is kept, and goes on by itself when it is back. Try again in a moment.",
)
FAILED: Final = ErrorPage(
    500, "Something went wrong", "The page could not be made. What happened is in the service's log."
)


def error_response(templates: Templates, page: ErrorPage, scope: Scope) -> Response:
    """An error for a person as a page, for a program without a body."""
    wants_page = "text/html" in Headers(scope=scope).get("accept", "")
    if not wants_page or scope["path"].startswith("/notifications"):
        return Response(status_code=page.status)
    return HTMLResponse(templates.render("error.html", page=page), page.status)


def _comes_from_elsewhere(scope: Scope) -> bool:
    """Whether a page of another site makes this request to change something, in the browser of one who may."""
    site = Headers(scope=scope).get("sec-fetch-site", "same-origin")
    return scope["method"] == "POST" and site not in {"same-origin", "none"}


class Guard:
    """Adds the security headers to every answer, and answers for a page that could not be made."""

    def __init__(self, app: ASGIApp, templates: Templates) -> None:
        self._app, self._templates = app, templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if _comes_from_elsewhere(scope):
            await Response(status_code=403)(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, send_guarded)
        except DatabaseUnavailable:
            await self._answer(UNAVAILABLE, scope, receive, send_guarded)
        except Exception as error:
            log.error("console_page_failed", path=scope["path"], error=type(error).__name__)  # noqa: TRY400 - a traceback may hold addresses
            if started:
                raise
            await self._answer(FAILED, scope, receive, send_guarded)

    async def _answer(self, page: ErrorPage, scope: Scope, receive: Receive, send: Send) -> None:
        await error_response(self._templates, page, scope)(scope, receive, send)
