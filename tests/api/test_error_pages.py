"""Every error is explained, and leads to its explanation (spec 01, 6 and 7)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.api import errors, problems
from altinn_notifications.api.errors import ERRORS, as_markdown
from altinn_notifications.api.problems import to_json
from altinn_notifications.app import published_document
from support.requests import an_order_request
from support.service import API, ORDERS, errors_of

if TYPE_CHECKING:
    from support.service import Service

DOCS = Path(__file__).parent.parent.parent / "docs"
NAMES = {error.name for error in ERRORS}


async def test_a_coded_problem_leads_to_the_page_of_its_code(service: Service) -> None:
    unknown = f"{API}/future/shipment/6c9e1d0a-9d0b-4a0e-8b54-2f0a8a0f7c11"
    body = (await service.get(unknown)).json()
    assert body["errorCode"] == body["code"] == "NOT-00003"
    assert body["documentation"] == "http://localhost:5090/errors#NOT-00003"
    assert 'id="NOT-00003"' in (await service.client.get("/errors")).text


async def test_a_validation_problem_names_property_error_and_page(service: Service) -> None:
    response = await service.order(an_order_request(requestedSendTime="2020-01-01T00:00:00Z"))
    assert list(errors_of(response)) == ["RequestedSendTime"]
    assert response.json()["errorCode"] == "invalid-request"
    assert response.json()["documentation"].endswith("/errors#invalid-request")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", ORDERS, "not-authenticated"),
        ("GET", f"{API}/nothing/here", "not-found"),
        ("PUT", ORDERS, "method-not-allowed"),
    ],
)
async def test_an_answer_without_body_leads_there_by_its_header(
    service: Service, method: str, path: str, name: str
) -> None:
    response = await service.client.request(method, path, json={} if method == "POST" else None)
    assert response.content == b""
    assert response.headers["Link"] == f'<http://localhost:5090/errors#{name}>; rel="help"'


def test_every_error_that_can_be_answered_is_explained() -> None:
    assert {*problems.CODES, *problems._NAMES.values()} == NAMES
    assert len(NAMES) == len(ERRORS)
    statuses = {error.name: error.status for error in ERRORS}
    assert {code: status for code, (status, _) in problems.CODES.items()}.items() <= statuses.items()


async def test_the_page_shows_words_and_no_markup_of_theirs(service: Service) -> None:
    page = (await service.client.get("/errors")).text
    assert set(re.findall(r'<section id="([^"]+)"', page)) == NAMES
    assert "`" not in page


@pytest.mark.parametrize(
    ("name", "text"),
    [("openapi.json", f"{to_json(published_document()).decode()}\n"), ("errors.md", as_markdown())],
)
def test_what_is_committed_says_what_the_code_does(name: str, text: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == text, "run `make documents` and commit what it writes"


def test_every_status_of_the_document_that_has_a_body_shows_an_example() -> None:
    for path, operations in published_document()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for media in answer.get("content", {}).values():
                    assert "example" in media, (method, path, status)


def test_every_problem_example_leads_to_a_page_that_exists() -> None:
    text = to_json(published_document()).decode()
    assert set(re.findall(r"/errors#([\w-]+)", text)) <= NAMES
    assert errors.ROUTES[0].path == "/errors"
