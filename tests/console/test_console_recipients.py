"""The console's page for support staff: what was sent to one person or organisation."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect
from structlog.testing import capture_logs

from altinn_notifications.console.recipient_page import MESSAGES_AT_MOST, recipient_form
from altinn_notifications.tracking.notices import Kind
from support.console_site import a_console, serving
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.times import DAY, HOUR, NOON

if TYPE_CHECKING:
    import httpx
    from playwright.async_api import Page

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.rows import StoredOrder

PERSON, ORGANIZATION = "12838530255", "319900241"


async def an_order_to_both(db: Database, *, days_ago: int = 0, reference: str = "case-1") -> StoredOrder:
    """An order an hour ago, or days before that: an email to the person and an SMS to the organisation."""
    at = NOON - HOUR - days_ago * DAY
    order = await insert(db, a_stored_order(requested_send_time=at, senders_reference=reference, creator="skd"))
    person = {"national_identity_number": PERSON, "destination": "begge@epost.example", "result": "Delivered"}
    await insert(db, a_stored_email(order.id, requested_send_time=at, **person))
    organization = {"organization_number": ORGANIZATION, "destination": "+4799999101", "result": "Failed"}
    await insert(db, a_stored_sms(order.id, requested_send_time=at, **organization))
    return order


async def ask(console: httpx.AsyncClient, number: str, days: str = "7") -> str:
    """The page that answers the form."""
    response = await console.post("/recipients", data={"number": number, "days": days})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    return response.text


def orders_in(html: str) -> list[str]:
    return re.findall(r'id="notice-([^"]+)"', html)


async def test_the_page_asks_first_and_finds_nothing_by_its_address(db: Database, console: httpx.AsyncClient) -> None:
    await an_order_to_both(db)
    for path in ("/recipients", f"/recipients?number={PERSON}"):
        html = (await console.get(path)).text
        assert 'method="post"' in html
        assert PERSON not in html
        assert orders_in(html) == []


async def test_a_persons_notices_are_listed_with_a_link_to_each_order(db: Database, console: httpx.AsyncClient) -> None:
    order = await an_order_to_both(db)
    html = await ask(console, PERSON)
    assert orders_in(html) == [str(order.id)]
    assert f'href="/orders/{order.id}"' in html
    assert "1 order for person 128385*****" in html
    assert "begge@epost.example" in html
    assert "Delivered" in html
    assert "skd" in html
    assert "+4799999101" not in html
    assert (await console.get(f"/orders/{order.id}")).status_code == 200


async def test_a_number_may_be_written_in_groups(db: Database, console: httpx.AsyncClient) -> None:
    order = await an_order_to_both(db)
    assert orders_in(await ask(console, " 128385 30255 ")) == [str(order.id)]
    html = await ask(console, "319 900 241")
    assert orders_in(html) == [str(order.id)]
    assert "1 order for organisation 319900241" in html


async def test_the_span_is_chosen_and_remembered(db: Database, console: httpx.AsyncClient) -> None:
    recent, old = await an_order_to_both(db), await an_order_to_both(db, days_ago=20)
    assert orders_in(await ask(console, PERSON)) == [str(recent.id)]
    html = await ask(console, PERSON, "30")
    assert orders_in(html) == [str(recent.id), str(old.id)]
    assert '<option value="30" selected>' in html
    assert orders_in(await ask(console, PERSON, "100000")) == [str(recent.id)]


@pytest.mark.parametrize("number", ["", "123", "1283853025x", "1" * 10, "<b>", "\uff11" * 9])
async def test_what_is_no_number_is_told_beside_the_field(console: httpx.AsyncClient, number: str) -> None:
    response = await console.post("/recipients", data={"number": number})
    assert response.status_code == 400
    assert 'aria-invalid="true"' in response.text
    assert "<b>" not in response.text


async def test_a_form_of_any_size_and_content_is_answered(console: httpx.AsyncClient) -> None:
    for content in (b"number=" + b"1" * 1_000_000, b"\xff\xfe%ff", b"number=1&number=2"):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await console.post("/recipients", content=content, headers=headers)).status_code == 400


def test_eleven_digits_are_a_person_and_nine_an_organisation() -> None:
    forms = [recipient_form(number, "7").identity for number in (PERSON, ORGANIZATION, "1234567890")]
    assert [identity and identity.kind for identity in forms] == [Kind.PERSON, Kind.ORGANIZATION, None]


async def test_outside_the_local_environment_addresses_are_masked(
    db: Database, shared_console: httpx.AsyncClient
) -> None:
    await an_order_to_both(db)
    html = await ask(shared_console, PERSON)
    assert "be***@epost.example" in html
    assert "begge@" not in html


async def test_a_number_is_in_no_log(db: Database, console: httpx.AsyncClient) -> None:
    await an_order_to_both(db)
    with capture_logs() as lines:
        await ask(console, PERSON)
        await db.execute("ALTER TABLE notifications RENAME TO notices")
        failed = await console.post("/recipients", data={"number": PERSON})
    assert failed.status_code == 500
    assert [line["event"] for line in lines] == ["console_page_failed"]
    assert PERSON not in str(lines)


async def test_more_messages_than_fit_on_a_page_are_told(db: Database, console: httpx.AsyncClient) -> None:
    order = await insert(db, a_stored_order(requested_send_time=NOON - HOUR))
    to_person = {"national_identity_number": PERSON, "requested_send_time": NOON - HOUR}
    first = await insert(db, a_stored_email(order.id, **to_person))
    assert "There are more messages" not in await ask(console, PERSON)
    await db.execute(
        "INSERT INTO notifications (id, order_id, channel, position, destination, national_identity_number, created,"
        " expiry, requested_send_time) SELECT gen_random_uuid(), order_id, channel, n, destination,"
        " national_identity_number, created, expiry, requested_send_time FROM notifications, generate_series(1, $1) n",
        MESSAGES_AT_MOST,
    )
    await db.execute(
        "INSERT INTO notification_states (notification_id, order_id, creator, channel, lane, result, result_time,"
        " expiry) SELECT id, order_id, 'ttd', channel, 'email', 'New', created, expiry FROM notifications"
        " WHERE id <> $1",
        first.id,
    )
    html = await ask(console, PERSON)
    assert "There are more messages" in html
    assert html.count("kari@example.no") == MESSAGES_AT_MOST


async def test_support_staff_find_an_order_with_the_keyboard_alone(db: Database, clock: FixedClock, page: Page) -> None:
    order = await an_order_to_both(db)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    async with serving(a_console(db, clock)) as site:
        await page.goto(f"{site}/recipients")
        await page.get_by_role("textbox", name="National identity number").focus()
        await page.keyboard.type(PERSON)
        await page.keyboard.press("Tab")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="1 order for person")).to_be_visible()
        await expect(page.get_by_role("combobox")).to_have_value("30")
        await page.keyboard.press("Tab")
        link = page.get_by_role("link", name="case-1")
        async with asyncio.timeout(10):
            while not await link.evaluate("link => link === document.activeElement"):
                await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{site}/orders/{order.id}")
        assert all(url.startswith(site) for url in requests)
        assert not any(PERSON in url for url in requests)


async def test_what_is_wrong_is_shown_where_the_writing_goes_on(db: Database, clock: FixedClock, page: Page) -> None:
    async with serving(a_console(db, clock)) as site:
        await page.goto(f"{site}/recipients")
        field = page.get_by_role("textbox", name="National identity number")
        await field.fill("123")
        await field.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("11 digits")
        await expect(field).to_be_focused()
        await expect(field).to_have_value("123")
