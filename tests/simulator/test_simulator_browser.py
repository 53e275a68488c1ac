"""The pages in a real browser: what only scripts and frames can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiosmtplib
import pytest

from support.browser import page  # noqa: F401 - a fixture
from support.simulator import Running, a_mail, a_simulator

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.browser


async def send(simulator: Running, subject: str, body: str = "Hei", **headers: str) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        await smtp.sendmail("noreply@altinn.no", ["kari@epost.example"], a_mail(subject, body, **headers))


async def test_mail_appears_and_changes_its_state_without_a_reload(page: Page) -> None:  # noqa: F811 - the fixture
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


async def test_html_mail_is_seen_but_its_scripts_do_not_run(page: Page) -> None:  # noqa: F811 - the fixture
    async with a_simulator() as simulator:
        body = "<p id=p>Hei fra rammen</p><script>document.getElementById('p').textContent = 'taken'</script>"
        await send(simulator, "Ramme", body, Content_Type="text/html; charset=utf-8")
        (mail,) = await simulator.mailbox("kari@epost.example")
        await page.goto(f"{simulator.http.base_url}{mail['url']}")
        assert await page.frame_locator("iframe").locator("#p").inner_text() == "Hei fra rammen"


async def test_what_is_unfolded_stays_unfolded_when_the_phone_renews_itself(page: Page) -> None:  # noqa: F811 - the fixture
    async with a_simulator() as simulator:
        reference = (await simulator.send_sms("4799999909", "Hei"))["REF"]
        await page.goto(f"{simulator.http.base_url}/sim/phones/4799999909/messages")
        await page.get_by_text("Delivery reports").click()
        await simulator.send_sms("4799999909", "En til")
        await page.get_by_text("En til").wait_for(timeout=8000)
        assert await page.locator(f"#details-{reference}").get_attribute("open") is not None


async def test_a_command_is_copied_and_the_keyboard_skips_to_the_content(page: Page) -> None:  # noqa: F811 - the fixture
    async with a_simulator() as simulator:
        base_url = str(simulator.http.base_url)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base_url)
        await page.goto(base_url)
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await page.get_by_role("button", name="Copy: Get a token").click()
        await page.get_by_text("Copied").wait_for()
        assert (await page.evaluate("navigator.clipboard.readText()")).startswith("TOKEN=$(curl")
