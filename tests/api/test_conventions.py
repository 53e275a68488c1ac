"""What is common to all endpoints: the order of judgement, statuses and error bodies (spec 01, 1, 2, 7, 8 and 14)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.api.router import ANY_METHOD, Route, Router
from support.requests import an_order_request, to_email
from support.service import API, EXPLAINED, ORDERS, errors_of, keys_of
from support.times import SECOND
from support.tokens import unsigned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from support.service import Service

TRACE = "00-5b0b7ac0a8d9a9b6b0a1d2f8b7d7c4e1-2f1a9c3b5d7e8f90-01"
JSON = {"Content-Type": "application/json"}


async def stored_creators(service: Service) -> list[str]:
    return [row["creator"] for row in await service.services.db.fetch("SELECT creator FROM order_chains ORDER BY id")]


async def answered(service: Service, method: str, path: str, **request: Any) -> httpx.Response:
    """The answer to a request without credentials, which must have no body."""
    response = await service.client.request(method, path, **request)
    assert response.content == b""
    return response


async def test_the_first_step_that_fails_decides_the_answer(service: Service) -> None:
    body = json.dumps(an_order_request()).encode()
    unauthorized = await answered(service, "POST", ORDERS, content=body, headers=JSON)
    assert unauthorized.status_code == 401
    assert "www-authenticate" not in unauthorized.headers
    wrong_type = await answered(service, "POST", ORDERS, content=body, headers={"Content-Type": "text/plain"})
    assert wrong_type.status_code == 415
    wrong_method = await answered(service, "GET", ORDERS)
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    assert (await answered(service, "POST", f"{API}/future/order", content=body)).status_code == 404
    for method in ("HEAD", "OPTIONS", "PATCH"):
        assert (await answered(service, method, ORDERS)).status_code == 405


async def test_a_caller_without_the_scope_is_forbidden(service: Service) -> None:
    response = await service.order(an_order_request(), headers=service.authorization(scopes="dummy:scope"))
    assert (response.status_code, response.content) == (403, b"")


async def test_a_caller_without_organisation_learns_of_an_invalid_body_first(service: Service) -> None:
    person = {"Authorization": f"Bearer {service.issuer.personal()}"}
    assert keys_of(await service.order(an_order_request(to_email("x")), headers=person))
    forbidden = await service.order(an_order_request(), headers=person)
    assert (forbidden.status_code, forbidden.content) == (403, b"")


async def test_a_platform_token_alone_orders_for_its_issuer(service: Service) -> None:
    response = await service.client.post(
        ORDERS, json=an_order_request(), headers={"PlatformAccessToken": service.issuer.platform("ttd")}
    )
    assert response.status_code == 201
    assert await stored_creators(service) == ["ttd"]


async def test_an_unsigned_platform_token_gives_nobody_another_name(service: Service) -> None:
    response = await service.order(an_order_request(), headers={"PlatformAccessToken": unsigned({"iss": "skd"})})
    assert (response.status_code, response.content) == (401, b"")
    assert await stored_creators(service) == []


async def test_a_token_may_come_in_a_cookie(service: Service) -> None:
    cookie = {"Cookie": f".ALTINNTOKEN={service.issuer.enterprise()}"}
    assert (await service.client.post(ORDERS, json=an_order_request(), headers=cookie)).status_code == 201


async def test_the_altinn_scope_claim_wins(service: Service) -> None:
    lacking = service.authorization(**{"urn:altinn:scope": "dummy:scope"})
    assert (await service.order(an_order_request(), headers=lacking)).status_code == 403


@pytest.mark.parametrize("body", [b"", b"null"])
async def test_a_missing_body_has_two_keys(service: Service, body: bytes) -> None:
    assert keys_of(await service.order(body)) == {"", "notificationOrderRequest"}


@pytest.mark.parametrize(
    ("body", "path"), [(b"{", "$"), (b"[]", "$"), (b"{}", "$"), (b'{"IDEMPOTENCYID": 5}', "$.IDEMPOTENCYID")]
)
async def test_a_body_that_cannot_be_read_has_its_path_and_the_parameter(
    service: Service, body: bytes, path: str
) -> None:
    assert keys_of(await service.order(body)) == {path, "notificationOrderRequest"}


async def test_half_a_character_is_reported(service: Service) -> None:
    body = json.dumps(an_order_request(sendersReference="\ud800")).encode()
    assert keys_of(await service.order(body)) == {"$.sendersReference", "notificationOrderRequest"}


async def test_a_nul_character_is_no_error_of_the_service(service: Service) -> None:
    assert keys_of(await service.order(an_order_request(sendersReference="a\0b"))) == {"SendersReference"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/vnd.example+json",
    ],
)
async def test_json_is_declared_in_several_ways(service: Service, content_type: str) -> None:
    response = await service.order(an_order_request(), headers={"Content-Type": content_type})
    assert response.status_code == 201


@pytest.mark.parametrize(
    "content_type", ["text/json", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "x"]
)
async def test_other_types_are_refused_without_a_word(service: Service, content_type: str) -> None:
    response = await service.order(an_order_request(), headers={"Content-Type": content_type})
    assert (response.status_code, response.content) == (415, b"")


async def test_a_body_without_content_type_is_refused_with_a_problem(service: Service) -> None:
    body = json.dumps(an_order_request()).encode()
    response = await service.client.post(ORDERS, content=body, headers=service.authorization())
    assert response.status_code == 415
    assert response.json().keys() == {"type", "title", "status", "traceId", *EXPLAINED}
    assert response.json()["title"] == "Unsupported Media Type"


async def test_a_charset_that_cannot_be_read_is_told_to_callers_only(service: Service) -> None:
    body, foreign = an_order_request(), {"Content-Type": "application/json; charset=iso-8859-1"}
    response = await service.order(body, headers=foreign)
    assert (response.status_code, response.json()["status"]) == (415, 415)
    assert (await answered(service, "POST", ORDERS, content=b"{}", headers=foreign)).status_code == 401


async def test_utf_16_is_read(service: Service) -> None:
    headers = {"Content-Type": "application/json; charset=utf-16le"}
    text = json.dumps(an_order_request(sendersReference="blåbær"), ensure_ascii=False)
    response = await service.order(text.encode("utf-16-le"), headers=headers)
    assert response.json()["notification"]["sendersReference"] == "blåbær"
    for broken in (b"{", b"\x00\xd8{\x00", text.encode("utf-16-le")[:-1]):
        assert keys_of(await service.order(broken, headers=headers))


async def test_json_is_answered_whatever_is_asked_for(service: Service) -> None:
    response = await service.order(an_order_request(), headers={"Accept": "application/xml"})
    assert (response.status_code, response.headers["content-type"]) == (201, "application/json; charset=utf-8")


async def test_a_400_has_its_shape_and_type(service: Service) -> None:
    response = await service.order(an_order_request(to_email("x")))
    assert errors_of(response)
    assert response.json()["type"] == "https://tools.ietf.org/html/rfc9110#section-15.5.1"
    assert response.json()["title"] == "One or more validation errors occurred."
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_the_problem_type_is_used_for_those_who_name_it(service: Service) -> None:
    response = await service.order(b"{}", headers={"Accept": "text/html, application/problem+json;q=0.9"})
    assert response.headers["content-type"].startswith("application/problem+json")


async def test_the_trace_of_the_caller_is_continued(service: Service) -> None:
    response = await service.order(b"{}", headers={"traceparent": TRACE})
    assert response.json()["traceId"].startswith("00-5b0b7ac0a8d9a9b6b0a1d2f8b7d7c4e1-")
    assert response.json()["traceId"] != TRACE


async def test_a_body_of_more_than_thirty_million_bytes_is_too_large(service: Service) -> None:
    response = await service.order(b" " * 30_000_001)
    assert (response.status_code, response.content) == (413, b"")
    assert keys_of(await service.order(b" " * 30_000_000)) == {"$", "notificationOrderRequest"}


async def test_paths_are_matched_in_any_case_and_with_one_slash_at_the_end(service: Service) -> None:
    assert (await service.post("/NOTIFICATIONS/api/V1/Future/Orders/", an_order_request())).status_code == 201
    assert (await service.post(f"{ORDERS}//", an_order_request())).status_code == 404
    assert (await service.post("/notifications/api/v1/future%2Forders", an_order_request())).status_code == 201


async def test_a_shipment_that_is_no_guid_has_no_path(service: Service) -> None:
    assert (await answered(service, "GET", f"{API}/future/shipment/not-a-guid")).status_code == 404


class _ClientThatLeaves:
    """A connection that is closed after its request, or in the middle of it."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages: AsyncIterator[dict[str, Any]] = self._all([*messages, {"type": "http.disconnect"}])
        self.answer: list[dict[str, Any]] = []

    @staticmethod
    async def _all(messages: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        for message in messages:
            yield message

    async def receive(self) -> dict[str, Any]:
        return await anext(self._messages)

    async def send(self, message: dict[str, Any]) -> None:
        self.answer.append(message)


def order_scope(service: Service) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {service.bearer}", "content-type": "application/json"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": ORDERS, "query_string": b"", "headers": raw}


