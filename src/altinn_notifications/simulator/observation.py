"""What every HTTP target has in common: it is slow if asked to be, fails if asked to, and is seen in the calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from altinn_notifications.simulator.bodies import BadRequest
from altinn_notifications.simulator.calls import MAX_BODY_BYTES, Call
from altinn_notifications.simulator.faults import Fault, Mode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.calls import Target
    from altinn_notifications.simulator.state import SimulatorState

    Endpoint = Callable[[Request], Awaitable[Response]]


class NoAnswer(Response):
    """Keeps the caller waiting until it gives up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - an ASGI signature
        """Wait for the caller to leave."""
        while (await receive())["type"] != "http.disconnect":
            pass


class LateAnswer(Response):
    """Another answer, once some time has passed and if the caller is still there."""

    def __init__(self, answer: Response, delay: timedelta) -> None:
        super().__init__(status_code=answer.status_code)
        self._answer, self._delay = answer, delay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the caller leaves first."""
        try:
            async with asyncio.timeout(self._delay.total_seconds()):
                await NoAnswer()(scope, receive, send)
        except TimeoutError:
            await self._answer(scope, receive, send)


def observed(endpoint: Endpoint, target: Target, state: SimulatorState, clock: Clock) -> Endpoint:
    """`endpoint` as a part of `target`: with its latency, its faults and its place among the calls."""

    async def answer(request: Request) -> Response:
        at, body = clock.now(), await request.body()
        if state.behaviour.latency:
            await asyncio.sleep(state.behaviour.latency.total_seconds())
        fault = state.faults.take(target)
        response = faulty(fault) if fault else await _answered(endpoint, request)
        state.calls.record(
            Call(
                at=at,
                target=target,
                method=request.method,
                path=_path_and_query(request),
                status=None if isinstance(response, NoAnswer) else response.status_code,
                headers=request.headers.items(),
                body=body[:MAX_BODY_BYTES],
            )
        )
        return response

    return answer


async def _answered(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except BadRequest as error:
        return JSONResponse({"errors": error.errors}, 400)


def faulty(fault: Fault) -> Response:
    """The answer of an HTTP target that has the fault."""
    if fault.mode is Mode.TIMEOUT:
        return NoAnswer()
    if fault.mode is Mode.GARBAGE:
        return HTMLResponse("<html>this is not what you asked for")
    return PlainTextResponse("Simulated outage", fault.status)


def _path_and_query(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
