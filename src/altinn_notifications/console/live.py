"""How a page asks for news of itself, so that a reader need not reload it."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.console.order_page import OrderPage
    from altinn_notifications.console.overview_page import OverviewPage


@dataclass(frozen=True, slots=True)
class Live:
    """Where a page asks for news, how often (None: it does not), and what it shows and has said already."""

    url: str
    trigger: str | None
    version: str
    said: str


def live(
    page: OverviewPage | OrderPage, path: str, trigger: str | None, query: Mapping[str, str] | None = None
) -> Live:
    """How `page` asks for news of itself at `path`.

    Its version changes whenever anything on it does, so that no news is a short answer and leaves the page alone.
    """
    version, said = digest(repr(astuple(page))), digest(page.announcement)
    return Live(f"{path}?{urlencode({**(query or {}), 'version': version, 'said': said})}", trigger, version, said)


def digest(text: str) -> str:
    """A short text that stands for a long one."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
