"""Azure Communication Services for tests: an account, and settings to reach a peer that stands for it."""

from __future__ import annotations

import base64
import json
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from altinn_notifications.channels.email.acs import AcsProvider
from altinn_notifications.clock import FixedClock
from altinn_notifications.settings import AcsSettings
from support.gateway_peer import Answer, GatewayPeer
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import Clock
    from support.gateway_peer import ReceivedRequest

KEY = b"a key of thirty-two octets or so"


def connection_string(endpoint: str) -> str:
    """An account at `endpoint`."""
    return f"endpoint={endpoint};accesskey={base64.b64encode(KEY).decode()}"


def acs_settings(endpoint: str, **changes: Any) -> AcsSettings:
    """Settings of that account, with quick repeats."""
    secret = SecretStr(connection_string(endpoint))
    return AcsSettings(**{"connection_string": secret, "retry_delay_ms": 1, "timeout_seconds": 5, **changes})


@asynccontextmanager
async def provider_at(endpoint: str, clock: Clock | None = None, **changes: Any) -> AsyncIterator[AcsProvider]:
    """The provider, at noon unless `clock` says otherwise."""
    provider = AcsProvider(acs_settings(endpoint, **changes), clock or FixedClock(NOON))
    yield provider
    await provider.close()


@dataclass(slots=True)
class AcsPeer:
    """The service as a test tells it to be: what it says of operations is in `statuses`, then all have succeeded."""

    listening: GatewayPeer
    taken: list[str] = field(default_factory=list)
    """Operation ids of the mails that were taken, each once."""
    statuses: deque[dict[str, Any]] = field(default_factory=deque)

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.listening.port}"

    @property
    def submissions(self) -> list[str]:
        """Operation ids of all submissions, refused ones too."""
        return [request.headers["operation-id"] for request in self.listening.requests if _is_submission(request)]

    @property
    def questions(self) -> int:
        """How often it was asked about an operation."""
        return len(self.listening.requests) - len(self.submissions)

    def answer(self, request: ReceivedRequest) -> Answer:
        """What a request gets for which nothing else is planned."""
        if not _is_submission(request):
            return self._state(request.line.partition("/operations/")[2].partition("?")[0])
        operation_id = request.headers["operation-id"]
        if operation_id not in self.taken:
            self.taken.append(operation_id)
        return Answer(json.dumps({"id": operation_id, "status": "NotStarted"}), 202)

    def _state(self, operation_id: str) -> Answer:
        if operation_id not in self.taken:
            return Answer(json.dumps({"error": {"code": "NotFound", "message": "unknown"}}), 404)
        state = self.statuses.popleft() if self.statuses else {"status": "Succeeded"}
        return Answer(json.dumps({"id": operation_id, **state}))


@asynccontextmanager
async def an_acs_peer() -> AsyncIterator[AcsPeer]:
    """A peer on a free port."""
    async with GatewayPeer() as listening:
        peer = AcsPeer(listening)
        listening.otherwise = peer.answer
        yield peer


def _is_submission(request: ReceivedRequest) -> bool:
    return request.line.startswith("POST")
