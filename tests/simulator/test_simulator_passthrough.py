from __future__ import annotations

import gzip

import httpx
import pytest

from altinn_notifications.simulator.app import bound
from support.simulator import Running, a_simulator

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_request_reaches_the_service_with_method_target_headers_and_body(simulator: Running) -> None:
    simulator.service.status = 201
    simulator.service.answer = [b'{"a":1}']
    simulator.service.answer_headers = [
        (b"location", b"http://localhost:5090/x"),
        (b"content-type", b"application/json"),
    ]
    answer = await simulator.http.post(
        "/notifications/api/v1/future/orders?x=%C3%A6&y=a%2Fb",
        content=b'{"idempotencyId":"1"}',
        headers={b"PlatformAccessToken": b"a.b.c", b"Content-Type": b"application/json", b"X-Odd": b"\xe6"},
    )
    (request,) = simulator.service.received
    assert (request.method, request.body) == ("POST", b'{"idempotencyId":"1"}')
    assert request.target == b"/notifications/api/v1/future/orders?x=%C3%A6&y=a%2Fb"
    assert request.header("platformaccesstoken") == "a.b.c"
    assert (b"x-odd", b"\xe6") in request.headers
    assert request.header("content-length") == "21"
    assert request.header("host") == simulator.http.base_url.netloc.decode()
    assert (answer.status_code, answer.json()) == (201, {"a": 1})
    assert answer.headers["location"] == "http://localhost:5090/x"


async def test_nothing_is_added_to_a_request_without_headers_and_nothing_merged(simulator: Running) -> None:
    request = httpx.Request("GET", simulator.http.base_url.join("/notifications/x"))
    request.headers = httpx.Headers(
        [("host", "app.example"), ("PlatformAccessToken", "a"), ("PlatformAccessToken", "b")]
    )
    await simulator.http.send(request)
    (received,) = simulator.service.received
    assert received.headers == [
        (b"host", b"app.example"),
        (b"platformaccesstoken", b"a"),
        (b"platformaccesstoken", b"b"),
    ]
    assert received.body == b""


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_every_method_is_passed_on(simulator: Running, method: str) -> None:
    await simulator.http.request(method, "/notifications/api/v1/orders/1/cancel")
    assert [request.method for request in simulator.service.received] == [method]


@pytest.mark.parametrize("status", [202, 302, 404, 422, 500])
async def test_every_status_comes_back_as_it_is(simulator: Running, status: int) -> None:
    simulator.service.status = status
    assert (await simulator.http.get("/notifications/x")).status_code == status


async def test_a_compressed_answer_stays_as_it_is(simulator: Running) -> None:
    simulator.service.answer = [gzip.compress(b"text")]
    simulator.service.answer_headers = [(b"content-encoding", b"gzip"), (b"x-repeated", b"1"), (b"x-repeated", b"2")]
    async with simulator.http.stream("GET", "/notifications/x") as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert gzip.decompress(raw) == b"text"
    assert answer.headers.get_list("x-repeated") == ["1", "2"]
    assert len(answer.headers.get_list("date")) == 1  # the service's; the simulator adds none


async def test_bodies_are_streamed_both_ways(simulator: Running) -> None:
    async def chunks() -> object:
        for _ in range(64):
            yield 65_536 * b"x"

    simulator.service.answer = [65_536 * b"y"] * 64
    answer = await simulator.http.post("/notifications/x", content=chunks())  # type: ignore[arg-type]  # generator
    (request,) = simulator.service.received
    assert request.header("transfer-encoding") == "chunked"
    assert (len(request.body), len(answer.content)) == (64 * 65_536, 64 * 65_536)


async def test_a_service_that_is_away_is_a_502_in_json() -> None:
    away = bound("127.0.0.1", 0)
    async with a_simulator(service_listener=away) as simulator:
        away.close()
        answer = await simulator.http.post("/notifications/api/v1/orders", content=b"{}")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
    assert answer.json()["status"] == 502


async def test_paths_outside_the_service_are_not_passed_on(simulator: Running) -> None:
    assert (await simulator.http.get("/notification/api/v1/orders")).status_code == 404
    assert simulator.service.received == []
