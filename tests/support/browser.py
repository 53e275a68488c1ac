"""A real Chromium for tests: the one that is there, else one from apt; where there is none, a skip that says so."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
ARGUMENTS = (
    "--no-sandbox",  # root and containers have none
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
MISSING = "no Chromium on this machine, and apt cannot install one; CHROMIUM may name one"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """An empty page of a browser of its own. The test fails if a script on one of its pages does."""
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_chromium_or_skip(), args=list(ARGUMENTS))
        page = await browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
    assert errors == []


def _chromium_or_skip() -> str:
    path = find_chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    return path or pytest.skip(MISSING)


@functools.cache
def find_chromium() -> str | None:
    """The path of a Chromium that starts, or None."""
    return _existing() or (_existing() if _install() else None)


def _existing() -> str | None:
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), *APPLICATIONS]
    return next((path for path in candidates if path and _starts(path)), None)


def _starts(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], check=False, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _install() -> bool:
    """Try `apt-get install chromium`, once even when several test processes ask for it."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    lock = Path(tempfile.gettempdir()) / "altinn-notifications-chromium.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if _existing():
            return True
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run([apt, "-qq", *arguments], check=False, capture_output=True, env=environment)
    return True
