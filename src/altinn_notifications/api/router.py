"""Routes, and the order in which a request is judged (spec 01, 1.1): path, method, content type, caller, the rest."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from uuid import UUID

from altinn_notifications.api.failures import ClientGone, problem_of
from altinn_notifications.api.problems import Problem, empty_problem, plain_problem, validation_problem
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.metrics import REQUEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from prometheus_client import Histogram
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from altinn_notifications.api.operations import Operation
    from altinn_notifications.app import Services
    from altinn_notifications.authentication.policies import Caller

API: Final = "/notifications/api/v1"
ANY_METHOD: Final = "*"
HELP_PATH: Final = "/errors"
MAX_BODY_BYTES: Final = 30_000_000
_JSON_TYPE = re.compile(r"^application/(?:[^;\s]+\+)?json$", re.IGNORECASE)
_GUID_BODY = re.compile(r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_READABLE_CHARSETS: Final = frozenset({"utf-8", "utf8", "utf-16", "utf-16le"})


@dataclass(slots=True)
class Request:
    """One HTTP request as an endpoint sees it. `now` is when it began to be handled, in UTC."""

    services: Services
    route: Route
    scope: Scope
    receive: Receive
    now: datetime
    headers: Mapping[str, str]
    path_values: Mapping[str, str]
    caller: Caller

    @property
    def query(self) -> dict[str, str]:
        """Query values by lower-case name; of a repeated name the last one."""
        pairs = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return {name.lower(): value for name, value in pairs}

    @property
    def creator(self) -> str:
        """The caller's organisation short name. Raises the 403 of spec 01, 1.1 step 8 when there is none."""
        if self.caller.creator is None:
            raise empty_problem(403)
        return self.caller.creator

    @property
    def sender_domains(self) -> Sequence[str] | None:
        """The domains that the caller may send email from; None: any.

        Asks for no creator: what is wrong with a body is told before the caller lacks an organisation (spec 11, 6).
        """
        return self.services.settings.email.sender_domains.get(self.caller.creator or "")

    async def body(self) -> bytes:
        """The whole body. Raises 413 past 30,000,000 bytes, and `ClientGone`."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise empty_problem(413)
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)

    async def json_body(self) -> bytes:
        """The body of a JSON endpoint as UTF-8 bytes. Raises 415 for a missing or unreadable content type."""
        content_type = self.headers.get("content-type")
        charset = charset_of(content_type) if content_type else None
        if content_type is None or (charset and charset not in _READABLE_CHARSETS):
            raise plain_problem(415)
        body = await self.body()
        return body.decode(charset, "replace").encode() if charset and charset.startswith("utf-16") else body

    def stop_if_client_is_gone(self) -> None:
        """A check point between steps of the work. Raises `ClientGone` if the connection is known to be closed.

        Does not wait, and costs microseconds: `receive` is asked once and, since a live client has no more to say,
        abandoned where it would begin to wait. Source: spec 01, 8.
        """
        question = self.receive().__await__()
        try:
            next(question)
        except StopIteration as answer:
            if answer.value["type"] == "http.disconnect":
                raise ClientGone from None
        else:
            question.close()

    def guid(self, name: str) -> UUID:
        """A path value that must be a GUID. Raises the 400 of spec 01, 6.5."""
        value = parse_guid(self.path_values[name])
        if value is None:
            raise validation_problem({name: [f"The value '{self.path_values[name][:100]}' is not a valid GUID."]})
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """One method, or `ANY_METHOD`, at one path. `{name}` matches a segment, `{name:guid}` only a GUID."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Response]]
    policy: Policy = Policy.NONE
    states_json: bool = False
    """Whether the endpoint refuses other content types than JSON before it looks at the caller (spec 01, 3.1)."""
    operation: Operation | None = None
    """What the OpenAPI document says about it; without one it is not in the document."""


