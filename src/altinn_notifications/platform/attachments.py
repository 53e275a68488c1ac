"""Fetching the files of composed emails from blob storage (spec 04, 5.3 and 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from altinn_notifications.platform.guarded_fetch import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from altinn_notifications.platform.guarded_fetch import ByteBudget, GuardedFetcher

STORAGE_HOSTS: Final = ".blob.core.windows.net"
_REQUEST_TIMEOUT: Final = 408
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERRORS: Final = 500


class AttachmentOrigins:
    """From where attachments may come: Azure's blob storage over https, and the origins in `extra`.

    An origin is scheme, host and port.
    """

    def __init__(self, extra: Iterable[str]) -> None:
        urls = [httpx.URL(origin) for origin in extra]
        self._extra = frozenset(map(_origin, urls))
        self.extra_hosts = frozenset(url.host for url in urls)

    def is_secure(self, url: httpx.URL) -> bool:
        """Whether nobody on the way can read what is fetched, or the settings say that this does not matter."""
        return (url.scheme == "https" and bool(url.host)) or _origin(url) in self._extra

    def allow(self, url: httpx.URL) -> bool:
        """Whether an attachment may be fetched from `url`."""
        is_storage = url.scheme == "https" and url.host.lower().endswith(STORAGE_HOSTS)
        return is_storage or _origin(url) in self._extra


class AttachmentStore:
    """Whoever keeps the files. Redirects that lead away from the allowed origins are not followed."""

    def __init__(self, fetcher: GuardedFetcher, origins: AttachmentOrigins) -> None:
        self._fetcher = fetcher
        self.origins = origins

    async def fetch(self, sas_url: str, budget: ByteBudget) -> bytes:
        """The content of one file, counted against `budget` while it is read.

        Raises `FetchFailed`, which says whether a later try may succeed, and `BudgetExceeded`.
        """
        if not self._is_allowed(sas_url):
            raise FetchFailed("origin not allowed", is_final=True)
        answer = await self._fetcher.get(sas_url, {}, budget=budget)
        if not answer.is_success:
            raise FetchFailed(f"status {answer.status}", is_final=not _is_temporary(answer.status))
        return answer.body

    def _is_allowed(self, sas_url: str) -> bool:
        try:
            return self.origins.allow(httpx.URL(sas_url))
        except httpx.InvalidURL:
            return False

    async def close(self) -> None:
        """Let go of connections."""
        await self._fetcher.close()


def _is_temporary(status: int) -> bool:
    return status in {_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS} or status >= _SERVER_ERRORS


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}".lower()
