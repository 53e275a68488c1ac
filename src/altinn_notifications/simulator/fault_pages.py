"""Outages on demand, for people and programs (spec 13, 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, NonNegativeInt
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator.bodies import Body, read, read_form
from altinn_notifications.simulator.calls import Target  # noqa: TC001 - pydantic reads it
from altinn_notifications.simulator.faults import DEFAULT_STATUS, Fault, Mode
from altinn_notifications.simulator.pages import wants_html

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState


def _that_can_fail(target: Target) -> Target:
    if target not in DEFAULT_STATUS:
        raise ValueError(f"only {', '.join(DEFAULT_STATUS)} can fail on demand")
    return target


class FaultRequest(Body):
    """Body of `POST /sim/faults`. `status` is of HTTP, or of SMTP; a `count` of zero ends the fault."""

    target: Annotated[Target, AfterValidator(_that_can_fail)]
    mode: Mode
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    count: NonNegativeInt = 1


class FaultPages:
    """What is about to fail, and what is to fail next."""

    def __init__(self, state: SimulatorState, pages: Pages) -> None:
        self._state, self._pages = state, pages

    def routes(self) -> list[BaseRoute]:
        """The faults."""
        return [
            Route("/sim/faults", self.show, methods=["GET"]),
            Route("/sim/faults", self.put, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Every fault that is still to come."""
        data = {"faults": self._state.faults.dump()}
        return self._pages.answer(request, "faults.html", data, targets=list(DEFAULT_STATUS), modes=list(Mode))

    async def put(self, request: Request) -> Response:
        """Let the next calls to a target fail; the answer is every fault that is still to come."""
        if wants_html(request):
            filled_in = {name: value for name, value in (await read_form(request)).items() if value}
            self._put(read(FaultRequest, {**filled_in}))
            return RedirectResponse("/sim/faults", 303)
        self._put(read(FaultRequest, await request.body()))
        return JSONResponse({"faults": self._state.faults.dump()})

    def _put(self, wish: FaultRequest) -> None:
        status = wish.status if wish.status is not None else DEFAULT_STATUS[wish.target]
        self._state.faults.put(Fault(wish.target, wish.mode, status, wish.count))
