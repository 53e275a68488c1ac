"""`GET` and `PUT /tests/clock`: the time of all processes, turned so that days pass in a moment. Not in production."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from starlette.responses import Response

from altinn_notifications.api.contract import About
from altinn_notifications.api.operations import Answer, Operation
from altinn_notifications.api.problems import JSON_TYPE, empty_problem, to_json
from altinn_notifications.api.reading import read
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.api.scalars import Number
from altinn_notifications.clock import FARTHEST, TurnableClock
from altinn_notifications.database.turned_clock import turn
from altinn_notifications.timestamps import to_wire

_PATH: Final = f"{API}/tests/clock"
_SECONDS: Final = Number(-FARTHEST.total_seconds(), FARTHEST.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """How far the clock is to be turned."""

    offset_seconds: Annotated[float, _SECONDS, About("From the machine's time; negative for the past, 0 to end it.")]


async def get_clock(request: Request) -> Response:
    """What time it is to this process."""
    clock = _turnable_clock(request)
    content = {"offsetSeconds": clock.offset.total_seconds(), "now": to_wire(clock.now())}
    return Response(to_json(content), media_type=JSON_TYPE)


async def put_clock(request: Request) -> Response:
    """Turn the clock of every process."""
    clock = _turnable_clock(request)
    change = read(ClockChange, await request.json_body(), parameter="clockChange")
    services = request.services
    await turn(clock, timedelta(seconds=change.offset_seconds), services.db, services.wakeups)
    return Response(status_code=204)


def _turnable_clock(request: Request) -> TurnableClock:
    """The clock, if this process has one that can be turned. Raises an empty 404."""
    clock = request.services.clock
    if not isinstance(clock, TurnableClock):
        raise empty_problem(404)
    return clock


_NOT_HERE: Final = Answer("The clock of this service cannot be turned.")
_CLOCK: Final = {
    "type": "object",
    "required": ["offsetSeconds", "now"],
    "properties": {
        "offsetSeconds": {"type": "number"},
        "now": {"type": "string", "format": "date-time"},
    },
}

ROUTES: Final = [
    Route(
        "GET",
        _PATH,
        get_clock,
        operation=Operation(
            tag="Tests",
            summary="Read the clock",
            description="Not in production.",
            answers={
                200: Answer("The time.", _CLOCK, {"offsetSeconds": 604800.0, "now": "2035-03-08T08:00:00Z"}),
                404: _NOT_HERE,
            },
        ),
    ),
    Route(
        "PUT",
        _PATH,
        put_clock,
        states_json=True,
        operation=Operation(
            tag="Tests",
            summary="Turn the clock",
            description="Every process follows within a moment and does at once what has become due. Tokens keep to"
            " the machine's time. Not in production.",
            answers={204: Answer("The clock is turned."), 404: _NOT_HERE},
            request=ClockChange,
            examples={"a week ahead": {"offsetSeconds": 604800}, "as the machine": {"offsetSeconds": 0}},
        ),
    ),
]
