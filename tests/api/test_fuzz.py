"""Made-up requests: whatever is sent, it is never the service's fault (design promise 14)."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from altinn_notifications.clock import FixedClock
from support.peers import service_among_peers
from support.requests import (
    a_reminder,
    an_order_request,
    sms_settings,
    to_email,
    to_external_identity,
    to_organization,
    to_person,
    to_sms,
)
from support.service import ORDERS
from support.times import NOON
from support.tokens import unsigned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.service import Service

VALID = an_order_request(
    to_email() | to_sms() | to_person(smsSettings=sms_settings()) | to_organization() | to_external_identity(),
    requestedSendTime="2035-03-01T08:00:00+01:00",
    conditionEndpoint="https://a.no/x",
    dialogportenAssociation={"dialogId": "d", "transmissionId": "t"},
    reminders=[a_reminder(), a_reminder(to_sms(), requestedSendTime="2035-03-01T08:00:00+01:00")],
)
VALID_EMAIL = an_order_request()
ODD = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "7",
        "2",
        "a@b.no",
        "+4799999999",
        "9" * 400,
        "https://a.no",
        "http://",
        "2035-01-01T00:00Z",
    ]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for step, item in inner for found in [(*path, step), *places(item, (*path, step))]]


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A valid request with a few things replaced, removed or added."""
    request: dict[str, Any] = copy.deepcopy(VALID)
    for place in draw(st.lists(st.sampled_from(places(VALID)), min_size=1, max_size=4)):
        holder: Any = request
        try:
            for step in place[:-1]:
                holder = holder[step]
            if draw(st.booleans()):
                holder[place[-1]] = draw(ODD)
            else:
                del holder[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return request


class Server:
    """The service behind a real HTTP server in a thread of its own, so that synchronous tools can use it."""

    def __init__(self) -> None:
        self.url = ""
        self.callers: list[dict[str, str]] = []
        """Credentials, the good ones first."""
        self.ready = threading.Event()
        self.stop = threading.Event()

    def run(self, database_url: str) -> None:
        """Serve until `stop` is set."""
        asyncio.run(self._serve(database_url))

    async def _serve(self, database_url: str) -> None:
        async with service_among_peers(database_url, FixedClock(NOON)) as service:
            listener = socket.create_server(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(service.app, log_level="error", lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self.callers = [
                service.authorization(),
                {},
                service.authorization(scope="altinn:serviceowner/notifications.composedemail.create"),
                service.authorization(scope="altinn:notifications.support.admin"),
                service.authorization(creator=None),
                service.authorization(exp=0),
                {"Authorization": "Bearer " + unsigned({"urn:altinn:org": "ttd", "exp": 4_000_000_000})},
                {"Authorization": "Bearer not.a.token"},
                {"PlatformAccessToken": service.issuer.platform()},
            ]
            self.ready.set()
            await asyncio.to_thread(self.stop.wait)
            server.should_exit = True
            await serving


@pytest.fixture
async def service(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    async with service_among_peers(database_url, clock) as running:
        yield running


@contextmanager
def serving(database_url: str) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.run, args=(database_url,))
    thread.start()
    try:
        assert server.ready.wait(20)
        yield server
    finally:
        server.stop.set()
        thread.join()


async def test_random_and_spoiled_bodies_are_answered(service: Service) -> None:
    loop = asyncio.get_running_loop()

    def send(body: bytes) -> None:
        response = asyncio.run_coroutine_threadsafe(service.order(body), loop).result()
        assert response.status_code < 500, body

    @FEW
    @given(spoiled())
    def spoiled_bodies(request: dict[str, Any]) -> None:
        send(json.dumps(request).encode())

    @FEW
    @given(ODD)
    def odd_values(value: Any) -> None:
        send(json.dumps(value).encode())

    @FEW
    @given(st.binary(), st.integers(0, 2000))
    def damaged_bytes(damage: bytes, position: int) -> None:
        body = json.dumps(VALID).encode()
        send(body[:position] + damage + body[position + len(damage) :])

    for test in (spoiled_bodies, odd_values, damaged_bytes):
        await asyncio.to_thread(test)


@pytest.mark.slow
async def test_the_document_tells_every_answer(database_url: str) -> None:
    await asyncio.to_thread(_explore, database_url)


def _explore(database_url: str) -> None:
    with serving(database_url) as server:
        headers, *_ = server.callers
        orders = f"{server.url}{ORDERS}"
        assert [httpx.post(orders, json=VALID_EMAIL, headers=headers).status_code for _ in range(2)] == [201, 200]
        schema = schemathesis.openapi.from_url(f"{server.url}/swagger/v1/swagger.json")

        @settings(parent=FEW, max_examples=300)
        @given(schema.as_strategy(), st.just(headers) | st.sampled_from(server.callers))
        def explore(case: schemathesis.Case[Any], caller: dict[str, str]) -> None:
            response = case.call(base_url=server.url, headers=caller)
            case.validate_response(
                response,
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        explore()