async def leave(service: Service, client: _ClientThatLeaves) -> int:
    """The status that a client which has left would have got for an order."""
    await service.app(order_scope(service), client.receive, client.send)  # type: ignore[arg-type]  # as loosely typed as a server
    body = json.loads(client.answer[1]["body"])
    assert body["code"] == "NOT-00002"
    return int(client.answer[0]["status"])


async def test_an_order_of_a_client_that_has_gone_is_not_stored(service: Service) -> None:
    request = an_order_request()
    body = json.dumps(request).encode()
    assert await leave(service, _ClientThatLeaves({"type": "http.request", "body": body[:5], "more_body": True})) == 499
    assert await leave(service, _ClientThatLeaves({"type": "http.request", "body": body})) == 499
    assert await stored_creators(service) == []
    assert (await service.order(request)).status_code == 201


async def test_an_order_whose_answer_reached_nobody_is_answered_again(service: Service) -> None:
    request = an_order_request()
    body: dict[str, Any] = {"type": "http.request", "body": json.dumps(request).encode()}
    messages = iter([body])

    async def receive() -> dict[str, Any]:
        if (message := next(messages, None)) is None:
            await asyncio.Event().wait()
        return message or {}

    async def lose(_: dict[str, Any]) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await service.app(order_scope(service), receive, lose)  # type: ignore[arg-type]  # as loosely typed as a server
    assert await stored_creators(service) == ["ttd"]
    assert (await service.order(request)).status_code == 200


