from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from altinn_notifications.console.pages import is_served
from altinn_notifications.database.pool import Database
from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.sending.pauses import Pause, extend_pauses
from altinn_notifications.settings import Environment, GeneralSettings, Settings, SimulatorSettings
from support.console_site import reader_of
from support.rows import StoredDeadReport, a_feed_entry, a_stored_email, a_stored_order, a_stored_sms, an_event, insert
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.clock import FixedClock
    from support.rows import StoredOrder


UNKNOWN_ORDER = "/orders/00000000-0000-7000-8000-000000000000"


async def a_sent_order(db: Database, **changes: str) -> StoredOrder:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED, channel="EmailAndSms"))
    email = {"result": "Succeeded", "provider_reference": "op-1", "destination": "kari@example.no"}
    person = {"national_identity_number": "01017012345"}
    for message in (
        a_stored_email(order.id, **{**email, **person, **changes}),
        a_stored_sms(order.id, result="Accepted", provider_reference="4711", organization_number="991825827"),
    ):
        await insert(db, message)
        await insert(db, an_event(order.id, Kind.SEND_ACCEPTED, notification_id=message.id, at=NOON + SECOND))
    return order


async def read(console: httpx.AsyncClient, path: str) -> str:
    response = await console.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.text


def news_path(html: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', html)
    assert found is not None
    return found[1].replace("&amp;", "&")


async def test_the_overview_shows_what_is_going_on(db: Database, console: httpx.AsyncClient) -> None:
    await insert(db, a_stored_order(requested_send_time=NOON + DAY))
    oldest = await insert(db, a_stored_order(status=OrderStatus.PROCESSED, requested_send_time=NOON - HOUR - MINUTE))
    await insert(db, a_stored_email(oldest.id))
    html = await read(console, "/")
    assert "has been due for <strong>1 h 1 min</strong>" in html
    assert f'href="/orders/{oldest.id}"' in html
    assert "<dt>Email, waiting</dt><dd>1</dd>" in html


async def test_the_overview_warns_of_what_somebody_should_look_at(db: Database, console: httpx.AsyncClient) -> None:
    await insert(db, a_stored_order(status=OrderStatus.PROCESSED, requested_send_time=NOON - 3 * DAY))
    await insert(db, StoredDeadReport())
    await db.execute("INSERT INTO provider_pauses VALUES ('smtp', $1, '421 <busy>')", NOON + MINUTE)
    html = await read(console, "/")
    assert "No worker is running" in html
    assert "An order is past its deadline" in html
    assert "Delivery reports that could not be used: 1" in html
    assert "The provider smtp is left alone" in html
    assert "421 &lt;busy&gt;" in html


async def test_a_misconfigured_provider_is_told_first_with_what_to_type(
    db: Database, console: httpx.AsyncClient
) -> None:
    pauses = [
        Pause("smtp", NOON + MINUTE, "AUTH answered 535", misconfigured=True),
        Pause("acs", NOON, "429", "ttd.no"),
    ]
    async with db.transaction() as connection:
        await extend_pauses(connection, pauses)
    html = await read(console, "/")
    assert "The provider smtp is misconfigured and stands still" in html
    assert "AUTH answered 535" in html
    assert "altinn-notifications providers resume smtp" in html
    assert "Mail from ttd.no through acs is left alone for a while" in html
    assert html.index("smtp is misconfigured") < html.index("No worker is running")


async def test_a_dependency_in_trouble_is_told_with_the_orders_that_wait_for_it(
    db: Database, console: httpx.AsyncClient
) -> None:
    health = {"profile": "open", "register": "closed"}
    await db.execute("INSERT INTO workers (started, seen, dependencies) VALUES ($1, $1, $2)", NOON, health)
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSING, failing_since=NOON - MINUTE))
    await db.execute("UPDATE order_states SET failing_dependency = 'profile' WHERE order_id = $1", order.id)
    html = await read(console, "/")
    assert "Profile does not answer as it should" in html
    assert "1 order waits for it since 2 March 2026 at 12:59:00" in html
    shown = re.findall(r"<dt>(Profile|Register)</dt><dd><span [^>]+>([^<]+)<", html)
    assert shown == [("Profile", "In trouble"), ("Register", "Answers")]


