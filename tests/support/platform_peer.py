"""Profile, Register, Authorization, Maskinporten and condition endpoints on one real socket, as a test wants them.

Without instructions each answers as spec 12 says, from the data that the test put in. `answer_next` replaces the next
answers of a path: by another status or body, or by silence, half an answer or a lost connection.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict, deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from jwt.algorithms import RSAAlgorithm

from altinn_notifications.platform.clients import open_platform
from altinn_notifications.settings import GeneralSettings, PlatformSettings, Settings
from support.tokens import a_key

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from altinn_notifications.platform.clients import Platform

PERSONS: Final = "/profile/api/v1/users/contactpoint/lookup"
EXTERNAL: Final = "/profile/api/v1/users/contactpoint/lookupsi"
ORGANIZATIONS: Final = "/profile/api/v1/organizations/notificationaddresses/lookup"
USERS: Final = "/profile/api/v1/units/contactpoint/lookup"
NAMES: Final = "/register/api/v1/parties/nameslookup"
DECISION: Final = "/authorization/api/v1/decision"
TOKEN: Final = "/maskinporten/token"
CONDITION: Final = "/condition"
DIALOGS: Final = "/dialogporten/api/v1/enduser/dialoglookup"


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. `silent` never does, `cut` stops half way through the body, `drop` hangs up at once."""

    body: Any = None
    """Bytes as they are, None for nothing, anything else as JSON."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    cut: bool = False
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came in. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body, read as a form."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}


class PlatformPeer:
    """The other side. `persons`, `external`, `organizations` and `users` hold contact points as Profile words them."""

    def __init__(self) -> None:
        self.persons: list[dict[str, Any]] = []
        self.stale_persons: list[dict[str, Any]] = []
        self.external: list[dict[str, Any]] = []
        self.organizations: list[dict[str, Any]] = []
        self.users: list[dict[str, Any]] = []
        self.names: dict[str, str | None] = {}
        self.permits: set[tuple[int, int]] = set()
        """Party and user ids."""
        self.shows_dialogs = False
        self.calls: list[Call] = []
        self.tokens_issued = 0
        self.port = 0
        self.concurrent = 0
        self.most_concurrent = 0
        self._next: dict[str, deque[Reply]] = defaultdict(deque)
        self._waits: dict[str, deque[asyncio.Event]] = defaultdict(deque)
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, Callable[[Call], Reply]] = {
            PERSONS: self._answer_persons,
            EXTERNAL: lambda call: _points(self.external, "externalIdentity", call.json["externalIdentities"]),
            ORGANIZATIONS: lambda call: _points(
                self.organizations, "organizationNumber", call.json["organizationNumbers"]
            ),
            USERS: lambda call: _points(self.users, "organizationNumber", call.json["organizationNumbers"]),
            NAMES: self._answer_names,
            DECISION: self._answer_decision,
            TOKEN: self._answer_token,
            CONDITION: lambda _: Reply({"sendNotification": True}),
            DIALOGS: lambda _: Reply({}, status=200 if self.shows_dialogs else 404),
        }

    @property
    def url(self) -> str:
        """Where it listens, without a last slash."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> Settings:
        """Settings of a service in this peer's environment, with quick repeats."""
        platform = PlatformSettings(
            **{
                "profile_base_url": f"{self.url}/profile/api/v1/",
                "register_base_url": f"{self.url}/register/api/v1/",
                "authorization_base_url": f"{self.url}/authorization/api/v1/",
                "maskinporten_base_url": f"{self.url}/maskinporten/",
                "retry_delay_ms": 1,
                **changes,
            }
        )
        return Settings(general=GeneralSettings(), platform=platform)

    def answer_next(self, path: str, *replies: Reply) -> None:
        """Give these answers to the next requests of `path`, then the ordinary ones again."""
        self._next[path].extend(replies)

    def wait_next(self, path: str, until: asyncio.Event) -> None:
        """Let the next request of `path` wait for `until`; what is asked after it is answered meanwhile."""
        self._waits[path].append(until)

    def forget_answers(self) -> None:
        """Answer as usual again, whatever was planned."""
        self._next.clear()

    def calls_to(self, path: str) -> list[Call]:
        """What was asked at `path` so far."""
        return [call for call in self.calls if call.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                call = await _read(reader)
                self.calls.append(call)
                await self._answer(call, writer)
        writer.close()
        self._tasks.discard(task)

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        waiting = self._next[call.path]
        held = self._waits[call.path].popleft() if self._waits[call.path] else None
        reply = waiting.popleft() if waiting else self._answers.get(call.path, _not_found)(call)
        self.concurrent += 1
        self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            await (held.wait() if held else asyncio.sleep(0))
            await _write(reply, writer)
        finally:
            self.concurrent -= 1

    def _answer_persons(self, call: Call) -> Reply:
        known = [*self.persons, *(self.stale_persons if call.json["useStaleContactInfo"] else [])]
        return _points(known, "nationalIdentityNumber", call.json["nationalIdentityNumbers"])

    def _answer_names(self, call: Call) -> Reply:
        parties = call.json["parties"]
        if len(parties) > 1000:
            return Reply(status=400)
        numbers = [(party.get("orgNo"), party.get("ssn")) for party in parties]
        return Reply(
            {
                "partyNames": [
                    {"orgNo": org_no, "ssn": ssn, "name": self.names[org_no or ssn]}
                    for org_no, ssn in numbers
                    if (org_no or ssn) in self.names
                ]
            }
        )

    def _answer_decision(self, call: Call) -> Reply:
        request = call.json["request"]
        references = [reference["referenceId"] for reference in request["multiRequests"]["requestReference"]]
        pairs = [
            (int(parts[2].removeprefix("resource")), int(parts[0].removeprefix("subject"))) for parts in references
        ]
        return Reply({"response": [_decision(party, user, (party, user) in self.permits) for party, user in pairs]})

    def _answer_token(self, _: Call) -> Reply:
        self.tokens_issued += 1
        return Reply({"access_token": f"token-{self.tokens_issued}", "token_type": "Bearer", "expires_in": 119})


def encoded_jwk() -> str:
    """The private key of the service's Maskinporten client, as the setting wants it."""
    jwk = {**json.loads(RSAAlgorithm.to_jwk(a_key("client").private_key)), "kid": "our-key"}
    return base64.b64encode(json.dumps(jwk).encode()).decode()


def _not_found(_: Call) -> Reply:
    return Reply(status=404)


def _decision(party: int, user: int, permitted: bool) -> dict[str, Any]:  # noqa: FBT001 - one bit of the answer
    subject, resource = "access-subject", "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
    return {
        "decision": "Permit" if permitted else "Deny",
        "category": [
            {
                "categoryId": f"urn:oasis:names:tc:xacml:1.0:subject-category:{subject}",
                "attribute": [{"attributeId": "urn:altinn:userid", "value": str(user)}],
            },
            {"categoryId": resource, "attribute": [{"attributeId": "urn:altinn:partyid", "value": str(party)}]},
        ],
    }


def _points(known: list[dict[str, Any]], key: str, asked: list[str]) -> Reply:
    wanted = {identifier.lower() for identifier in asked}
    return Reply({"contactPointsList": [point for point in known if point[key].lower() in wanted]})


async def _read(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.strip().split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(method, target, headers, body)


async def _write(reply: Reply, writer: asyncio.StreamWriter) -> None:
    if reply.silent:
        await asyncio.Event().wait()
    if reply.drop:
        raise ConnectionResetError
    body = (
        reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(reply.body).encode()
    )
    fields = {"Content-Length": str(len(body)), "Content-Type": "application/json", **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"HTTP/1.1 {reply.status} Whatever\r\n{head}\r\n".encode())
    writer.write(body[: len(body) // 2] if reply.cut else body)
    await writer.drain()
    if reply.cut:
        raise ConnectionResetError


@asynccontextmanager
async def running_peer(tls: ssl.SSLContext | None = None) -> AsyncIterator[PlatformPeer]:
    """A peer that listens on a port of its own."""
    peer = PlatformPeer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await peer.stop()


@asynccontextmanager
async def connected(peer: PlatformPeer, **changes: Any) -> AsyncIterator[Platform]:
    """The service's clients of `peer`."""
    platform = open_platform(peer.settings(**changes))
    try:
        yield platform
    finally:
        await platform.close()
