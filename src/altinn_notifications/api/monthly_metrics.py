"""The monthly metrics: a page with a form, and its figures as CSV and JSON (spec 07, 2.1)."""

from __future__ import annotations

import csv
import functools
import io
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse, Response

from altinn_notifications.api.operations import Answer, Operation
from altinn_notifications.api.problems import JSON_TYPE, empty_problem, to_json, validation_problem
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.console import metrics_chart
from altinn_notifications.console.guard import SECURITY_HEADERS
from altinn_notifications.console.metrics_page import COLUMNS, cells, metrics_page
from altinn_notifications.console.pages import is_served
from altinn_notifications.console.rendering import Templates
from altinn_notifications.tracking.monthly_metrics import FIRST_YEAR, LAST_YEAR, Month, read_year_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.settings import GeneralSettings
    from altinn_notifications.tracking.monthly_metrics import MonthFigures, OwnerFigures

PAGE: Final = f"{API}/metrics"
_NUMBER: Final = re.compile(r"\s*([0-9]{1,4})\s*", re.ASCII)
_UNCACHED: Final = {"Cache-Control": "no-store"}
_ASSETS: Final = {
    **dict.fromkeys(("fonts.css", "theme.css", "designsystemet.css", "console.css"), "text/css; charset=utf-8"),
    **dict.fromkeys(("inter-latin.woff2", "inter-latin-ext.woff2"), "font/woff2"),
    "icon.svg": "image/svg+xml",
}
"""Content types of the files that the page asks for."""
_SIZE: Final = {
    "width": metrics_chart.WIDTH,
    "height": metrics_chart.HEIGHT,
    "left": metrics_chart.LEFT,
    "bar": metrics_chart.BAR,
}


async def get_page(request: Request) -> Response:
    """The form, and the last twelve months in pictures."""
    year = await read_year_until(request.services.db, Month.of(request.now))
    return _page(request, year, is_asked=False)


async def post_page(request: Request) -> Response:
    """The figures of the month that the form names: as a page, or with `format=csv` as a file."""
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    month = _month(form)
    year = await read_year_until(request.services.db, month)
    return _csv(year[-1]) if form.get("format") == "csv" else _page(request, year, is_asked=True)


async def get_data(request: Request) -> Response:
    """The figures of a month and of the eleven before it, as JSON."""
    year = await read_year_until(request.services.db, _month(request.query))
    return Response(to_json(_document(year)), media_type=JSON_TYPE, headers=_UNCACHED)


async def get_asset(request: Request) -> Response:
    """A style sheet, typeface or picture of the page. They are here too because the console may be off."""
    name = request.path_values["name"]
    if name not in _ASSETS:
        raise empty_problem(404)
    content = resources.files("altinn_notifications.console").joinpath("static", name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "public, max-age=3600"})


def _month(values: Mapping[str, str]) -> Month:
    """The month that `month` and `year` name. Raises a 400 that says which of them does not."""
    month, year = _number(values.get("month", "")), _number(values.get("year", ""))
    errors = {}
    if month is None or not 1 <= month <= 12:  # noqa: PLR2004 - the months of a year
        errors["month"] = ["A month is a number from 1 to 12."]
    if year is None or not FIRST_YEAR <= year <= LAST_YEAR:
        errors["year"] = [f"A year is a number from {FIRST_YEAR} to {LAST_YEAR}."]
    if errors or month is None or year is None:
        raise validation_problem(errors)
    return Month(year, month)


def _number(text: str) -> int | None:
    found = _NUMBER.fullmatch(text)
    return int(found[1]) if found else None


def _page(request: Request, year: list[MonthFigures], *, is_asked: bool) -> Response:
    general = request.services.settings.general
    page = metrics_page(year, is_asked=is_asked, this_year=request.now.year, has_console=is_served(general))
    html = _templates(general).render("metrics.html", page=page, url=PAGE, assets=f"{PAGE}/assets", size=_SIZE)
    return HTMLResponse(html, headers=SECURITY_HEADERS | _UNCACHED)


@functools.cache
def _templates(general: GeneralSettings) -> Templates:
    return Templates(general, None)


def _csv(shown: MonthFigures) -> Response:
    text = io.StringIO()
    csv.writer(text).writerows([list(COLUMNS.values()), *cells(shown)])
    name = f"notifications_metrics_{shown.month.number}_{shown.month.year}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **_UNCACHED}
    # The mark tells a spreadsheet that this is UTF-8.
    return Response(text.getvalue().encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)


def _document(year: list[MonthFigures]) -> dict[str, Any]:
    return {**_month_document(year[-1]), "months": [_month_document(figures) for figures in year]}


def _month_document(figures: MonthFigures) -> dict[str, Any]:
    month = figures.month
    return {"year": month.year, "month": month.number, "organizations": [_owner(owner) for owner in figures.owners]}


def _owner(owner: OwnerFigures) -> dict[str, Any]:
    return {
        "organization": owner.creator,
        "totalOrders": owner.orders,
        "totalEmailNotifications": owner.emails,
        "successfulEmailNotifications": owner.successful_emails,
        "totalSmsNotifications": owner.sms_segments,
        "successfulSmsNotifications": owner.successful_sms,
    }


def _count(what: str) -> dict[str, Any]:
    return {"type": "integer", "description": what}


_ORGANIZATIONS: Final = {
    "type": "array",
    "description": "Those that have orders in the month, by name.",
    "items": {
        "type": "object",
        "properties": {
            "organization": {"type": "string", "description": "Short name of the owner."},
            "totalOrders": _count("Orders with requested send time in the month, whatever their status."),
            "totalEmailNotifications": _count("Email notifications of those orders."),
            "successfulEmailNotifications": _count("Of these, `Succeeded` or `Delivered`."),
            "totalSmsNotifications": _count("SMS parts of those orders: a long SMS counts as several."),
            "successfulSmsNotifications": _count("SMS, not parts, that are `Accepted` or `Delivered`."),
        },
    },
}
_MONTH: Final = {"year": {"type": "integer"}, "month": {"type": "integer"}, "organizations": _ORGANIZATIONS}
_METRICS: Final = {
    "type": "object",
    "properties": {**_MONTH, "months": {"type": "array", "items": {"type": "object", "properties": _MONTH}}},
}

_EXAMPLE_MONTH: Final = {
    "year": 2026,
    "month": 3,
    "organizations": [
        {
            "organization": "ttd",
            "totalOrders": 120,
            "totalEmailNotifications": 90,
            "successfulEmailNotifications": 88,
            "totalSmsNotifications": 64,
            "successfulSmsNotifications": 41,
        }
    ],
}


def _parameter(name: str, smallest: int, largest: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": smallest, "maximum": largest}
    return {"name": name, "in": "query", "required": True, "schema": schema}


ROUTES: Final = [
    Route("GET", PAGE, get_page),
    Route("POST", PAGE, post_page),
    Route(
        "GET",
        f"{PAGE}/data",
        get_data,
        operation=Operation(
            tag="Metrics",
            summary="What every organization ordered and sent in a month",
            description="Counted by requested send time, in UTC. `months` holds twelve months, this one last.",
            answers={
                200: Answer(
                    "The figures as they are at this moment.",
                    _METRICS,
                    {**_EXAMPLE_MONTH, "months": [_EXAMPLE_MONTH]},
                )
            },
            parameters=[_parameter("month", 1, 12), _parameter("year", FIRST_YEAR, LAST_YEAR)],
        ),
    ),
    Route("GET", f"{PAGE}/assets/{{name}}", get_asset),
]
