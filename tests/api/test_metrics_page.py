from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from defusedxml.ElementTree import fromstring

from altinn_notifications.settings import Environment, GeneralSettings
from support.metrics_site import METRICS, metrics_client
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.service import errors_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from xml.etree.ElementTree import Element

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

HEADINGS = [
    "Organization",
    "Total orders",
    "Total email notifications",
    "Successful email notifications",
    "Total SMS notifications",
    "Successful SMS notifications",
]
JUNE = datetime(2023, 6, 14, 12, tzinfo=UTC)
FORM = {"month": "6", "year": "2023"}


@pytest.fixture
async def site(database_url: str, clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    async with metrics_client(database_url, clock) as client:
        yield client


async def two_of_each(db: Database, creator: str = "ttd") -> None:
    order = await insert(db, a_stored_order(creator=creator, requested_send_time=JUNE))
    for email in ("Delivered", "Failed_Bounced"):
        await insert(db, a_stored_email(order.id, result=email))
    for sms, segments in (("Accepted", 1), ("Failed", 3)):
        await insert(db, a_stored_sms(order.id, result=sms, segments=segments))


def cells(html: str) -> list[list[str]]:
    """The text of the table's cells by row: headings first, without the line of sums."""
    body = html[html.index("<table") : html.index("</tbody>")]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


# Edge cases 17 to 19 of spec 07.


async def test_the_page_is_a_form_without_a_table(site: httpx.AsyncClient) -> None:
    answer = await site.get(METRICS)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="en"' in answer.text
    assert re.search(r"<h1[^>]*>Altinn Notifications metrics</h1>", answer.text)
    assert "<table" not in answer.text
    for name in ("month", "year"):
        assert re.search(rf'<select[^>]* name="{name}" required>\s*<option value="">', answer.text)
    assert re.findall(r'<option value="(\d{4})"', answer.text) == ["2026", "2025", "2024", "2023", "2022", "2021"]
    assert re.findall(r'<option value="\d{1,2}">(\w+)<', answer.text)[::11] == ["January", "December"]


async def test_an_order_with_two_of_each_counts_once(site: httpx.AsyncClient, db: Database) -> None:
    await two_of_each(db)
    answer = await site.post(METRICS, data=FORM)
    assert answer.status_code == 200
    assert re.search(r"<caption[^>]*>Metrics for June 2023</caption>", answer.text)
    assert cells(answer.text) == [HEADINGS, ["ttd", "1", "2", "1", "4", "1"]]


async def test_a_month_without_orders_has_a_heading_instead_of_the_table(site: httpx.AsyncClient, db: Database) -> None:
    await two_of_each(db)
    answer = await site.post(METRICS, data={"month": "7", "year": "2023"})
    assert answer.status_code == 200
    assert "<table" not in answer.text
    assert re.search(r"<h2[^>]*>There are no orders with requested send time in July 2023</h2>", answer.text)


WRONG: list[tuple[dict[str, str], set[str]]] = [
    ({"month": "13", "year": "2023"}, {"month"}),
    ({"month": "0", "year": "2023"}, {"month"}),
    ({"month": "-1", "year": "2023"}, {"month"}),
    ({"month": "", "year": "2023"}, {"month"}),
    ({"month": "6"}, {"year"}),
    ({"month": "6", "year": ""}, {"year"}),
    ({"month": "6", "year": "0"}, {"year"}),
    ({"month": "6", "year": "9999"}, {"year"}),
    ({"month": "6", "year": "20233"}, {"year"}),
    ({"month": "June", "year": "2023.0"}, {"month", "year"}),
    ({}, {"month", "year"}),
]


async def test_a_month_that_does_not_exist_is_refused(site: httpx.AsyncClient) -> None:
    for form, wrong in WRONG:
        assert set(errors_of(await site.post(METRICS, data=form))) == wrong, form
        assert set(errors_of(await site.get(f"{METRICS}/data", params=form))) == wrong, form


async def test_owners_come_by_name_and_have_a_sum(site: httpx.AsyncClient, db: Database) -> None:
    for creator in ("skd", "brg", "nav"):
        await two_of_each(db, creator)
    page = (await site.post(METRICS, data=FORM)).text
    assert [row[0] for row in cells(page)[1:]] == ["brg", "nav", "skd"]
    assert re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", page[page.index("<tfoot") :])[:6] == [
        "All",
        "3",
        "6",
        "3",
        "12",
        "3",
    ]


