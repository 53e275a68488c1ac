"""The clock for people and programs: look at it, turn it (spec 13, 16)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.clock import FARTHEST
from altinn_notifications.simulator.bodies import BadRequest, Body, read, read_form
from altinn_notifications.simulator.pages import OSLO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import TurnableClock
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.shared_time import SharedTime

_MOST: Final = FARTHEST.total_seconds()
_Seconds = Annotated[float, Field(ge=-_MOST, le=_MOST, allow_inf_nan=False)]


class ClockChange(Body):
    """Body of `PUT /sim/clock`: the whole offset, what to add to it, or the time to show; exactly one of them."""

    offset_seconds: _Seconds | None = None
    advance_seconds: _Seconds | None = None
    now: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_one_wish(self) -> Self:
        wishes = (self.offset_seconds, self.advance_seconds, self.now)
        if sum(wish is not None for wish in wishes) != 1:
            raise ValueError("exactly one of offsetSeconds, advanceSeconds and now is needed")
        return self

    def offset(self, clock: TurnableClock) -> timedelta:
        """The offset that is wished for. Raises `BadRequest` if that is too far."""
        if self.now is not None:
            wished = self.now - clock.machine.now()
        elif self.advance_seconds is not None:
            wished = clock.offset + timedelta(seconds=self.advance_seconds)
        else:
            wished = timedelta(seconds=self.offset_seconds or 0)
        if abs(wished) > FARTHEST:
            raise BadRequest({"now": [f"At most {FARTHEST.days} days from the machine's time."]})
        return wished


class ClockPages:
    """One clock, and its hands."""

    def __init__(self, clock: TurnableClock, time: SharedTime, pages: Pages) -> None:
        self._clock, self._time, self._pages = clock, time, pages

    def routes(self) -> list[BaseRoute]:
        """The clock."""
        return [
            Route("/sim/clock", self.show, methods=["GET"]),
            Route("/sim/clock", self.put, methods=["PUT"]),
            Route("/sim/clock", self.turn, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """What time it is, and whether the service agrees."""
        return self._pages.answer(request, "clock.html", self._time.dump())

    async def put(self, request: Request) -> Response:
        """Turn the clock here and at the service; the answer says whether the service followed."""
        change = read(ClockChange, await request.body())
        await self._time.turn(change.offset(self._clock))
        return JSONResponse(self._time.dump())

    async def turn(self, request: Request) -> Response:
        """The same from the page's form."""
        change = read(ClockChange, form_change(await read_form(request)))
        await self._time.turn(change.offset(self._clock))
        return RedirectResponse("/sim/clock", 303)


def form_change(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields that were filled in; the time of a form is Oslo's."""
    wishes: dict[str, Any] = {name: value for name, value in form.items() if value}
    if "now" in wishes:
        wishes["now"] = _in_oslo(wishes["now"])
    return wishes


def _in_oslo(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=OSLO)
    except ValueError:
        return text