async def test_a_quiet_service_has_no_warnings(db: Database, console: httpx.AsyncClient) -> None:
    await db.execute("INSERT INTO workers (started, seen) VALUES ($1, $1)", NOON)
    html = await read(console, "/")
    assert "ds-alert" not in html
    assert "No order has been registered yet" in html


async def test_orders_are_listed_with_a_link_each_and_pages_of_their_own(
    db: Database, console: httpx.AsyncClient
) -> None:
    orders = [await insert(db, a_stored_order(senders_reference=f"case-{number}")) for number in range(30)]
    html = await read(console, "/orders")
    assert re.findall(r'id="order-([^"]+)"', html) == [str(order.id) for order in reversed(orders[5:])]
    following = re.search(r'rel="next" href="([^"]+)"', html)
    assert following is not None
    rest = await read(console, following[1].replace("&amp;", "&"))
    assert re.findall(r'id="order-([^"]+)"', rest) == [str(order.id) for order in reversed(orders[:5])]
    assert 'rel="next"' not in rest


async def test_orders_can_be_selected_by_status(db: Database, console: httpx.AsyncClient) -> None:
    await insert(db, a_stored_order())
    cancelled = await insert(db, a_stored_order(status=OrderStatus.CANCELLED))
    html = await read(console, "/orders?show=cancelled")
    assert re.findall(r'id="order-([^"]+)"', html) == [str(cancelled.id)]
    assert re.findall(r'aria-current="true">([^<]+)<', html) == ["Cancelled"]
    assert "There are no such orders" in await read(console, "/orders?show=processing")


@pytest.mark.parametrize("query", ["show=anything", "after=nothing", "show=", "after="])
async def test_a_list_that_cannot_be_is_all_orders(db: Database, console: httpx.AsyncClient, query: str) -> None:
    order = await insert(db, a_stored_order())
    assert f'id="order-{order.id}"' in await read(console, f"/orders?{query}")


async def test_an_order_is_shown_with_its_timeline_and_each_message(db: Database, console: httpx.AsyncClient) -> None:
    order = await a_sent_order(db)
    html = await read(console, f"/orders/{order.id}")
    assert "Email to <span" in html
    assert ">kari@example.no</span>" in html
    assert ">+4799999999</span>" in html
    assert "For person 010170*****" in html
    assert "For organisation 991825827" in html
    assert "01017012345" not in html
    assert html.count("Handed over") == 5  # the count of results, two states and two timelines
    assert "2 March 2026 at 13:00:00" in html


async def test_each_message_links_to_what_its_recipient_saw(db: Database, console: httpx.AsyncClient) -> None:
    html = await read(console, f"/orders/{(await a_sent_order(db)).id}")
    assert 'href="http://localhost:5101/sim/messages/op-1"' in html
    assert 'href="http://localhost:5101/sim/sms/4711"' in html


async def test_without_a_local_platform_nothing_is_linked_to_it(db: Database, clock: FixedClock) -> None:
    order = await a_sent_order(db)
    settings = Settings(simulator=SimulatorSettings(enabled=False))
    async with reader_of(db, clock, settings) as console:
        assert "/sim/" not in await read(console, f"/orders/{order.id}")


async def test_outside_the_local_environment_addresses_are_masked_and_nothing_is_linked(
    db: Database, shared_console: httpx.AsyncClient
) -> None:
    html = await read(shared_console, f"/orders/{(await a_sent_order(db)).id}")
    assert "ka***@example.no" in html
    assert "+47******99" in html
    assert "kari@example.no" not in html
    assert "/sim/" not in html


async def test_what_others_wrote_is_shown_as_text(db: Database, console: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(senders_reference="<script>alert(1)</script>"))
    for path in ("/", "/orders", f"/orders/{order.id}"):
        html = await read(console, path)
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


