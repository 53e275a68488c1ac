"""The OpenAPI document, made from routes and the contracts of their requests, and a page for people (spec 01, 12)."""

from __future__ import annotations

import inspect
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

import altinn_notifications
from altinn_notifications.api.contract import Given, Nested, NestedList, contract_of
from altinn_notifications.api.operations import PROBLEM, VALIDATION_PROBLEM, Answer, Operation
from altinn_notifications.api.problems import (
    JSON_TYPE,
    PROBLEM_TYPE,
    Problem,
    coded_problem,
    plain_problem,
    to_json,
    validation_problem,
)
from altinn_notifications.api.router import HELP_PATH, Request, Route
from altinn_notifications.api.scalars import Enumeration, Text
from altinn_notifications.authentication.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from altinn_notifications.api.contract import Contract, Member

DOCUMENT_PATH: Final = "/swagger/v1/swagger.json"
PAGE_PATH: Final = "/swagger"
PUBLIC_SERVERS: Final = (
    {"url": "https://platform.tt02.altinn.no", "description": "TT02, for tests"},
    {"url": "https://platform.altinn.no", "description": "Production"},
)
_SECURITY_SCHEMES: Final = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "platformAccessToken": {"type": "apiKey", "in": "header", "name": "PlatformAccessToken"},
    "metricsKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_SECURITY: Final[dict[Policy, list[dict[str, list[str]]]]] = {
    Policy.CREATE: [{"bearerAuth": []}, {"platformAccessToken": []}],
    Policy.COMPOSED: [{"bearerAuth": []}],
    Policy.SUPPORT: [{"bearerAuth": []}],
    Policy.END_USER: [{"bearerAuth": []}],
    Policy.METRICS_KEY: [{"metricsKey": []}],
}
_EVERY_PROBLEM: Final = {
    "errorCode": {"type": "string", "description": "The name of the error: its code, or a word if it has none."},
    "documentation": {"type": "string", "format": "uri", "description": "What the error means and what to do."},
    "traceId": {"type": "string", "description": "Continues the request's traceparent."},
}
_CODE_OF_STATUS: Final = {422: "NOT-00001", 499: "NOT-00002", 503: "NOT-00004"}
"""A 404 has its code at one endpoint only, which says so itself."""
_PROBLEM_SCHEMAS: Final[dict[str, Any]] = {
    "Problem": {
        "type": "object",
        "description": "Why a request was not carried out.",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "NOT- and five digits, for failures that have a code."},
            "statusDescription": {"type": "string"},
            **_EVERY_PROBLEM,
        },
    },
    "ValidationProblem": {
        "type": "object",
        "description": "What is wrong with a request, by the key of the property it concerns.",
        "required": ["type", "title", "status", "errors"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
            **_EVERY_PROBLEM,
        },
    },
}
_TRACE: Final = "00-5b0b7ac0a8d9a9b6b0a1d2f8b7d7c4e1-2f1a9c3b5d7e8f90-01"
_PATH_VARIABLE: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
_PAGES: Final = Environment(
    loader=PackageLoader("altinn_notifications.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def documentation_routes(routes: Sequence[Route], base_uri: str) -> list[Route]:
    """The routes that serve the document about `routes`, for machines and for people."""
    content = document(routes, base_uri)
    as_json = to_json(content)
    page = _PAGES.get_template("openapi.html").render(document=content, document_path=DOCUMENT_PATH)

    async def get_document(_request: Request) -> Response:
        return Response(as_json, media_type=JSON_TYPE)

    async def get_page(_request: Request) -> Response:
        return Response(page, media_type="text/html")

    return [Route("GET", DOCUMENT_PATH, get_document), Route("GET", PAGE_PATH, get_page)]


def document(routes: Iterable[Route], base_uri: str) -> dict[str, Any]:
    """The OpenAPI 3.0 document of those of `routes` that have an operation."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = dict(_PROBLEM_SCHEMAS)
    for route in routes:
        if route.operation is not None:
            operations = paths.setdefault(_PATH_VARIABLE.sub(r"{\1}", route.path), {})
            operations[route.method.lower()] = _operation(route, route.operation, f"{base_uri}{HELP_PATH}")
            if route.operation.request is not None:
                _add_schemas(schemas, contract_of(route.operation.request))
    return {
        "openapi": "3.0.4",
        "info": {
            "title": "Altinn Notifications",
            "description": "Email and SMS from public agencies to citizens and businesses.",
            "version": altinn_notifications.__version__,
        },
        "servers": [*PUBLIC_SERVERS, {"url": base_uri, "description": "This service"}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY_SCHEMES},
    }


def _operation(route: Route, operation: Operation, help_page: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [*_path_parameters(route.path), *operation.parameters],
        "responses": {
            str(status): _answer(status, answer, help_page)
            for status, answer in sorted(_answers(route, operation).items())
        },
    }
    if operation.request is not None:
        examples = {name: {"value": example} for name, example in operation.examples.items()}
        schema = Nested(operation.request).schema()
        content["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": examples}},
        }
    if route.policy in _SECURITY:
        content["security"] = _SECURITY[route.policy]
    if operation.deprecated:
        content["deprecated"] = True
    return {name: value for name, value in content.items() if value not in ("", [])}


def _answers(route: Route, operation: Operation) -> dict[int, Answer]:
    answers = {
        500: Answer("Something failed that nobody foresaw."),
        503: Answer("NOT-00004: something the service needs is away for the moment; try again.", PROBLEM),
    }
    if route.policy in _SECURITY:
        answers[401] = Answer("No valid credentials.")
    if route.policy in _SECURITY and route.policy is not Policy.METRICS_KEY:
        answers[403] = Answer("The credentials do not open this endpoint, or name no organisation.")
    if operation.request is not None or operation.parameters:
        answers[400] = Answer("The request is not valid; the errors are listed by property.", VALIDATION_PROBLEM)
    if operation.request is not None:
        answers[413] = Answer("The body is larger than 30,000,000 bytes.")
        answers[415] = Answer("The body is not declared as JSON in UTF-8 or UTF-16.", PROBLEM)
        answers[499] = Answer("NOT-00002: the client went away before the work was finished.", PROBLEM)
    return answers | dict(operation.answers)


def _answer(status: int, answer: Answer, help_page: str) -> dict[str, Any]:
    content: dict[str, Any] = {"description": answer.description}
    if answer.schema is not None:
        is_problem = answer.schema in (PROBLEM, VALIDATION_PROBLEM)
        media: dict[str, Any] = {"schema": answer.schema}
        if answer.example is not None:
            media["example"] = answer.example
        elif is_problem:
            media["example"] = _shown_problem(status, answer).explained(help_page, _TRACE)
        types = (JSON_TYPE, PROBLEM_TYPE) if is_problem else (JSON_TYPE,)
        content["content"] = {name.partition(";")[0]: media for name in types}
    if answer.headers:
        content["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return content


def _shown_problem(status: int, answer: Answer) -> Problem:
    """What an answer of this status looks like."""
    if answer.schema == VALIDATION_PROBLEM:
        return validation_problem({answer.example_key: ["What is wrong with it, in words that may change."]})
    code = answer.code or _CODE_OF_STATUS.get(status)
    return coded_problem(code) if code else plain_problem(status)


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
        for name, _ in _PATH_VARIABLE.findall(path)
    ]


def _add_schemas(schemas: dict[str, Any], contract: Contract[Any]) -> None:
    """Add the schema of a model and of everything it holds."""
    if contract.model.__name__ in schemas:
        return
    schemas[contract.model.__name__] = _object_schema(contract)
    for member in contract.containers:
        if isinstance(member.kind, Nested | NestedList):
            _add_schemas(schemas, contract_of(member.kind.model))


def _object_schema(contract: Contract[Any]) -> dict[str, Any]:
    required = [member.json_name for member in contract.members if member.is_required]
    return {
        "type": "object",
        "description": inspect.getdoc(contract.model) or "",
        **({"required": required} if required else {}),
        "properties": {member.json_name: _member_schema(member) for member in contract.members},
    }


def _member_schema(member: Member) -> dict[str, Any]:
    schema = member.kind.schema()
    notes: dict[str, Any] = {}
    if member.about.text:
        notes["description"] = member.about.text
    if (default := _shown_default(member)) is not None:
        notes["default"] = default
    if member.given is Given.NULLABLE:
        notes["nullable"] = True
    if member.given is Given.NOT_BLANK and isinstance(member.kind, Text) and member.kind.pattern is None:
        notes |= {"minLength": 1, "pattern": r"\S"}
    return {"allOf": [schema], **notes} if "$ref" in schema and notes else schema | notes


def _shown_default(member: Member) -> Any:
    """What stands for a member that is left out, unless that says nothing: null, or an empty text or list."""
    default = member.default if member.about.default is None else member.about.default
    if default in (None, "", ()):
        return None
    return member.kind.name_of(default) if isinstance(member.kind, Enumeration) else default


def _reason(status: str) -> str:
    """The phrase of a status; 499 is no status of HTTP's own."""
    return "Client Closed Request" if status == "499" else HTTPStatus(int(status)).phrase


def _indented(value: Any) -> str:
    return to_json(value).decode()


_PAGES.filters |= {"reason": _reason, "indented": _indented}
