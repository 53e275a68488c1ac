"""Passes what is under `/notifications/` on to the service, as apps with a local platform expect (spec 13, 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import structlog
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount

from altinn_notifications.simulator.calls import MAX_BODY_BYTES, Call, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import datetime

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.state import SimulatorState

_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)  # RFC 9110, 7.6.1
_TIMEOUT: Final = httpx.Timeout(120, connect=5)

log = structlog.get_logger()


class PassThrough:
    """One client of the service for everybody who calls it through the platform's address."""

    def __init__(self, service_url: str, http: httpx.AsyncClient, state: SimulatorState, clock: Clock) -> None:
        self._service = httpx.URL(service_url)
        self._http, self._state, self._clock = http, state, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back, as the bytes come."""
        at, seen = self._clock.now(), bytearray()
        request = self._request(scope, receive, seen)
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.RequestError as error:
            log.warning("service_unreachable", error=type(error).__name__)
            self._record(at, scope, seen, 502)
            await _unreachable()(scope, receive, send)
            return
        try:
            self._record(at, scope, seen, answer.status_code)
            await _relayed(answer)(scope, receive, send)
        finally:
            await answer.aclose()

    def _request(self, scope: Scope, receive: Receive, seen: bytearray) -> httpx.Request:
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        headers = _end_to_end(scope["headers"])
        return httpx.Request(
            scope["method"],
            self._service.copy_with(raw_path=target),
            headers=headers,
            content=_body(receive, seen) if _has_body(scope["headers"]) else None,
            extensions={"timeout": _TIMEOUT.as_dict()},
        )

    def _record(self, at: datetime, scope: Scope, seen: bytearray, status: int) -> None:
        query = scope["query_string"].decode("latin-1")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        path = f"{scope['path']}?{query}" if query else scope["path"]
        self._state.calls.record(
            Call(at, Target.NOTIFICATIONS, scope["method"], path, status, headers, bytes(seen[:MAX_BODY_BYTES]))
        )


def routes(pass_through: PassThrough) -> list[BaseRoute]:
    """Every path and method below `/notifications`."""
    return [Mount("/notifications", app=pass_through)]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)


async def _body(receive: Receive, seen: bytearray) -> AsyncIterator[bytes]:
    """The request's body as it arrives; its beginning is kept in `seen`."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise httpx.RequestError("the caller left before its request was complete")
        chunk: bytes = message.get("body", b"")
        seen += chunk[: MAX_BODY_BYTES - len(seen)]
        more = message.get("more_body", False)
        yield chunk


def _relayed(answer: httpx.Response) -> Response:
    response = StreamingResponse(answer.aiter_raw(), answer.status_code)
    response.raw_headers = [(name.lower(), value) for name, value in _end_to_end(answer.headers.raw)]
    return response


def _unreachable() -> Response:
    return JSONResponse(
        {"title": "The service does not answer", "status": 502, "detail": "Is it running? The simulator is."}, 502
    )
