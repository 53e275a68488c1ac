"""The service as it is deployed: api and worker processes of their own, a relay and a gateway that count, reports."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import httpx

from support.gateway_peer import GatewayPeer, accepted
from support.service import API, ORDERS
from support.smtp_peer import SmtpPeer
from support.tokens import running_issuer
from support.waiting import until

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from support.gateway_peer import Answer, ReceivedRequest
    from support.tokens import TokenIssuer

EMAIL_REPORTS = "/notifications/email/api/v1/reports?accesskey=report-key"
SMS_REPORTS = "/notifications/sms/api/v1/reports"
REPORT_USER = ("gateway", "report-password")
START_SECONDS = 30
REPORTS_AT_ONCE = 200
LAST_WORDS = 5000
OPERATION_ID = re.compile(rb"^X-Notification-Operation-Id: (\S+)\r$", re.MULTILINE)
MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r$", re.MULTILINE)
REPORT = "<MSG><ID>{0}</ID><REF>{1}</REF><RCV>{2}</RCV><STATE>DELIVRD</STATE></MSG>"


class OurProcess:
    """One `altinn-notifications` process. What it logs is kept, also over its restarts."""

    def __init__(self, command: str, environment: Mapping[str, str], folder: Path) -> None:
        self.command = command
        self._environment = environment
        self._log = folder / f"{command}-{uuid4().hex}.log"
        self._process: Process | None = None

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self._log.read_text()

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.returncode if self._process is not None else None

    async def start(self) -> None:
        """Start it, after its end once more."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "altinn_notifications", self.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to end and return its exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), START_SECONDS)


@dataclass
class Deliveries:
    """What arrived at the relay and at the gateway, and the reports that are still to be sent about it."""

    mails: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Operation ids by recipient, one for each time a mail came."""
    message_ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Gateway references by number, one for each time an SMS came."""

    @property
    def count(self) -> int:
        """How many messages came, repeats included."""
        return sum(map(len, (*self.mails.values(), *self.texts.values())))

    @property
    def repeated(self) -> set[str]:
        """Who got a message more than once."""
        return {to for messages in (self.mails, self.texts) for to, ids in messages.items() if len(ids) > 1}