async def test_a_body_may_come_in_pieces(service: Service) -> None:
    body = json.dumps(an_order_request(sendersReference="åå")).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for byte in body:
            yield bytes([byte])

    response = await service.client.post(ORDERS, content=pieces(), headers=service.authorization() | JSON)
    assert response.status_code == 201


async def test_without_database_an_order_may_be_tried_again(service: Service) -> None:
    await service.order(an_order_request())
    await service.services.db.close()
    response = await service.order(an_order_request())
    assert response.status_code == 503
    assert response.json()["code"] == "NOT-00004"
    assert response.json()["statusDescription"] == "Service Unavailable"


async def test_an_error_nobody_foresaw_says_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("kari@example.no")

    monkeypatch.setattr(service.services.registrar, "register", fail)
    response = await service.order(an_order_request(to_email("kari@example.no")))
    assert (response.status_code, response.content) == (500, b"")
    logged = capsys.readouterr().out
    assert "request_failed" in logged
    assert "RuntimeError" in logged
    assert "kari" not in logged


async def test_now_is_when_the_request_began(service: Service, clock: FixedClock) -> None:
    body = json.dumps(an_order_request(requestedSendTime=clock.now().isoformat())).encode()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:10]
        clock.turn(SECOND)
        yield body[10:]

    response = await service.client.post(ORDERS, content=slowly(), headers=service.authorization() | JSON)
    assert response.status_code == 201


def test_a_route_for_every_method_leaves_others_theirs() -> None:
    async def handler(_: object) -> Any:
        return None

    router = Router([Route(ANY_METHOD, "/x", handler), Route("GET", "/x", handler)])
    assert router.find("GET", "/x")[0].method == "GET"
    assert router.find("PATCH", "/x")[0].method == ANY_METHOD
