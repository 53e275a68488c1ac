"""One time for the platform and the service: whoever turns the clock here turns it there too (spec 13, 16)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import structlog

from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from altinn_notifications.clock import TurnableClock

_ASK_AGAIN_SECONDS: Final = 1.0
_ASK_FOR_SECONDS: Final = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Echo:
    """What the service made of it when it was last told the time: the status of its answer, None if there was none."""

    status: int | None

    @property
    def has_followed(self) -> bool:
        """Whether its clock shows the same time now."""
        return self.status is not None and httpx.codes.is_success(self.status)


class SharedTime:
    """One time for platform and service."""

    def __init__(self, clock: TurnableClock, service_url: str, http: httpx.AsyncClient) -> None:
        self._clock, self._http = clock, http
        self._url = f"{service_url.rstrip('/')}/notifications/api/v1/tests/clock"
        self.echo: Echo | None = None

    async def turn(self, offset: timedelta) -> None:
        """Show the machine's time plus `offset` from now on, and let the service do the same if it can."""
        self._clock.offset = offset
        self.echo = Echo(await self._tell(offset))

    async def _tell(self, offset: timedelta) -> int | None:
        try:
            answer = await self._http.put(self._url, json={"offsetSeconds": offset.total_seconds()})
        except httpx.RequestError as error:
            log.warning("service_not_told_the_time", error=type(error).__name__)
            return None
        return answer.status_code

    async def adopt(self) -> bool:
        """Take over the service's time, which it keeps when it is stopped, once it is there; False if it never comes.

        Who turns the clock meanwhile has the last word.
        """
        try:
            async with asyncio.timeout(_ASK_FOR_SECONDS):
                while self.echo is None:
                    if (answer := await self._ask()) is not None:
                        return self._take_over(answer)
                    await asyncio.sleep(_ASK_AGAIN_SECONDS)
        except TimeoutError:
            log.info("service_has_no_time_to_adopt")
        return False

    async def _ask(self) -> httpx.Response | None:
        """The service's answer, None as long as it is not able to give one."""
        try:
            answer = await self._http.get(self._url)
        except httpx.RequestError:
            return None
        return None if answer.is_server_error else answer

    def _take_over(self, answer: httpx.Response) -> bool:
        try:
            self._clock.offset = timedelta(seconds=answer.json()["offsetSeconds"])
        except (ValueError, KeyError, TypeError, OverflowError):
            return False
        return True

    def dump(self) -> dict[str, Any]:
        """The clock as `GET /sim/clock` shows it; `service` is None until the clock is first turned."""
        echo = self.echo and {"followed": self.echo.has_followed, "status": self.echo.status}
        offset = self._clock.offset
        return {"now": to_wire(self._clock.now()), "offsetSeconds": offset.total_seconds(), "service": echo}
