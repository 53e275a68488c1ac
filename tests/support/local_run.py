"""What one `make run` starts, on a database of the test's own, and seen only from outside."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

from support.deployment import LAST_WORDS, START_SECONDS, OurProcess
from support.service import API, ORDERS
from support.tokens import CREATE
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FIRST_GENERATION: Final = f"{API}/orders"
ENDED: Final = {"Order_Completed", "Order_SendConditionNotMet", "Order_Cancelled"}
SHORT_WAITS: Final = {
    "NOTIFICATIONS_SIMULATOR_REPORT_DELAY_MS": "0",
    "NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS": "1",
    "NOTIFICATIONS_EMAIL_MESSAGE_RETRY_SECONDS": "1",
    "NOTIFICATIONS_PLATFORM_RETRY_DELAY_MS": "10",
}
Received = tuple[str, str]
"""Who got a message, and its subject; of an SMS its text."""


class LocalRun:
    """API, worker and local platform under `altinn-notifications run`: the API's answers, the platform's pages."""

    def __init__(self, environment: dict[str, str], folder: Path, http: httpx.AsyncClient) -> None:
        self.http = http
        self.api_url = f"http://localhost:{environment['NOTIFICATIONS_PORT']}"
        self.platform_url = f"http://localhost:{environment['NOTIFICATIONS_SIMULATOR_PORT']}"
        self._process = OurProcess("run", environment, folder)
        self._tokens: dict[tuple[str, str], str] = {}

    async def start(self) -> None:
        """Start everything, and wait until it answers."""
        await self._process.start()
        try:
            await until(self._is_ready, "api and platform answer", seconds=START_SECONDS)
        except AssertionError as error:
            error.add_note(self.log)
            raise

    async def stop(self) -> None:
        """Ask everything to end."""
        await self._process.stop()

    @property
    def log(self) -> str:
        """What all processes have logged."""
        return self._process.log

    async def _is_ready(self) -> bool:
        try:
            answers = [await self.http.get(url) for url in (f"{self.api_url}/health/ready", self.platform_url)]
        except httpx.TransportError:
            return False
        return all(answer.status_code == 200 for answer in answers)

    # --- what owners do

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        creator: str = "ttd",
        scope: str = CREATE,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A request to the API by this owner, with a quick token of the platform."""
        if (creator, scope) not in self._tokens:
            query = f"scopes={scope}&org={creator}&ttl=30000000"
            answer = await self.http.get(f"{self.platform_url}/api/GetEnterpriseToken?{query}")
            self._tokens[creator, scope] = answer.text
        sent = {"Authorization": f"Bearer {self._tokens[creator, scope]}"} | (headers or {})
        return await self.http.request(method, self.api_url + path, json=body, headers=sent)

    async def order(self, body: Any, *, creator: str = "ttd") -> httpx.Response:
        """Order a chain."""
        return await self.call("POST", ORDERS, body, creator=creator)

    async def ordered(self, body: Any) -> list[str]:
        """The shipment ids of a chain that is taken: the main order's, then those of its reminders."""
        answer = await self.order(body)
        assert answer.status_code == 201, answer.text
        main = answer.json()["notification"]
        return [main["shipmentId"], *(reminder["shipmentId"] for reminder in main.get("reminders", ()))]

    async def shipment(self, shipment_id: str, *, creator: str = "ttd") -> dict[str, Any]:
        """A shipment as its owner sees it."""
        answer = await self.call("GET", f"{API}/future/shipment/{shipment_id}", creator=creator)
        assert answer.status_code == 200, answer.text
        shipment: dict[str, Any] = answer.json()
        return shipment

    async def ended(self, shipment_id: str, *, creator: str = "ttd") -> dict[str, Any]:
        """Wait until the shipment has ended; the shipment."""

        async def has_ended() -> bool:
            return (await self.shipment(shipment_id, creator=creator))["status"] in ENDED

        try:
            await until(has_ended, f"{shipment_id} has ended", seconds=20)
        except AssertionError as error:
            error.add_note(self.log[-LAST_WORDS:])
            raise
        return await self.shipment(shipment_id, creator=creator)

    async def has_status(self, shipment_id: str, *statuses: str) -> None:
        """Wait until the shipment's recipients have these statuses."""

        async def is_shown() -> bool:
            return [status for _, status in results(await self.shipment(shipment_id))] == list(statuses)

        await until(is_shown, f"{statuses} are shown")

    async def feed(self) -> list[dict[str, Any]]:
        """Every entry in the feed of `ttd`."""
        entries: list[dict[str, Any]] = []
        while True:
            seq = entries[-1]["sequenceNumber"] if entries else 0
            page = (await self.call("GET", f"{API}/future/shipment/feed?seq={seq}&pageSize=500")).json()
            if not page:
                return entries
            entries += page

    async def has_metric(self, sample: str, value: float) -> bool:
        """Whether the metrics have this sample, a name with its labels, with this value."""
        lines = (await self.http.get(f"{self.api_url}/metrics")).text.splitlines()
        return f"{sample} {float(value)}" in lines

    # --- what the local platform shows, and how it is told

    async def see(self, path: str) -> Any:
        """What a page of the platform says to a program."""
        answer = await self.http.get(self.platform_url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def see_calls(self, target: str) -> list[dict[str, Any]]:
        """What a part of the platform was asked, the newest first."""
        calls: list[dict[str, Any]] = (await self.see(f"/sim/calls?target={target}"))["calls"]
        return calls

    async def condition_calls(self, name: str, query: str) -> list[dict[str, Any]]:
        """How often a send condition was asked with this query, the newest first."""
        calls = (await self.see(f"/sim/conditions/{name}/calls"))["calls"]
        return [call for call in calls if call["query"] == query]

    async def is_asked(self, name: str, query: str, *, times: int) -> bool:
        """Whether a send condition was asked so often with this query."""
        return len(await self.condition_calls(name, query)) == times

    async def tell(self, method: str, path: str, body: Any = None) -> None:
        """Change something at the platform."""
        answer = await self.http.request(method, self.platform_url + path, json=body)
        assert answer.status_code == 200, answer.text

    async def turn_clock(self, by: timedelta) -> None:
        """Turn everybody's clock."""
        await self.tell("PUT", "/sim/clock", {"advanceSeconds": by.total_seconds()})

    async def now(self) -> datetime:
        """What everybody's clock shows."""
        offset = (await self.see("/sim/clock"))["offsetSeconds"]
        return datetime.now(UTC) + timedelta(seconds=offset)

    async def received(self, mark: str) -> list[Received]:
        """Everything that anybody got with `mark` in it, by address."""
        mails = [(mail["address"], mail["subject"]) for mail in await self._mails() if mark in mail["subject"]]
        phones = (await self.see("/sim/phones"))["phones"]
        texts = [
            (phone["number"], sms["text"])
            for phone in phones
            for sms in (await self.see(f"/sim/phones/{phone['number']}/messages"))["messages"]
            if mark in sms["text"]
        ]
        return sorted([*mails, *texts])

    async def _mails(self) -> list[dict[str, Any]]:
        mails: list[dict[str, Any]] = []
        while True:
            before = f"?before={mails[-1]['id']}" if mails else ""
            page = (await self.see(f"/sim/mailbox{before}"))["messages"]
            if not page:
                return mails
            mails += page


def results(shipment: dict[str, Any]) -> list[tuple[str, str]]:
    """Destination and status of each recipient of a shipment."""
    return [(one.get("destination", ""), one["status"]) for one in shipment["recipients"]]


@asynccontextmanager
async def a_local_run(database_url: str, folder: Path, **changes: str) -> AsyncIterator[LocalRun]:
    """Everything, started on free ports; `changes` are settings without their prefix."""
    names = ("PORT", "SIMULATOR_PORT", "SIMULATOR_SMTP_PORT")
    ports = {f"NOTIFICATIONS_{name}": str(port) for name, port in zip(names, _free_ports(len(names)), strict=True)}
    ours = {f"NOTIFICATIONS_{name}": value for name, value in changes.items()}
    ours["NOTIFICATIONS_DATABASE_URL"] = database_url
    ours["NOTIFICATIONS_SIMULATOR_KEYS_DIRECTORY"] = str(folder / "keys")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFICATIONS_")}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        run = LocalRun({**inherited, **SHORT_WAITS, **ports, **ours}, folder, http)
        try:
            await run.start()
            yield run
        finally:
            await run.stop()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
