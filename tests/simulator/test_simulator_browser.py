"""The pages in a real browser: what only scripts and frames can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiosmtplib
import pytest

from support.simulator import Running, a_mail, a_simulator

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.browser


async def send(simulator: Running, subject: str, body: str = "Hei", **headers: str) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        await smtp.sendmail("noreply@altinn.no", ["kari@epost.example"], a_mail(subject, body, **headers))


async def test_mail_appears_and_changes_its_state_without_a_reload(page: Page) -> None:
    async with a_simulator() as simulator:
        simulator.service.status = 503
        await page.goto(f"{simulator.http.base_url}/sim/mailbox")
        assert await page.get_by_text("No mail yet").is_visible()
        await send(simulator, "Ny post")
        await page.get_by_role("link", name="Ny post").wait_for(timeout=8000)
        simulator.service.status = 200
        await page.get_by_text("Delivered").wait_for(timeout=8000)
        await page.get_by_role("link", name="Ny post").click()
        assert await page.get_by_role("heading", level=1).inner_text() == "Ny post"


async def test_html_mail_is_seen_but_its_scripts_do_not_run(page: Page) -> None:
    async with a_simulator() as simulator:
        body = "<p id=p>Hei fra rammen</p><script>document.getElementById('p').textContent = 'taken'</script>"
        await send(simulator, "Ramme", body, Content_Type="text/html; charset=utf-8")
        (mail,) = await simulator.mailbox("kari@epost.example")
        await page.goto(f"{simulator.http.base_url}{mail['url']}")
        assert await page.frame_locator("iframe").locator("#p").inner_text() == "Hei fra rammen"


async def test_what_is_unfolded_stays_unfolded_when_the_phone_renews_itself(page: Page) -> None:
    async with a_simulator() as simulator:
        reference = (await simulator.send_sms("4799999909", "Hei"))["REF"]
        await page.goto(f"{simulator.http.base_url}/sim/phones/4799999909/messages")
        await page.get_by_text("Delivery reports").click()
        await simulator.send_sms("4799999909", "En til")
        await page.get_by_text("En til").wait_for(timeout=8000)
        assert await page.locator(f"#details-{reference}").get_attribute("open") is not None


async def test_a_command_is_copied_and_the_keyboard_skips_to_the_content(page: Page) -> None:
    async with a_simulator() as simulator:
        base_url = str(simulator.http.base_url)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base_url)
        await page.goto(base_url)
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await page.get_by_role("button", name="Copy: Get a token").click()
        await page.get_by_text("Copied").wait_for()
        assert (await page.evaluate("navigator.clipboard.readText()")).startswith("TOKEN=$(curl")


async def test_a_newcomer_changes_where_a_person_is_reached(page: Page) -> None:
    async with a_simulator() as simulator:
        await page.goto(f"{simulator.http.base_url}/sim/persons")
        await page.get_by_role("link", name="GAMMEL GRANKONGLE").click()
        assert await page.get_by_text("Stale", exact=True).count() == 2
        await page.get_by_label("Address").first.fill("ny@epost.example")
        await page.get_by_label("Reserved against digital communication").check()
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("status").get_by_text("Saved.").wait_for()
        assert await page.get_by_text("Fresh", exact=True).count() == 1
        person = (await simulator.http.get("/sim/persons/14925926230")).json()
        assert (person["email"], person["isReserved"]) == ("ny@epost.example", True)


async def test_a_newcomer_gives_a_right_and_takes_it_away(page: Page) -> None:
    async with a_simulator() as simulator:
        await page.goto(f"{simulator.http.base_url}/sim/organizations/319900896")
        await page.get_by_role("combobox", name="User").select_option("20002")
        await page.get_by_role("button", name="Give", exact=True).click()
        taking = page.get_by_role("button", name="Take read on ttd-demo-service away from Bjarne")
        await taking.click()
        await taking.wait_for(state="detached")
        assert await page.get_by_role("button", name="from Bjarne").count() == 1


async def test_a_newcomer_turns_the_clock_a_week_and_back(page: Page) -> None:
    async with a_simulator() as simulator:
        await page.goto(f"{simulator.http.base_url}/sim/clock")
        await page.get_by_role("button", name="+7 days").click()
        assert await page.get_by_text("09.03.2026 13:00:00").first.is_visible()
        assert await page.get_by_text("The service has followed").is_visible()
        await page.get_by_role("button", name="Back to this machine's time").click()
        assert await page.get_by_text("02.03.2026 13:00:00").first.is_visible()


PATHS = ("/", "/sim/persons", "/sim/organizations/319900896", "/sim/users/20001", "/sim/conditions", "/sim/clock")


@pytest.mark.parametrize("width", [360, 1280])
async def test_no_page_is_wider_than_the_window(page: Page, width: int) -> None:
    async with a_simulator() as simulator:
        await page.set_viewport_size({"width": width, "height": 800})
        for path in PATHS:
            await page.goto(f"{simulator.http.base_url}{path}")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_no_page_is_wider_than_a_phone(page: Page) -> None:
    async with a_simulator() as simulator:
        await send(simulator, "Ny post")
        await simulator.send_sms("4799999901", "Hei")
        await page.set_viewport_size({"width": 400, "height": 800})
        for path in ("/", "/sim/mailbox", "/sim/phones", "/sim/persons", "/sim/persons/07846532042"):
            await page.goto(f"{simulator.http.base_url}{path}")
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not await page.evaluate(wide), path
