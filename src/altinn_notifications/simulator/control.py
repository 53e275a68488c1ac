"""Control and observation: state, settings, faults, calls and the service's jobs (spec 13, 16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator.calls import Target, shown
from altinn_notifications.simulator.faults import DEFAULT_STATUS, Fault, Mode
from altinn_notifications.simulator.magic import as_international
from altinn_notifications.simulator.pages import ROWS, no_news, polling, wants_html

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState
    from altinn_notifications.simulator.tokens import TokenState

JOBS: Final = (
    "pastdueorders",
    "sendemail",
    "sendsms",
    "sendsmsanytime",
    "sendsmsdaytime",
    "terminateexpirednotifications",
    "deleteoldstatusfeedrecords",
)
"""The service's triggers, by the end of their path (spec 01, 11.2)."""

_LONGEST_DELAY_MS: Final = 3_600_000
_Milliseconds = Annotated[int, Field(ge=0, le=_LONGEST_DELAY_MS)]


class BadRequest(Exception):
    """The body is not what the endpoint takes; `errors` are messages by property."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(f"{len(errors)} properties are wrong")
        self.errors = errors


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsChange(_Body):
    """Body of `PUT /sim/settings`: what is absent stays as it is. Delays in milliseconds, at most an hour."""

    reportDelayMs: _Milliseconds | None = None  # noqa: N815 - the property's name in JSON
    latencyMs: _Milliseconds | None = None  # noqa: N815 - the property's name in JSON
    allowList: list[str] | None = None  # noqa: N815 - the property's name in JSON
    jwksBase64Url: bool | None = None  # noqa: N815 - the property's name in JSON


def _that_can_fail(target: Target) -> Target:
    if target not in DEFAULT_STATUS:
        raise ValueError(f"only {', '.join(DEFAULT_STATUS)} can fail on demand")
    return target


class FaultRequest(_Body):
    """Body of `POST /sim/faults`. `status` is of HTTP, or of SMTP; a `count` of zero ends the fault."""

    target: Annotated[Target, AfterValidator(_that_can_fail)]
    mode: Mode
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    count: NonNegativeInt = 1


B = TypeVar("B", bound=_Body)


class Control:
    """The endpoints below `/sim` that steer and watch."""

    def __init__(
        self, service_url: str, http: httpx.AsyncClient, state: SimulatorState, tokens: TokenState, pages: Pages
    ) -> None:
        self._trigger_url = f"{service_url.rstrip('/')}/notifications/api/v1/trigger"
        self._http, self._state, self._tokens, self._pages = http, state, tokens, pages

    def routes(self) -> list[BaseRoute]:
        """State, reset, settings, faults, calls and jobs."""
        return [
            Route("/sim/state", self.dump, methods=["GET"]),
            Route("/sim/reset", self.reset, methods=["POST"]),
            Route("/sim/settings", self.change_settings, methods=["PUT"]),
            Route("/sim/faults", self.put_fault, methods=["POST"]),
            Route("/sim/calls", self.calls, methods=["GET"]),
            Route("/sim/run/{job}", self.run_job, methods=["POST"]),
        ]

    async def dump(self, _request: Request) -> Response:
        """What the simulator remembers, in short."""
        return JSONResponse({"settings": self._settings(), **self._state.dump()})

    def _settings(self) -> dict[str, Any]:
        return {**self._state.behaviour.dump(), "jwksBase64Url": self._tokens.base64url}

    async def reset(self, request: Request) -> Response:
        """Back to the start."""
        self._state.reset()
        self._tokens.base64url = False
        return RedirectResponse("/", 303) if wants_html(request) else await self.dump(request)

    async def change_settings(self, request: Request) -> Response:
        """Change delays, the allow-list or how keys are published; the answer is all settings."""
        change = _read(SettingsChange, await request.body())
        behaviour = self._state.behaviour
        if change.reportDelayMs is not None:
            behaviour = replace(behaviour, report_delay=timedelta(milliseconds=change.reportDelayMs))
        if change.latencyMs is not None:
            behaviour = replace(behaviour, latency=timedelta(milliseconds=change.latencyMs))
        if change.allowList is not None:
            behaviour = replace(behaviour, allow_list=frozenset(map(as_international, change.allowList)))
        if change.jwksBase64Url is not None:
            self._tokens.base64url = change.jwksBase64Url
        self._state.behaviour = behaviour
        return JSONResponse(self._settings())

    async def put_fault(self, request: Request) -> Response:
        """Let the next calls to a target fail; the answer is every fault that is still to come."""
        wish = _read(FaultRequest, await request.body())
        status = wish.status if wish.status is not None else DEFAULT_STATUS[wish.target]
        self._state.faults.put(Fault(wish.target, wish.mode, status, wish.count))
        return JSONResponse({"faults": self._state.faults.dump()})

    async def calls(self, request: Request) -> Response:
        """The last 500 requests to `target`, or to all; a page shows the newest hundred."""
        name = request.query_params.get("target", "")
        if name and name not in list(Target):
            return JSONResponse({"errors": {"target": [f"One of {', '.join(Target)}."]}}, 400)
        poll_url, is_unchanged = polling(request, self._state.calls.changes)
        if is_unchanged:
            return no_news()
        calls = self._state.calls.newest(Target(name) if name else None)
        data = {"calls": [shown(number, call) for number, call in (calls[:ROWS] if wants_html(request) else calls)]}
        return self._pages.answer(
            request, "calls.html", data, target=name, targets=list(Target), count=len(calls), poll_url=poll_url
        )

    async def run_job(self, request: Request) -> Response:
        """Call one of the service's triggers once; 502 when the service does not do it."""
        job = request.path_params["job"]
        if job not in JOBS:
            return JSONResponse({"errors": {"job": [f"One of {', '.join(JOBS)}."]}}, 404)
        try:
            answer = await self._http.post(f"{self._trigger_url}/{job}")
        except httpx.RequestError:
            return JSONResponse({"job": job, "status": None}, 502)
        return JSONResponse({"job": job, "status": answer.status_code}, 200 if answer.is_success else 502)


async def explain_bad_request(_request: Request, error: Exception) -> Response:
    """`BadRequest` as an answer."""
    errors: Any = getattr(error, "errors", {})
    return JSONResponse({"errors": errors}, 400)


def _read(body_type: type[B], body: bytes) -> B:
    try:
        return body_type.model_validate_json(body)
    except ValidationError as error:
        problems: dict[str, list[str]] = {}
        for problem in error.errors():
            problems.setdefault(".".join(map(str, problem["loc"])), []).append(problem["msg"])
        raise BadRequest(problems) from None