async def test_the_edges_of_a_month_are_those_of_utc(site: httpx.AsyncClient, db: Database) -> None:
    for moment in (datetime(2023, 6, 1, tzinfo=UTC), datetime(2023, 6, 30, 23, 59, 59, tzinfo=UTC)):
        await insert(db, a_stored_order(requested_send_time=moment))
    for moment in (datetime(2023, 5, 31, 23, 59, 59, tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC)):
        await insert(db, a_stored_order(requested_send_time=moment, creator="nav"))
    assert cells((await site.post(METRICS, data=FORM)).text)[1:] == [["ttd", "2", "0", "0", "0", "0"]]


async def test_the_figures_can_be_had_as_csv(site: httpx.AsyncClient, db: Database) -> None:
    await two_of_each(db)
    answer = await site.post(METRICS, data={**FORM, "format": "csv"})
    assert answer.headers["content-disposition"] == 'attachment; filename="notifications_metrics_6_2023.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows == [HEADINGS, ["ttd", "1", "2", "1", "4", "1"]]


async def test_the_figures_can_be_had_as_json(site: httpx.AsyncClient, db: Database) -> None:
    await two_of_each(db)
    answer = (await site.get(f"{METRICS}/data", params=FORM)).json()
    assert (answer["year"], answer["month"]) == (2023, 6)
    assert answer["organizations"] == [
        {
            "organization": "ttd",
            "totalOrders": 1,
            "totalEmailNotifications": 2,
            "successfulEmailNotifications": 1,
            "totalSmsNotifications": 4,
            "successfulSmsNotifications": 1,
        }
    ]
    months = [(month["year"], month["month"]) for month in answer["months"]]
    assert (months[0], months[-1], len(months)) == ((2022, 7), (2023, 6), 12)
    assert answer["months"][-1]["organizations"] == answer["organizations"]


# The pictures.


def charts(html: str) -> dict[str, Element]:
    """The drawings by the name of what they show; each has to be well-formed."""
    found = re.findall(r'id="chart-(\w+)".*?(<svg viewBox="0 0 720.*?</svg>)', html, re.DOTALL)
    return {name: fromstring(svg) for name, svg in found}


async def test_each_owner_has_a_piece_of_each_month_in_the_picture(site: httpx.AsyncClient, db: Database) -> None:
    await two_of_each(db, "skd")
    await two_of_each(db, "nav")
    await insert(db, a_stored_order(creator="nav", requested_send_time=datetime(2022, 12, 24, tzinfo=UTC)))
    page = (await site.post(METRICS, data=FORM)).text
    drawn = charts(page)
    assert set(drawn) == {"orders", "emails", "sms_segments"}
    titles = [title.text for title in drawn["orders"].iter("title")]
    assert titles == ["nav, December 2022: 1", "nav, June 2023: 1", "skd, June 2023: 1"]
    assert "most in June 2023: 8." in drawn["sms_segments"].attrib["aria-label"]
    assert re.search(r"<li>June 2023: nav 4, skd 4</li>", page)
    assert re.search(r"<li>May 2023: none</li>", page)


async def test_the_form_shows_the_last_twelve_months(site: httpx.AsyncClient, db: Database, clock: FixedClock) -> None:
    await insert(db, a_stored_order(requested_send_time=clock.now()))
    page = (await site.get(METRICS)).text
    assert "Twelve months, April 2025 to March 2026" in page
    assert set(charts(page)) == {"orders"}
    assert page.count("None in these twelve months.") == 2


async def test_everything_the_page_loads_comes_from_the_service(database_url: str, clock: FixedClock) -> None:
    general = GeneralSettings(environment=Environment.TEST, console=False)
    async with metrics_client(database_url, clock, general=general) as site:
        page = await site.get(METRICS)
        wanted = re.findall(r'(?:href|src)="([^"#]+\.\w+)"', page.text)
        sheets = [name for name in wanted if name.endswith(".css")]
        fonts = re.findall(r'url\("([^"]+)"\)', (await site.get(sheets[0])).text)
        for address in [*wanted, *(f"{METRICS}/assets/{font}" for font in fonts)]:
            assert address.startswith(f"{METRICS}/assets/")
            assert (await site.get(address)).status_code == 200, address
        assert len(sheets) == 4
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert ">Console</a>" not in page.text
        assert (await site.get(f"{METRICS}/assets/htmx.min.js")).status_code == 404
        assert (await site.get(f"{METRICS}/assets/..%2F__init__.py")).status_code == 404


async def test_the_name_of_an_owner_is_no_markup(site: httpx.AsyncClient, db: Database) -> None:
    await two_of_each(db, "<b>&")
    page = (await site.post(METRICS, data=FORM)).text
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
