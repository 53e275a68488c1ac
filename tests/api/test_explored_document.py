"""The OpenAPI document against a running service: every endpoint up to its success, then made-up requests."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from altinn_notifications.api.router import parse_guid
from altinn_notifications.app import published_document
from altinn_notifications.clock import FixedClock
from support.peers import service_among_peers
from support.requests import a_reminder, an_order_request, to_sms
from support.service import API, METRICS_KEY
from support.times import DAY, NOON
from support.tokens import COMPOSED, CREATE, END_USER, SUPPORT, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.service import Service

EXAMPLES = 300
DIALOG = "0198a6d2-51f3-7c40-9b1e-6d2f0c8e4a77"
REFERENCE = "sak-77"
SHIPMENT = f"{API}/future/shipment/{{id}}"
"""Where an id that is no GUID is another path, which the document cannot say."""
QUERY: dict[str, Any] = {
    "sendersReference": REFERENCE,
    "month": 3,
    "year": 2026,
    "dialogId": DIALOG,
    "seq": 0,
    "orderBy": "asc",
}
"""Values of query parameters for which there is something to tell."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Server:
    """The service behind a real HTTP server in a thread of its own, so that synchronous tools can use it."""

    def __init__(self) -> None:
        self.url = ""
        self.callers: list[dict[str, str]] = []
        """Credentials; the first open every door."""
        self.known: dict[str, str] = {}
        """Ids of what the first caller ordered: a chain, its finished order, and one that can be cancelled."""
        self.ready = threading.Event()
        self.stop = threading.Event()

    def run(self, database_url: str) -> None:
        """Serve until `stop` is set."""
        asyncio.run(self._serve(database_url))

    async def _serve(self, database_url: str) -> None:
        clock = FixedClock(NOON)
        async with service_among_peers(database_url, clock) as service:
            await self._place_orders(service, clock)
            listener = socket.create_server(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(service.app, log_level="error", lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            every_scope = f"{CREATE} {COMPOSED} {SUPPORT} {END_USER}"
            self.callers = [
                service.authorization(scopes=every_scope) | {"X-API-Key": METRICS_KEY},
                {},
                service.authorization(scopes=COMPOSED) | {"X-API-Key": "another"},
                service.authorization(scopes=SUPPORT),
                service.authorization(creator=None, scopes=every_scope),
                service.authorization(exp=0),
                {"Authorization": "Bearer " + unsigned({"urn:altinn:org": "ttd", "exp": 4_000_000_000})},
                {"Authorization": "Bearer not.a.token"},
                {"PlatformAccessToken": service.issuer.platform()},
            ]
            self.ready.set()
            await asyncio.to_thread(self.stop.wait)
            server.should_exit = True
            await serving

    async def _place_orders(self, service: Service, clock: FixedClock) -> None:
        """Order something that nobody sends until it expires, and something for later."""
        about: dict[str, Any] = {"sendersReference": REFERENCE, "dialogportenAssociation": {"dialogId": DIALOG}}
        finished = await ordered(service, an_order_request(**about))
        await service.client.post(f"{API}/trigger/pastdueorders")
        clock.turn(3 * DAY)
        await service.client.post(f"{API}/trigger/terminateexpirednotifications")
        service.issuer.now = clock.now()
        service.bearer = service.issuer.enterprise()
        reminders = [a_reminder(to_sms(), delayDays=2)]
        send_time = (clock.now() + DAY).isoformat()
        later = await ordered(service, an_order_request(requestedSendTime=send_time, reminders=reminders))
        self.known = {
            "chain": finished["notificationOrderId"],
            "order": finished["notification"]["shipmentId"],
            "cancellable": later["notification"]["shipmentId"],
        }


async def ordered(service: Service, body: dict[str, Any]) -> dict[str, Any]:
    answer = await service.order(body)
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content


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


class Explorer:
    """Sends what the document allows and forbids, and holds every answer against it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.document = schemathesis.openapi.from_url(f"{server.url}/swagger/v1/swagger.json")
        self.seen: dict[str, set[int]] = {}

    def known_id(self, path: str) -> str:
        """An id for which the path has something to tell."""
        if "/chain/" in path:
            return self.server.known["chain"]
        return self.server.known["cancellable" if path.endswith("/cancel") else "order"]

    def succeed(self, operation: Any) -> None:
        """Ask what will be answered, twice: an order is another answer when it is repeated."""
        names = {parameter["name"] for parameter in operation.definition.raw.get("parameters", ())}
        content = operation.definition.raw.get("requestBody", {}).get("content", {})
        bodies = [one["value"] for media in content.values() for one in media["examples"].values()]
        for body in [*bodies, *bodies] or [None]:
            case = operation.Case(
                path_parameters={"id": self.known_id(operation.path)} if "id" in names else {},
                query={name: value for name, value in QUERY.items() if name in names},
                **({} if body is None else {"body": body, "media_type": "application/json"}),
            )
            self.send(case, self.server.callers[0])

    def send(self, case: schemathesis.Case[Any], caller: dict[str, str]) -> None:
        """Send the request as this caller, and expect what the document says about the answer."""
        response = case.call(base_url=self.server.url, headers=caller)
        case.validate_response(response, checks=CHECKS)
        self.seen.setdefault(f"{case.method} {case.operation.path}", set()).add(response.status_code)


@pytest.mark.slow
async def test_the_document_tells_every_answer(database_url: str) -> None:
    await asyncio.to_thread(_explore, database_url)


def successes() -> dict[str, set[int]]:
    """The successes that the published document promises, by method and path."""
    return {
        f"{method.upper()} {path}": {int(status) for status in operation["responses"] if status.startswith("2")}
        for path, operations in published_document()["paths"].items()
        for method, operation in operations.items()
    }


def _explore(database_url: str) -> None:
    with serving(database_url) as server:
        explorer = Explorer(server)
        for operation in explorer.document.get_all_operations():
            if isinstance(operation, Ok):
                explorer.succeed(operation.ok())
        for name, statuses in successes().items():
            assert statuses <= explorer.seen[name], name
        requests = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]).flatmap(
            lambda mode: explorer.document.as_strategy(generation_mode=mode)
        )

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        @given(requests, st.booleans(), st.just(server.callers[0]) | st.sampled_from(server.callers))
        def explore(case: schemathesis.Case[Any], is_known: bool, caller: dict[str, str]) -> None:  # noqa: FBT001 - hypothesis gives it by position
            if is_known and "id" in case.path_parameters:
                case.path_parameters["id"] = explorer.known_id(case.operation.path)
            assume(case.operation.path != SHIPMENT or parse_guid(case.path_parameters["id"]))
            case.headers.clear()  # the credentials that were made up for it would only hide the caller's
            explorer.send(case, caller)

        explore()
