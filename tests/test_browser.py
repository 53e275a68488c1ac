from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.async_api import Page


@pytest.mark.browser
async def test_a_page_runs_its_scripts(page: Page) -> None:
    await page.set_content("<p id=p></p><script>p.textContent = 'blåbær'</script>")
    assert await page.text_content("#p") == "blåbær"


@pytest.fixture
def without_chromium(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(browser, "APPLICATIONS", ())
    browser.find_chromium.cache_clear()
    yield
    browser.find_chromium.cache_clear()


@pytest.mark.usefixtures("without_chromium")
def test_without_chromium_a_browser_test_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        browser._chromium_or_skip()


@pytest.mark.usefixtures("without_chromium")
def test_in_ci_a_missing_chromium_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        browser._chromium_or_skip()
