"""The lane of email with attachments: slow downloads hold up no other mail (spec 04, 9.2)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.protocol import OutgoingEmail
from altinn_notifications.reports.model import PROVIDER_SOURCES
from altinn_notifications.sending import claims
from altinn_notifications.sending.attempts import Closing
from altinn_notifications.sending.downloads import Unsent
from altinn_notifications.sending.lanes import Lane, LaneSettings

if TYPE_CHECKING:
    from altinn_notifications.sending.claims import Claimed
    from altinn_notifications.sending.downloads import Downloads, Files


class ComposedLane(Lane[OutgoingEmail]):
    """Fetches a mail's files, and only then begins an attempt: a crash in between leaves no outcome unknown."""

    def __init__(self, settings: LaneSettings, *, downloads: Downloads, **parts: Any) -> None:
        super().__init__(settings, **parts)
        self._downloads = downloads
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """As every lane; downloads that are under way when `stop` is set are given up, and their mails given back."""
        self._stop = stop
        await super().run(stop)

    async def _send(self, claim: Claimed, message: OutgoingEmail, reference: str | None) -> None:
        started = self._clock.now()
        fetched = await self._fetch_unless_stopped(claim)
        if isinstance(fetched, Unsent):
            closing = Closing(
                claim,
                self._routes.names[0],
                PROVIDER_SOURCES[self._routes.names[0]],
                claim.attempts,
                started,
                fetched.decision,
                download=fetched.note,
            )
            await self._close(closing)
        elif fetched is not None:
            await super()._send(claim, replace(message, attachments=fetched), reference)

    async def _record(self, closing: Closing) -> None:
        await super()._record(closing)
        if closing.decision.wake_at is not None:
            self._wake.set()  # the next try may be due before the lane would look again

    async def _fetch_unless_stopped(self, claim: Claimed) -> Files | Unsent | None:
        fetching = asyncio.ensure_future(self._downloads.fetch(claim))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([fetching, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            is_given_up = fetching.cancel()
        if not is_given_up:
            return fetching.result()
        await asyncio.gather(fetching, return_exceptions=True)
        await claims.hand_back(self._db, [claim], now=self._clock.now())
        return None