@dataclass(slots=True)
class _Node:
    """Routes below one path segment."""

    literals: dict[str, _Node] = field(default_factory=dict)
    variables: list[tuple[str, bool, _Node]] = field(default_factory=list)
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Finds the route of a request: literals in any letter case, one trailing slash tolerated."""

    def __init__(self, routes: list[Route]) -> None:
        self._root = _Node()
        self._as_spelled = {(route.method, route.path): route for route in routes if "{" not in route.path}
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                name, _, kind = segment[1:-1].partition(":")
                node = self._variable(node, name, is_guid=kind == "guid")
            else:
                node = node.literals.setdefault(segment.lower(), _Node())
        node.routes[route.method] = route

    @staticmethod
    def _variable(node: _Node, name: str, *, is_guid: bool) -> _Node:
        for known, known_guid, child in node.variables:
            if (known, known_guid) == (name, is_guid):
                return child
        child = _Node()
        node.variables.append((name, is_guid, child))
        return child

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and its path values. Raises 404 for an unknown path and 405 for another method."""
        if (route := self._as_spelled.get((method, path))) is not None:
            return route, {}
        segments = path.removesuffix("/").removeprefix("/").split("/")
        found = [match for match in _matches(self._root, segments, {}) if match[0].routes]
        for node, values in found:
            if (match := node.routes.get(method) or node.routes.get(ANY_METHOD)) is not None:
                return match, values
        if not found:
            raise empty_problem(404)
        allowed = sorted({name for node, _ in found for name in node.routes})
        raise empty_problem(405, {"Allow": ", ".join(allowed)})


def _matches(node: _Node, segments: list[str], values: dict[str, str]) -> list[tuple[_Node, dict[str, str]]]:
    if not segments:
        return [(node, values)]
    head, *rest = segments
    matches: list[tuple[_Node, dict[str, str]]] = []
    if (child := node.literals.get(head.lower())) is not None:
        matches += _matches(child, rest, values)
    for name, is_guid, variable in node.variables:
        if head and (not is_guid or parse_guid(head) is not None):
            matches += _matches(variable, rest, {**values, name: head})
    return matches


class ApiApp:
    """The ASGI application of every endpoint below `/notifications` and of those at the root."""

    def __init__(self, services: Services, routes: list[Route]) -> None:
        self._services = services
        self._router = Router(routes)
        self._help_page = f"{services.settings.general.base_uri}{HELP_PATH}"
        self._durations: dict[tuple[str, str, int], Histogram] = {}

    def knows(self, path: str) -> bool:
        """Whether any method of this path is ours."""
        try:
            self._router.find("", path)
        except Problem as problem:
            return problem.status != 404  # noqa: PLR2004 - the status is the meaning
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        headers = _headers(scope)
        route: Route | None = None
        try:
            route, path_values = self._router.find(scope["method"], scope["path"])
            response = await self._answer(route, path_values, scope, receive, headers)
        except Exception as error:  # noqa: BLE001 - every end of a request is an answer
            problem = problem_of(error, route=route.path if route else None)
            response = problem.response(
                help_page=self._help_page, traceparent=headers.get("traceparent"), accept=headers.get("accept")
            )
        self._observe(route, response.status_code, time.perf_counter() - started)
        await response(scope, receive, send)

    async def _answer(
        self, route: Route, path_values: dict[str, str], scope: Scope, receive: Receive, headers: dict[str, str]
    ) -> Response:
        now = self._services.clock.now()
        if route.states_json and "content-type" in headers and not _is_json(headers["content-type"]):
            raise empty_problem(415)
        caller = await self._services.authenticator.admit(scope, headers, route.policy)
        request = Request(self._services, route, scope, receive, now, headers, path_values, caller)
        return await route.handler(request)

    def _observe(self, route: Route | None, status: int, seconds: float) -> None:
        # Paths and methods that no route has would make as many series as somebody cares to invent.
        key = (route.method, route.path, status) if route else ("", "", status)
        duration = self._durations.get(key)
        if duration is None:
            duration = self._durations[key] = REQUEST_SECONDS.labels(*key)
        duration.observe(seconds)


def parse_guid(text: str) -> UUID | None:
    """A GUID in any of its usual textual forms, else None (spec 01, 1)."""
    inner = text[1:-1] if text[:1] + text[-1:] in ("{}", "()") else text
    if _GUID_BODY.match(inner) or (inner == text and re.fullmatch(r"[0-9a-fA-F]{32}", text)):
        return UUID(inner)
    return None


def _headers(scope: Scope) -> dict[str, str]:
    """Header values by lower-case name; values of a repeated header are joined with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _is_json(content_type: str) -> bool:
    return _JSON_TYPE.match(content_type.split(";", maxsplit=1)[0].strip()) is not None


def charset_of(content_type: str) -> str | None:
    """The charset that a content type names, in lower case."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return None
