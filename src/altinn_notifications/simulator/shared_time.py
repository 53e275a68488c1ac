"""The platform's clock, which people turn, and the service that is told to turn its own (spec 13, 16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import structlog

from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.clock import Clock

FARTHEST: Final = timedelta(days=3650)
"""How far the clock can be turned, forward or back."""

log = structlog.get_logger()


class TurnableClock:
    """The time of another clock plus an offset that can be changed.

    Tokens are issued and checked by `machine`, the other clock, because those who make and check them elsewhere have
    not turned theirs.
    """

    def __init__(self, machine: Clock) -> None:
        self.machine = machine
        self.offset = timedelta()

    def now(self) -> datetime:
        """The turned time, in UTC."""
        return self.machine.now() + self.offset


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

    def dump(self) -> dict[str, Any]:
        """The clock as `GET /sim/clock` shows it; `service` is None until the clock is first turned."""
        echo = self.echo and {"followed": self.echo.has_followed, "status": self.echo.status}
        offset = self._clock.offset
        return {"now": to_wire(self._clock.now()), "offsetSeconds": offset.total_seconds(), "service": echo}