async def test_news_is_short_until_something_happens(db: Database, console: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order())
    html = await read(console, f"/orders/{order.id}")
    unchanged = await console.get(news_path(html))
    assert (unchanged.status_code, unchanged.content) == (204, b"")
    await db.execute("UPDATE order_states SET status = 'Processing' WHERE order_id = $1", order.id)
    news = await console.get(news_path(html))
    assert news.status_code == 200
    assert "<html" not in news.text
    assert "The order is processing." in news.text
    assert (await console.get(news_path(news.text))).status_code == 204


async def test_what_has_been_said_is_not_said_again(db: Database, console: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSING))
    html = await read(console, f"/orders/{order.id}")
    await insert(db, an_event(order.id, Kind.ORDER_RETRY_SCHEDULED, at=NOON + SECOND))
    news = await console.get(news_path(html))
    assert "Processing postponed" in news.text
    assert "announcer" not in news.text


@pytest.mark.parametrize("status", [OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.SEND_CONDITION_NOT_MET])
async def test_a_page_stops_asking_when_its_order_is_final(
    db: Database, console: httpx.AsyncClient, status: OrderStatus
) -> None:
    order = await insert(db, a_stored_order(status=status))
    assert "hx-trigger" not in await read(console, f"/orders/{order.id}")


async def test_a_page_asks_on_until_the_end_has_its_number_in_the_feed(
    db: Database, console: httpx.AsyncClient
) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED))
    await insert(db, a_feed_entry(order_id=order.id))
    assert 'hx-trigger="every 1s"' in await read(console, f"/orders/{order.id}")


async def test_a_page_asks_less_often_while_its_order_is_not_due(
    db: Database, console: httpx.AsyncClient, clock: FixedClock
) -> None:
    order = await insert(db, a_stored_order(requested_send_time=NOON + HOUR))
    html = await read(console, f"/orders/{order.id}")
    assert 'hx-trigger="every 10s"' in html
    clock.turn(HOUR - MINUTE)
    assert 'hx-trigger="every 1s"' in (await console.get(news_path(html))).text


async def test_the_overview_gives_news_of_itself(db: Database, console: httpx.AsyncClient) -> None:
    await db.execute("INSERT INTO workers (started, seen) VALUES ($1, $1)", NOON)
    html = await read(console, "/")
    assert (await console.get(news_path(html))).status_code == 204
    news = await console.get("/overview/live?version=another&said=nothing")
    assert 'id="announcer"' not in news.text  # there is nothing to say
    assert 'id="live"' in news.text


async def test_a_large_order_has_pages(db: Database, console: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(status=OrderStatus.PROCESSED))
    for position in range(60):
        await insert(db, a_stored_email(order.id, position=position, destination=f"a{position}@example.no"))
    first = await read(console, f"/orders/{order.id}")
    assert "1 to 25 of 60" in first
    middle = await read(console, f"/orders/{order.id}?from=30")
    assert "26 to 50 of 60" in middle
    assert f'href="/orders/{order.id}?from=50"' in middle
    assert f'href="/orders/{order.id}?from=0"' in middle
    assert "from=25" in news_path(middle)
    for odd in ("-1", "x", "99999999999999999999", "٣"):
        assert "1 to 25 of 60" in await read(console, f"/orders/{order.id}?from={odd}")


async def test_a_search_goes_straight_to_the_only_order(db: Database, console: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(senders_reference="only"))
    emails = [await insert(db, a_stored_email(order.id, position=position)) for position in range(30)]
    for text, target in (
        ("only", f"/orders/{order.id}"),
        (f" {order.id} ", f"/orders/{order.id}"),
        (str(emails[3].id), f"/orders/{order.id}#message-{emails[3].id}"),
        (str(emails[28].id), f"/orders/{order.id}?from=28#message-{emails[28].id}"),
    ):
        response = await console.get("/search", params={"q": text})
        assert (response.status_code, response.headers["location"]) == (303, target)


