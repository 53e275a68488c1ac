"""Control and observation: state, settings, calls and the service's jobs (spec 13, 16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import httpx
from pydantic import Field
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.channels.magic import as_international
from altinn_notifications.simulator.bodies import Body, read
from altinn_notifications.simulator.calls import Target, shown
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
_LONGEST_CONTACT_DELAY_SECONDS: Final = 86_400
_Milliseconds = Annotated[int, Field(ge=0, le=_LONGEST_DELAY_MS)]


class SettingsChange(Body):
    """Body of `PUT /sim/settings`: what is absent stays. Delays take at most an hour, that of contact data a day."""

    report_delay_ms: _Milliseconds | None = None
    operation_delay_ms: _Milliseconds | None = None
    latency_ms: _Milliseconds | None = None
    allow_list: list[str] | None = None
    contact_delay_seconds: Annotated[int, Field(ge=0, le=_LONGEST_CONTACT_DELAY_SECONDS)] | None = None
    jwks_base64url: bool | None = Field(None, alias="jwksBase64Url")


class Control:
    """The endpoints below `/sim` that steer and watch."""

    def __init__(
        self, service_url: str, http: httpx.AsyncClient, state: SimulatorState, tokens: TokenState, pages: Pages
    ) -> None:
        self._trigger_url = f"{service_url.rstrip('/')}/notifications/api/v1/trigger"
        self._http, self._state, self._tokens, self._pages = http, state, tokens, pages

    def routes(self) -> list[BaseRoute]:
        """State, reset, settings, calls and jobs."""
        return [
            Route("/sim/state", self.dump, methods=["GET"]),
            Route("/sim/reset", self.reset, methods=["POST"]),
            Route("/sim/settings", self.change_settings, methods=["PUT"]),
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
        change = read(SettingsChange, await request.body())
        behaviour = self._state.behaviour
        if change.report_delay_ms is not None:
            behaviour = replace(behaviour, report_delay=timedelta(milliseconds=change.report_delay_ms))
        if change.operation_delay_ms is not None:
            behaviour = replace(behaviour, operation_delay=timedelta(milliseconds=change.operation_delay_ms))
        if change.latency_ms is not None:
            behaviour = replace(behaviour, latency=timedelta(milliseconds=change.latency_ms))
        if change.allow_list is not None:
            behaviour = replace(behaviour, allow_list=frozenset(map(as_international, change.allow_list)))
        if change.contact_delay_seconds is not None:
            behaviour = replace(behaviour, contact_delay=timedelta(seconds=change.contact_delay_seconds))
        if change.jwks_base64url is not None:
            self._tokens.base64url = change.jwks_base64url
        self._state.behaviour = behaviour
        return JSONResponse(self._settings())

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
