"""The local platform's token issuing, and somebody who asks it for tokens."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import jwt
import uvicorn
from starlette.applications import Starlette

from altinn_notifications.simulator.clients import CLIENTS
from altinn_notifications.simulator.keys import SigningKeys
from altinn_notifications.simulator.maskinporten import GRANT_TYPE
from altinn_notifications.simulator.tokens import TokenState, routes
from support.times import NOON
from support.tokens import CREATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.keys import SigningKey

BASE_URL = "http://localhost:5101"
MASKINPORTEN = f"{BASE_URL}/maskinporten/"
EXCHANGE = "/authentication/api/v1/exchange/maskinporten"


@cache
def platform_keys() -> SigningKeys:
    """One set of keys for a whole test run, because making them is slow."""
    return SigningKeys(NOON)


def token_state(clock: Clock, base_url: str = BASE_URL) -> TokenState:
    """Token issuing that has not been asked for anything yet."""
    return TokenState(base_url, clock, platform_keys())


def http_to(state: TokenState) -> httpx.AsyncClient:
    """Somebody who calls the endpoints."""
    transport = httpx.ASGITransport(Starlette(routes=routes(state)))
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL)


@asynccontextmanager
async def listening(clock: Clock) -> AsyncIterator[TokenState]:
    """The same on a real socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        state = token_state(clock, f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = Starlette(routes=routes(state))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield state
        finally:
            server.should_exit = True
            await serving


def assertion(
    client_id: str = "sim-client-ttd",
    *,
    key: SigningKey | None = None,
    header: dict[str, Any] | None = None,
    algorithm: str = "RS256",
    **claims: Any,
) -> str:
    """A signed request for a token at noon; a claim that is None is left out."""
    client = CLIENTS[client_id]
    at_noon = int(NOON.timestamp())
    times = {"iat": at_noon, "exp": at_noon + 120}
    content = {"aud": MASKINPORTEN, "iss": client_id, "scope": CREATE, "jti": str(uuid4()), **times, **claims}
    kept = {name: value for name, value in content.items() if value is not None}
    signer = (key or client.signing_key(platform_keys())).private_key
    return jwt.encode(kept, signer, algorithm, headers={"kid": client.key_id} if header is None else header)


async def ask(http: httpx.AsyncClient, encoded: str, **form: str) -> httpx.Response:
    """The answer of the token endpoint to an assertion."""
    return await http.post("/maskinporten/token", data={"grant_type": GRANT_TYPE, "assertion": encoded, **form})


async def exchange(http: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    """The answer of the exchange to a Maskinporten token."""
    return await http.get(EXCHANGE, headers={"Authorization": f"Bearer {token}", **headers})


async def altinn_token(http: httpx.AsyncClient, state: TokenState, client_id: str, scope: str = CREATE) -> str:
    """The whole way of a service owner's system at noon, from assertion to Altinn token."""
    answer = await ask(http, assertion(client_id, scope=scope, aud=state.maskinporten.issuer))
    return (await exchange(http, answer.json()["access_token"])).text


def claims_in(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    content: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return content