async def test_a_search_lists_several_orders_and_says_when_there_is_none(
    db: Database, console: httpx.AsyncClient
) -> None:
    orders = [await insert(db, a_stored_order(senders_reference="shared")) for _ in range(2)]
    html = await read(console, "/search?q=shared")
    assert re.findall(r'id="found-([^"]+)"', html) == [str(order.id) for order in reversed(orders)]
    assert "Nothing found" in await read(console, "/search?q=unheard+of")
    assert "What are you looking for?" in await read(console, "/search?q=+")


async def test_the_assets_are_in_the_package(console: httpx.AsyncClient) -> None:
    html = await read(console, "/")
    assets = re.findall(r'(?:href|src)="(/console/static/[^"]+)"', html)
    assert len(assets) >= 7
    for asset in assets:
        response = await console.get(asset)
        assert (response.status_code, len(response.content) > 0) == (200, True)
        assert len(response.content) < 900_000


@pytest.mark.parametrize("path", ["/", "/orders", "/nowhere", "/console/static/console.css", UNKNOWN_ORDER])
async def test_every_answer_keeps_the_page_on_this_machine(console: httpx.AsyncClient, path: str) -> None:
    headers = (await console.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/nowhere", UNKNOWN_ORDER, "/orders/not-an-id", "/console/static/none.css"])
async def test_a_page_that_is_not_there_is_a_friendly_404(console: httpx.AsyncClient, path: str) -> None:
    response = await console.get(path)
    assert response.status_code == 404
    assert "Page not found" in response.text


async def test_a_program_gets_an_empty_404(console: httpx.AsyncClient) -> None:
    for path, accept in (("/nowhere", "application/json"), ("/notifications/api/v1/nowhere", "text/html")):
        response = await console.get(path, headers={"Accept": accept})
        assert (response.status_code, response.content) == (404, b"")


async def test_a_database_that_is_away_is_told_in_a_friendly_page(database_url: str, clock: FixedClock) -> None:
    db = await Database.connect(database_url)
    async with reader_of(db, clock) as console:
        await db.close()
        response = await console.get("/orders")
        assert response.status_code == 503
        assert "The database is away" in response.text
        assert (await console.get("/console/static/console.css")).status_code == 200


async def test_an_error_nobody_foresaw_is_a_friendly_page_and_one_log_line_without_details(
    db: Database, console: httpx.AsyncClient
) -> None:
    await db.execute("ALTER TABLE orders RENAME COLUMN creator TO somebody")
    with capture_logs() as logged:
        response = await console.get("/orders")
    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert logged == [
        {
            "event": "console_page_failed",
            "log_level": "error",
            "path": "/orders",
            "error": "UndefinedColumnError",
        }
    ]


@pytest.mark.parametrize(
    ("environment", "setting", "served"),
    [
        (Environment.LOCAL, None, True),
        (Environment.LOCAL, False, False),
        (Environment.TEST, None, True),
        (Environment.PRODUCTION, None, False),
        (Environment.PRODUCTION, True, True),
        (Environment.PRODUCTION, False, False),
    ],
)
def test_production_has_a_console_only_if_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
    environment: Environment,
    setting: bool | None,  # noqa: FBT001 - a column of the table
    served: bool,  # noqa: FBT001 - a column of the table
) -> None:
    monkeypatch.setenv("NOTIFICATIONS_ENVIRONMENT", environment)
    if setting is not None:
        monkeypatch.setenv("NOTIFICATIONS_CONSOLE", str(setting).lower())
    assert is_served(GeneralSettings()) is served


async def test_a_console_that_is_not_served_knows_no_page(db: Database, clock: FixedClock) -> None:
    settings = Settings(general=GeneralSettings(console=False))
    async with reader_of(db, clock, settings) as console:
        for path in ("/", "/orders", "/console/static/console.css"):
            response = await console.get(path)
            assert (response.status_code, response.content) == (404, b"")
