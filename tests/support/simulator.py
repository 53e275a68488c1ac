"""The local platform on real sockets, and a service that only listens to what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import uvicorn
from defusedxml.ElementTree import fromstring
from pydantic import SecretStr

from altinn_notifications.clock import FixedClock
from altinn_notifications.settings import EmailSettings, Settings, SimulatorSettings, SmsSettings
from altinn_notifications.simulator.app import bound, create_simulator, http_config
from support.acs import acs_settings
from support.times import NOON

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send

GATEWAY_USER, GATEWAY_PASSWORD = "gateway-user", "gateway&password"
ESCAPED_PASSWORD = "gateway&amp;password"
REPORT_USER, REPORT_PASSWORD = "report-user", "report:password"
ACCESS_KEY = "webhook/key"
MAIL_REPORTS = "/notifications/email/api/v1/reports"
SMS_REPORTS = "/notifications/sms/api/v1/reports"
STARTING_QUESTION = ("GET", b"/notifications/api/v1/tests/clock")  # comes by itself, so tests would see it or not


@dataclass(frozen=True, slots=True)
class Received:
    """One request that reached the service."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode()

    def header(self, name: str) -> str:
        return next(value.decode() for key, value in self.headers if key == name.encode())


@dataclass(slots=True)
class Service:
    """Remembers requests and gives one answer to all of them."""

    received: list[Received] = field(default_factory=list)
    status: int = 200
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    answer: list[bytes] = field(default_factory=list)

    def forget(self) -> None:
        self.received.clear()
        self.status, self.answer_headers, self.answer = 200, [], []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        if (scope["method"], target) != STARTING_QUESTION:
            self.received.append(Received(scope["method"], target, list(scope["headers"]), body))
        await send({"type": "http.response.start", "status": self.status, "headers": self.answer_headers})
        for chunk in self.answer:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def mail_reports(self) -> list[dict[str, Any]]:
        """`data` of every event, in the order in which they came."""
        posts = [json.loads(request.body) for request in self.received if request.path == MAIL_REPORTS]
        return [event["data"] for events in posts for event in events]

    def sms_reports(self) -> list[tuple[str, str]]:
        """Reference and state of every `MSG`, in the order in which they came."""
        documents = [fromstring(request.body) for request in self.received if request.path == SMS_REPORTS]
        messages = [message for document in documents for message in document.iterfind("MSG")]
        return [(message.findtext("REF") or "", message.findtext("STATE") or "") for message in messages]


@dataclass(slots=True)
class Running:
    """A simulator and the service behind it."""

    http: httpx.AsyncClient
    smtp_port: int
    service: Service
    clock: FixedClock

    async def reset(self) -> None:
        await self.http.put("/sim/clock", json={"offsetSeconds": 0})
        await self.http.post("/sim/reset")
        self.service.forget()

    async def send_sms(self, number: str, text: str = "Hei", **changes: str) -> dict[str, str]:
        """The gateway's answer about one message."""
        answer = await self.http.post("/sms/gateway", content=session(number, text, **changes), headers=XML)
        assert answer.status_code == 200, answer.text
        return {element.tag: element.text or "" for element in fromstring(answer.content).iterfind("MSGLST/MSG/*")}

    async def phone(self, number: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = (await self.http.get(f"/sim/phones/{number}/messages")).json()["messages"]
        return messages

    async def mailbox(self, address: str) -> list[dict[str, Any]]:
        mails: list[dict[str, Any]] = (await self.http.get(f"/sim/mailbox/{address}")).json()["messages"]
        return mails


XML = {"Content-Type": "text/xml; charset=utf-8"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def session(
    number: str, text: str = "Hei", *, sender: str = "Altinn", validity: str = "2880", operation: str = ""
) -> str:
    """A gateway document with one message; the values stand in it as they are."""
    op = f"<OP>{operation}</OP>" if operation else ""
    message = f"<MSG><ID>1</ID><TEXT>{text}</TEXT><SND>{sender}</SND><RCV>{number}</RCV>{op}<TTL>{validity}</TTL></MSG>"
    return document(message)


def document(messages: str, *, user: str = GATEWAY_USER, password: str = ESCAPED_PASSWORD) -> str:
    """A gateway document around `MSG` elements."""
    return (
        '<?xml version="1.0" encoding="iso-8859-1"?>'
        f"<SESSION><CLIENT>{user}</CLIENT><PW>{password}</PW><MSGLST>{messages}</MSGLST></SESSION>"
    )


def a_mail(subject: str = "Ny melding", body: str = "Hei", *, operation_id: str | None = None, **headers: str) -> bytes:
    """A small mail as it goes over the wire; with an operation id of its own unless told otherwise."""
    operation_id = str(uuid4()) if operation_id is None else operation_id
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if operation_id:
        lines.append(f"X-Notification-Operation-Id: {operation_id}")
    return "\r\n".join(["From: noreply@altinn.no", f"Subject: {subject}", *lines, "", body, ""]).encode()


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until `condition`, which may be a coroutine function, holds; at most twenty seconds."""
    async with asyncio.timeout(20):
        while not await _value(condition()):  # noqa: ASYNC110 - what is waited for happens behind a socket
            await asyncio.sleep(0.005)


async def _value(found: object) -> object:
    return await found if isinstance(found, Awaitable) else found


def simulator_settings(service_url: str, **changes: Any) -> Settings:
    """Settings of a simulator on free ports that reports at once."""
    values = {"port": 0, "smtp_port": 0, "service_url": service_url, "report_delay_ms": 0, **changes}
    return Settings(
        acs=acs_settings("http://localhost:5101/acs"),
        email=EmailSettings(report_access_key=SecretStr(ACCESS_KEY)),
        sms=SmsSettings(
            gateway_username=GATEWAY_USER,
            gateway_password=SecretStr(GATEWAY_PASSWORD),
            report_username=REPORT_USER,
            report_password=SecretStr(REPORT_PASSWORD),
        ),
        simulator=SimulatorSettings().model_copy(update=values),
    )


@asynccontextmanager
async def a_simulator(service_listener: socket.socket | None = None) -> AsyncIterator[Running]:
    """A simulator whose service answers, unless `service_listener` is given: then nobody answers there yet."""
    clock, service = FixedClock(NOON), Service()
    with service_listener or bound("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_simulator(simulator_settings(url), clock)
        if service_listener is not None:
            async with _running(app, service, clock) as running:
                yield running
            return
        async with serving(service, listener), _running(app, service, clock) as running:
            yield running


@asynccontextmanager
async def _running(app: Starlette, service: Service, clock: FixedClock) -> AsyncIterator[Running]:
    with bound("127.0.0.1", 0) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with serving_config(http_config(app), listener), httpx.AsyncClient(base_url=base_url) as http:
            yield Running(http, app.state.smtp_port, service, clock)


@asynccontextmanager
async def serving(service: Service, listener: socket.socket) -> AsyncIterator[None]:
    """`service` behind `listener`."""
    config = uvicorn.Config(service, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    async with serving_config(config, listener):
        yield


@asynccontextmanager
async def serving_config(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[None]:
    """A server behind `listener`."""
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await eventually(lambda: server.started or task.done())
    try:
        yield
    finally:
        server.should_exit = True
        await task
