"""Error answers: every body that is not a success (spec 01, 6 and 7)."""

from __future__ import annotations

import json
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JSON_TYPE: Final = "application/json; charset=utf-8"
PROBLEM_TYPE: Final = "application/problem+json; charset=utf-8"
MAX_MESSAGES: Final = 200
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$")

STATUS_PHRASES: Final = {404: "Not Found", 422: "Unprocessable Entity", 499: "Client Closed Request"}
_SECTIONS: Final = {400: "15.5.1", 404: "15.5.5", 409: "15.5.10", 415: "15.5.16", 501: "15.6.2"}
_NAMES: Final = {
    400: "invalid-request",
    401: "not-authenticated",
    403: "not-permitted",
    404: "not-found",
    405: "method-not-allowed",
    409: "too-late-to-cancel",
    413: "body-too-large",
    415: "unsupported-content-type",
    500: "internal-error",
    501: "exports-not-installed",
    503: "NOT-00004",
}
"""What errors without a product code are called, by status; `errors.py` explains them."""
CODES: Final[Mapping[str, tuple[int, str]]] = {
    "NOT-00001": (422, "Missing contact information for one or more recipients"),
    "NOT-00002": (499, "The client went away before the work was finished"),
    "NOT-00003": (404, "Shipment not found"),
    "NOT-00004": (503, "A service that this request needs failed for the moment; it is safe to try again"),
}


class Problem(Exception):
    """An answer that ends the request: `status` and, for all but the empty ones, a JSON body."""

    def __init__(self, status: int, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.body, self.headers = status, body, headers or {}

    def response(self, *, help_page: str, traceparent: str | None = None, accept: str | None = None) -> Response:
        """The problem as an HTTP answer; `traceparent` and `accept` are the request's headers.

        `help_page` is the address of the page that explains every error. Next to the members that clients know, a body
        carries the error's name as `errorCode` and its section of that page as `documentation`.
        """
        name = self.name
        if self.body is None:
            headers = {"Link": f'<{help_page}#{name}>; rel="help"', **self.headers}
            return Response(status_code=self.status, headers=headers)
        content = self.explained(help_page, trace_id(traceparent)) if "type" in self.body else self.body
        media_type = PROBLEM_TYPE if "application/problem+json" in (accept or "") else JSON_TYPE
        return Response(to_json(content), self.status, self.headers, media_type=media_type)

    @property
    def name(self) -> str:
        """What this error is called: its product code, or a word that stands for its status."""
        return str((self.body or {}).get("code") or _NAMES.get(self.status, f"status-{self.status}"))

    def explained(self, help_page: str, trace: str) -> dict[str, Any]:
        """The body as it is sent. Source: spec 01, 6.1 and 7.1."""
        link = f"{help_page}#{self.name}"
        return {**(self.body or {}), "errorCode": self.name, "documentation": link, "traceId": trace}


def validation_problem(errors: Mapping[str, Sequence[str]]) -> Problem:
    """400 with the failing properties by key; at most 200 messages in total (spec 01, 6.1)."""
    return Problem(
        400,
        {
            "type": f"https://tools.ietf.org/html/rfc9110#section-{_SECTIONS[400]}",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": _limited(errors),
        },
    )


def coded_problem(code: str) -> Problem:
    """A failure with a product code, such as `NOT-00003` (spec 01, 7.1)."""
    status, title = CODES[code]
    phrase = STATUS_PHRASES.get(status) or HTTPStatus(status).phrase
    body = {"type": f"urn:altinn:error:{code}", "title": title, "status": status, "code": code}
    return Problem(status, {**body, "statusDescription": phrase})


def plain_problem(status: int) -> Problem:
    """A problem body without code or details (spec 01, 7.3)."""
    kind = f"https://tools.ietf.org/html/rfc9110#section-{_SECTIONS[status]}"
    return Problem(status, {"type": kind, "title": HTTPStatus(status).phrase, "status": status})


def empty_problem(status: int, headers: dict[str, str] | None = None) -> Problem:
    """An answer without a body (spec 01, 7.2)."""
    return Problem(status, None, headers)


def trace_id(traceparent: str | None) -> str:
    """A W3C trace-parent that continues the caller's, if it sent a well-formed one."""
    match = _TRACEPARENT.match(traceparent or "")
    trace, flags = match.groups() if match else (os.urandom(16).hex(), "00")
    return f"00-{trace}-{os.urandom(8).hex()}-{flags}"


def to_json(content: Any) -> bytes:
    """JSON as all our answers are written: indented, not escaped (spec 01, 4)."""
    return json.dumps(content, ensure_ascii=False, indent=2).encode()


def _limited(errors: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    if sum(len(messages) for messages in errors.values()) <= MAX_MESSAGES:
        return {key: list(messages) for key, messages in errors.items()}
    kept: dict[str, list[str]] = {}
    room = MAX_MESSAGES - 1
    for key, messages in errors.items():
        if taken := list(messages[:room]):
            kept[key] = taken
            room -= len(taken)
    kept.setdefault("", []).append("There are more errors than are listed here.")
    return kept
