"""The console in a real browser: what only a reader with eyes, ears and a keyboard can tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from altinn_notifications.database.pool import Database
from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import OrderStatus, OrderType
from support.console_site import a_console, serving
from support.rows import (
    a_feed_entry,
    a_stored_email,
    a_stored_order,
    a_stored_sms,
    an_event,
    insert,
    insert_numbered,
)
from support.times import DAY, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from altinn_notifications.clock import FixedClock
    from support.rows import StoredOrder

pytestmark = pytest.mark.browser
expect.set_options(timeout=10_000)


@pytest.fixture
async def site(db: Database, clock: FixedClock) -> AsyncIterator[str]:
    async with serving(a_console(db, clock)) as address:
        yield address


async def a_few_orders(db: Database) -> StoredOrder:
    """Orders in several states, and one that is finished and has everything a page can show."""
    await db.execute("INSERT INTO workers (started, seen) VALUES ($1, $1)", NOON)
    for number in range(30):
        await insert(db, a_stored_order(requested_send_time=NOON + DAY, senders_reference=f"case-{number}"))
    await insert(db, a_stored_order(status=OrderStatus.PROCESSED, requested_send_time=NOON - MINUTE))
    order = await insert(db, a_stored_order(status=OrderStatus.COMPLETED, channel="EmailAndSms"))
    for message in (
        a_stored_email(order.id, result="Delivered", provider_reference="op-1"),
        a_stored_sms(order.id, result="Failed_Undelivered", provider_reference="4711"),
    ):
        await insert(db, message)
        await insert(db, an_event(order.id, Kind.SEND_ACCEPTED, notification_id=message.id, at=NOON + SECOND))
    await insert_numbered(db, a_feed_entry(order_id=order.id))
    return order


async def test_an_order_is_followed_from_registered_to_delivered_without_a_reload(
    db: Database, site: str, page: Page
) -> None:
    order = await insert(db, a_stored_order())
    await page.goto(f"{site}/orders/{order.id}")
    status, announcer = page.locator(".c-status"), page.locator("#announcer")
    await page.evaluate("window.isTheSamePage = true")
    await expect(status).to_contain_text("Registered")
    await expect(page.locator("#live-state")).to_have_text("Live")
    await expect(announcer).to_be_empty()

    await db.execute("UPDATE order_states SET status = 'Processing' WHERE order_id = $1", order.id)
    await expect(status).to_contain_text("Processing")
    email = await insert(db, a_stored_email(order.id, result="Sending"))
    await db.execute("UPDATE order_states SET status = 'Processed' WHERE order_id = $1", order.id)
    await expect(page.get_by_role("article")).to_contain_text("Being sent")
    await db.execute(
        "UPDATE notification_states SET result = 'Succeeded', provider_reference = 'op-1' WHERE notification_id = $1",
        email.id,
    )
    await insert(db, an_event(order.id, Kind.SEND_ACCEPTED, notification_id=email.id, at=NOON + SECOND))
    seen = page.get_by_role("link", name="See what the recipient saw")
    await expect(seen).to_have_attribute("href", "http://localhost:5101/sim/messages/op-1")
    await db.execute("UPDATE notification_states SET result = 'Delivered' WHERE notification_id = $1", email.id)
    await db.execute("UPDATE order_states SET status = 'Completed' WHERE order_id = $1", order.id)
    await insert_numbered(db, a_feed_entry(order_id=order.id))
    await expect(status).to_contain_text("Completed")
    await expect(announcer).to_have_text("The order is completed. 1 of 1 messages delivered.")
    await expect(page.locator("#live-state")).to_have_text("Final: nothing more is expected")
    await expect(page.get_by_role("button", name="Pause updates")).to_be_hidden()
    assert await page.evaluate("window.isTheSamePage")


async def test_a_final_page_asks_for_no_more_news(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    requests: list[str] = []
    await page.goto(f"{site}/orders/{order.id}")
    await page.wait_for_load_state("networkidle")
    page.on("request", lambda request: requests.append(request.url))
    await page.wait_for_timeout(1500)
    assert requests == []


async def test_the_overview_follows_what_happens(db: Database, site: str, page: Page) -> None:
    await page.goto(site)
    await expect(page.get_by_text("No order has been registered yet")).to_be_visible()
    await expect(page.get_by_role("heading", name="No worker is running")).to_be_visible()
    await insert(db, a_stored_order(senders_reference="case-1"))
    await db.execute("INSERT INTO workers (started, seen) VALUES ($1, $1)", NOON)
    await expect(page.get_by_role("link", name="case-1")).to_be_visible()
    await expect(page.get_by_role("heading", name="No worker is running")).to_be_hidden()


async def test_updates_can_be_paused_and_go_on(db: Database, site: str, page: Page) -> None:
    order = await insert(db, a_stored_order())
    await page.goto(f"{site}/orders/{order.id}")
    pause = page.get_by_role("button", name="Pause updates")
    await pause.click()
    await expect(page.locator("#live-state")).to_have_text("Paused")
    await db.execute("UPDATE order_states SET status = 'Processing' WHERE order_id = $1", order.id)
    await page.wait_for_timeout(1500)
    await expect(page.locator(".c-status")).to_contain_text("Registered")
    await pause.click()
    await expect(page.locator(".c-status")).to_contain_text("Processing")


async def test_a_service_that_does_not_answer_is_told_and_found_again(
    database_url: str, clock: FixedClock, page: Page
) -> None:
    db = await Database.connect(database_url)
    order = await insert(db, a_stored_order())
    async with serving(a_console(db, clock)) as site:
        await page.goto(f"{site}/orders/{order.id}")
        await page.route("**/live?*", lambda route: route.abort())
        await expect(page.locator("#live-state")).to_have_text("The service does not answer; still trying")
        await page.unroute("**/live?*")
        await expect(page.locator("#live-state")).to_have_text("Live")
        await db.close()
        await expect(page.locator("#live-state")).to_have_text("The service does not answer; still trying")


async def test_what_has_the_focus_keeps_it_when_the_page_changes(db: Database, site: str, page: Page) -> None:
    order = await insert(db, a_stored_order(chain_id=None, status=OrderStatus.PROCESSED))
    email = await insert(db, a_stored_email(order.id, result="Succeeded", provider_reference="op-1"))
    await insert(db, an_event(order.id, Kind.SEND_ACCEPTED, notification_id=email.id, at=NOON + SECOND))
    await page.goto(f"{site}/orders/{order.id}")
    seen = page.get_by_role("link", name="See what the recipient saw")
    await seen.focus()
    await db.execute("UPDATE notification_states SET result = 'Delivered' WHERE notification_id = $1", email.id)
    await expect(page.get_by_role("article")).to_contain_text("Delivered")
    await expect(seen).to_be_focused()


async def test_no_request_leaves_the_machine(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    for path in ("/", "/orders", f"/orders/{order.id}", "/search?q=nothing", "/nowhere"):
        await page.goto(f"{site}{path}")
        await page.wait_for_load_state("networkidle")
    assert hosts - {""} == {urlsplit(site).netloc}  # data: addresses have no host
    await page.goto(site)
    assert await page.evaluate("document.fonts.check('16px Inter') && [...document.fonts].length >= 2")


async def test_the_page_obeys_its_own_security_policy(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for path in ("/", "/orders", f"/orders/{order.id}"):
        await page.goto(f"{site}{path}")
        await page.wait_for_timeout(1200)
    assert complaints == []


async def press_tab(page: Page) -> str:
    """What has the focus now; fails where that cannot be seen."""
    await page.keyboard.press("Tab")
    stop, is_seen = await page.evaluate(FOCUS)
    assert is_seen, stop
    return str(stop)


FOCUS = """() => {
    const it = document.activeElement;
    const style = getComputedStyle(it), box = it.getBoundingClientRect();
    const isMarked = style.outlineStyle !== "none" || style.boxShadow !== "none" || it.matches(".ds-skip-link, body");
    return [it.id || it.textContent.trim().slice(0, 40), isMarked && box.width > 1 && box.height > 1];
}"""
CAN_BE_REACHED = "a[href]:not(.ds-skip-link), button, input"


async def test_everything_can_be_reached_with_the_keyboard_and_the_focus_is_seen(
    db: Database, site: str, page: Page
) -> None:
    order = await a_few_orders(db)
    for path in ("/", "/orders", f"/orders/{order.id}"):
        await page.goto(f"{site}{path}")
        assert await press_tab(page) == "Skip to main content"
        for _ in range(await page.locator(CAN_BE_REACHED).filter(visible=True).count()):
            await press_tab(page)
            assert await page.evaluate(f"document.activeElement.matches('{CAN_BE_REACHED}')")
        await press_tab(page)
        assert not await page.evaluate(f"document.activeElement.matches('{CAN_BE_REACHED}')")


async def test_an_order_is_found_and_opened_with_the_keyboard_alone(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    await page.goto(site)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    await page.locator("#search").focus()
    await page.keyboard.type(str(order.id))
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site}/orders/{order.id}")
    await page.goto(f"{site}/orders?show=completed")
    await page.locator(f"#order-{order.id}").focus()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site}/orders/{order.id}")


async def test_a_page_is_built_so_that_a_screen_reader_can_tell_it(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    for path in ("/", "/orders", "/orders?show=cancelled", f"/orders/{order.id}", "/search?q=nothing", "/nowhere"):
        await page.goto(f"{site}{path}")
        assert await page.locator("html").get_attribute("lang") == "en"
        assert re.fullmatch(r".+ · Altinn Notifications", await page.title())
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        for landmark in ("banner", "main", "contentinfo", "search"):
            await expect(page.get_by_role(landmark)).to_have_count(1)
        await expect(page.get_by_role("navigation", name="Main")).to_have_count(1)
        for fault in (LEVELS_SKIPPED, WITHOUT_NAME, DOUBLE_IDS, DANGLING_REFERENCES):
            assert await page.evaluate(fault) == []


LEVELS_SKIPPED = """() => {
    const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1]));
    return levels.filter((level, place) => place > 0 && level - levels[place - 1] > 1);
}"""
WITHOUT_NAME = """() => [...document.querySelectorAll("a, button, input, table, nav, section")].filter((it) => {
    const label = it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.caption?.textContent;
    const by = document.getElementById(it.getAttribute("aria-labelledby"))?.textContent;
    const own = it.matches("a, button") ? it.textContent : "";
    return !(label || by || own)?.trim();
}).map((it) => it.outerHTML.slice(0, 80))"""
DOUBLE_IDS = """() => {
    const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
    return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""
DANGLING_REFERENCES = """() => [...document.querySelectorAll("[aria-labelledby], label[for]")]
    .map((it) => it.getAttribute("aria-labelledby") || it.htmlFor).filter((id) => !document.getElementById(id))"""


async def test_every_text_stands_out_from_its_ground(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    await insert(db, a_stored_order(type=OrderType.Reminder, status=OrderStatus.CANCELLED))
    await db.execute("INSERT INTO provider_pauses VALUES ('smtp', $1, '421')", NOON + MINUTE)
    for path in ("/", "/orders", f"/orders/{order.id}"):
        await page.goto(f"{site}{path}")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await page.evaluate(TOO_LITTLE_CONTRAST) == []


TOO_LITTLE_CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const ground = (it) => {
        for (let at = it; at; at = at.parentElement) {
            const color = rgba(getComputedStyle(at).backgroundColor);
            if (color[3] === 255) return color;
        }
        return [255, 255, 255, 255];
    };
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
    const poor = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const it = walker.currentNode.parentElement;
        const box = it.getBoundingClientRect();
        if (!walker.currentNode.textContent.trim() || box.width <= 1) continue;
        if (it.closest("script, noscript, .ds-skip-link")) continue;
        const [a, b] = [light(rgba(getComputedStyle(it).color)), light(ground(it))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) poor.add(it.outerHTML.slice(0, 100));
    }
    return [...poor];
}"""


async def test_a_page_fits_every_screen(db: Database, site: str, page: Page) -> None:
    order = await a_few_orders(db)
    long = await insert(db, a_stored_order(senders_reference="x" * 200))
    for path in ("/", "/orders", f"/orders/{order.id}", f"/orders/{long.id}", "/nowhere"):
        await page.goto(f"{site}{path}")
        for width in (320, 390, 768, 1000, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