class Deployment:
    """Processes of the service on one database, with everything outside that they talk to."""

    def __init__(
        self, database_url: str, folder: Path, relay: SmtpPeer, gateway: GatewayPeer, issuer: TokenIssuer
    ) -> None:
        self.relay, self.gateway, self.issuer = relay, gateway, issuer
        self.deliveries = Deliveries()
        self._seen_mails = 0
        self._unreported: list[tuple[str, str, str]] = []
        self._environment = _environment(database_url, relay, gateway, issuer)
        self._folder = folder
        self.processes: list[OurProcess] = []
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._environment['NOTIFICATIONS_PORT']}", timeout=30, trust_env=False
        )
        self.token = issuer.enterprise()
        gateway.otherwise = self._accept_sms

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            states = ", ".join(f"{process.command}: {process.exit_code}" for process in self.processes)
            error.add_note(f"Exit codes: {states}. The last that was logged:\n{self.logs[-LAST_WORDS:]}")
        for process in self.processes:
            await process.kill()
        await self.http.aclose()

    @property
    def logs(self) -> str:
        """What all processes have logged."""
        return "".join(process.log for process in self.processes)

    def configure(self, **settings: str) -> None:
        """Give the processes that are started from now on these settings, by their names after `NOTIFICATIONS_`."""
        self._environment |= {f"NOTIFICATIONS_{name}": value for name, value in settings.items()}

    async def start(self, command: str) -> OurProcess:
        """Start a process of the service; an api is waited for until it answers."""
        process = OurProcess(command, self._environment, self._folder)
        self.processes.append(process)
        await process.start()
        if command == "api":
            await until(lambda: self.answers("/health"), "the api answers", seconds=START_SECONDS)
        return process

    async def status(self, path: str) -> int:
        """The status code of a GET; 0 when nobody answers."""
        return await self._status(self.http.get(path))

    async def status_of_post(self, path: str) -> int:
        """The status code of a POST without body; 0 when nobody answers."""
        return await self._status(self.http.post(path))

    @staticmethod
    async def _status(request: Awaitable[httpx.Response]) -> int:
        try:
            return (await request).status_code
        except httpx.TransportError:
            return 0

    async def answers(self, path: str) -> bool:
        """Whether a GET succeeds."""
        return await self.status(path) == 200

    async def order(self, body: Any) -> int:
        """Order as `ttd` and return the status code."""
        answer = await self.http.post(ORDERS, json=body, headers={"Authorization": f"Bearer {self.token}"})
        return answer.status_code

    async def feed_length(self) -> int:
        """How many entries `ttd` finds in the status feed."""
        length, seq = 0, 0
        headers = {"Authorization": f"Bearer {self.token}"}
        while True:
            page = (await self.http.get(f"{API}/future/shipment/feed?seq={seq}&pageSize=500", headers=headers)).json()
            if not page:
                return length
            length, seq = length + len(page), page[-1]["sequenceNumber"]

    def collect(self) -> Deliveries:
        """Note what arrived since the last time."""
        for mail in self.relay.mails[self._seen_mails :]:
            self._seen_mails += 1
            operation_id, message_id = _found(OPERATION_ID, mail.content), _found(MESSAGE_ID, mail.content)
            recipient = mail.rcpt.partition("<")[2].partition(">")[0]
            self.deliveries.mails[recipient].append(operation_id)
            self.deliveries.message_ids[recipient].add(message_id)
            self._unreported.append(("Email", operation_id, recipient))
        return self.deliveries

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """While the block lasts, tell the api that whatever arrived was delivered, until it has stored it."""
        task = asyncio.create_task(self._report())
        yield
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()

    async def _report(self) -> None:
        while True:
            self.collect()
            batch, self._unreported = self._unreported[:REPORTS_AT_ONCE], self._unreported[REPORTS_AT_ONCE:]
            if not await self._are_taken(batch):
                self._unreported += batch
            await asyncio.sleep(0.05)

    async def _are_taken(self, batch: Sequence[tuple[str, str, str]]) -> bool:
        posts: dict[str, Callable[[Sequence[tuple[str, str, str]]], Awaitable[httpx.Response]]]
        posts = {"Email": self._post_email_reports, "Sms": self._post_sms_reports}
        for channel, post in posts.items():
            ours = [report for report in batch if report[0] == channel]
            try:
                if ours and (await post(ours)).status_code != 200:
                    return False
            except httpx.TransportError:
                return False
        return True

    async def _post_email_reports(self, reports: Sequence[tuple[str, str, str]]) -> httpx.Response:
        kind = "Microsoft.Communication.EmailDeliveryReportReceived"
        events = [
            {"eventType": kind, "data": {"messageId": reference, "status": "Delivered", "recipient": to}}
            for _, reference, to in reports
        ]
        return await self.http.post(EMAIL_REPORTS, json=events)

    async def _post_sms_reports(self, reports: Sequence[tuple[str, str, str]]) -> httpx.Response:
        messages = [REPORT.format(number, ref, to) for number, (_, ref, to) in enumerate(reports)]
        document = f"<MSGLST>{''.join(messages)}</MSGLST>".encode()
        headers = {"Content-Type": "application/xml"}
        return await self.http.post(SMS_REPORTS, content=document, auth=REPORT_USER, headers=headers)

    def _accept_sms(self, request: ReceivedRequest) -> Answer:
        number, reference = str(request.value("RCV")), uuid4().hex
        self.deliveries.texts[number].append(reference)
        self._unreported.append(("Sms", reference, number))
        return accepted(reference)


@asynccontextmanager
async def deployment(database_url: str, folder: Path) -> AsyncIterator[Deployment]:
    """A deployment without processes yet; those that are started are gone afterwards, and logged nothing private."""
    async with SmtpPeer() as relay, GatewayPeer() as gateway, running_issuer(datetime.now(UTC)) as issuer:
        async with Deployment(database_url, folder, relay, gateway, issuer) as deployed:
            yield deployed
        demand_private_logs(deployed.logs, deployed)


def demand_private_logs(logs: str, deployed: Deployment) -> None:
    """Nothing of what people are called, reached at or told is in the logs, and no key to anything."""
    assert all(json.loads(line)["event"] for line in logs.splitlines())
    people = {*deployed.deliveries.mails, *deployed.deliveries.texts}
    secrets = {deployed.token, "report-key", *REPORT_USER, "gateway-password", "Ny melding", "Du har f", "@example.no"}
    leaked = [text for text in people | secrets if text in logs]
    assert leaked == []


def _environment(database_url: str, relay: SmtpPeer, gateway: GatewayPeer, issuer: TokenIssuer) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFICATIONS_")}
    ours = {
        "DATABASE_URL": database_url,
        "PORT": str(_free_port()),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",
        "AUTHENTICATION_OPENID_BASE_URL": issuer.settings().openid_base_url,
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_SMTP_PORT": str(relay.port),
        "EMAIL_REPORT_ACCESS_KEY": "report-key",
        "SMS_GATEWAY_ENDPOINT": gateway.url.replace("localhost", "127.0.0.1"),
        "SMS_GATEWAY_PASSWORD": "gateway-password",
        "SMS_REPORT_USERNAME": REPORT_USER[0],
        "SMS_REPORT_PASSWORD": REPORT_USER[1],
    }
    return inherited | {f"NOTIFICATIONS_{name}": value for name, value in ours.items()}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _found(pattern: re.Pattern[bytes], content: bytes) -> str:
    match = pattern.search(content)
    assert match is not None
    return match[1].decode()
