"""How the simulator answers people and programs: the same data as a page or as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, JSONResponse, Response

import altinn_notifications.console
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from altinn_notifications.clock import TurnableClock

STATIC: Final = Path(__file__).parent / "static"
SHARED_STATIC: Final = Path(altinn_notifications.console.__file__).parent / "static"
"""The design system and htmx, which the console and the simulator share."""

ROWS: Final = 100
"""Most rows of one page."""

OSLO: Final = ZoneInfo("Europe/Oslo")
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_GOOD: Final = frozenset({"Delivered", "DELIVRD"})
_PENDING: Final = frozenset({"Accepted", "ACCEPTED"})
_SECURITY_HEADERS: Final[Mapping[str, str]] = {
    # A mail's own HTML inherits this policy in its frame: it may look as it likes but load and run nothing.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept, HX-Request",
}


def wants_html(request: Request) -> bool:
    """Whether a browser asks: one that names HTML, or htmx on one of our pages."""
    return "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers


class Pages:
    """Renders templates, or leaves their data as JSON."""

    def __init__(self, clock: TurnableClock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("altinn_notifications.simulator"), autoescape=True, undefined=StrictUndefined
        )
        self._environment.filters.update(
            clock=clock_time, date=date_and_time, day=day, field=field, span=span, tone=tone
        )

    def answer(
        self, request: Request, template: str, data: Mapping[str, Any], *, status: int = 200, **page_only: Any
    ) -> Response:
        """`data` as JSON for programs; for browsers a page, which also gets `page_only`."""
        if not wants_html(request):
            return JSONResponse(data, status, headers={"Vary": "Accept"})
        content = self._environment.get_template(template).render(
            path=request.url.path,
            here=str(request.base_url).rstrip("/"),
            present=to_wire(self._clock.now()),
            turned_by=self._clock.offset.total_seconds(),
            **data,
            **page_only,
        )
        return HTMLResponse(content, status, headers=_SECURITY_HEADERS)

    def not_found(self, request: Request, title: str, explanation: str) -> Response:
        """404 with words that say what to do next."""
        return self.answer(request, "not_found.html", {"title": title, "explanation": explanation}, status=404)

    def bad_request(self, request: Request, errors: Mapping[str, list[str]]) -> Response:
        """400 that names what is wrong."""
        return self.answer(request, "bad_request.html", {"errors": errors}, status=400)


def polling(request: Request, version: object) -> tuple[str, bool]:
    """Where a page asks for news, and whether this request is such a question to which there are none."""
    url = request.url.include_query_params(seen=version)
    is_unchanged = "hx-request" in request.headers and request.query_params.get("seen") == str(version)
    return f"{url.path}?{url.query}", is_unchanged


def no_news() -> Response:
    """The answer that leaves a page as it is."""
    return Response(status_code=204)


def clock_time(moment: str) -> str:
    """The time of day of a JSON moment on the clocks of Oslo."""
    return datetime.fromisoformat(moment).astimezone(OSLO).strftime("%H:%M:%S")


def date_and_time(moment: str) -> str:
    """The same with its date."""
    return datetime.fromisoformat(moment).astimezone(OSLO).strftime("%d.%m.%Y %H:%M:%S")


def day(moment: str) -> str:
    """The date of a JSON moment in Oslo, as fields of forms want it."""
    return datetime.fromisoformat(moment).astimezone(OSLO).date().isoformat()


def field(moment: str) -> str:
    """The time of a JSON moment in Oslo to the second, as fields of forms want it."""
    return datetime.fromisoformat(moment).astimezone(OSLO).replace(tzinfo=None).isoformat(timespec="seconds")


def span(seconds: float) -> str:
    """A length of time in days, hours, minutes and seconds, with its sign."""
    rest, words = abs(round(seconds)), []
    for unit, length in _UNITS:
        count, rest = divmod(rest, length)
        words += [f"{count} {unit}"] if count else []
    return f"{'-' if seconds < 0 else '+'}{' '.join(words) or '0 s'}"


def tone(state: str) -> str:
    """The design system's colour for a provider's word."""
    if state in _GOOD:
        return "success"
    return "info" if state in _PENDING else "danger"
