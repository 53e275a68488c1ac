from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from altinn_notifications.platform.client import DependencyClient, http_client
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.platform.dependencies import Dependency, DependencyFailed
from altinn_notifications.platform.maskinporten import MaskinportenIdentity, MaskinportenTokens
from support.platform_peer import TOKEN, Reply, encoded_jwk
from support.times import NOON, SECOND
from support.tokens import a_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from support.platform_peer import PlatformPeer

SCOPE = "altinn:system/notifications.condition.check"
ISSUER = "https://test.maskinporten.no/"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


def tokens(peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock) -> MaskinportenTokens:
    settings = peer.settings().platform
    client = DependencyClient(Dependency.MASKINPORTEN, settings.maskinporten_base_url, http, settings)
    return MaskinportenTokens(client, MaskinportenIdentity.of(ISSUER, "our-client", SCOPE, encoded_jwk()), clock)


async def test_a_token_is_asked_for_with_a_signed_assertion(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    assert await tokens(peer, http, clock).token() == "token-1"
    (call,) = peer.calls
    assert (call.method, call.path) == ("POST", TOKEN)
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = call.form["assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "our-key", "typ": "JWT"}
    claims = jwt.decode(
        assertion,
        a_key("client").public_key,
        ["RS256"],
        {"verify_exp": False, "verify_iat": False},
        audience=ISSUER,
    )
    assert (claims["iss"], claims["scope"]) == ("our-client", SCOPE)
    assert claims["iat"] == NOON.timestamp()
    assert 0 < claims["exp"] - claims["iat"] <= 120


async def test_no_assertion_is_used_twice(peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock) -> None:
    ours = tokens(peer, http, clock)
    await ours.token_instead_of(await ours.token())
    ids = [jwt.decode(call.form["assertion"], options={"verify_signature": False})["jti"] for call in peer.calls]
    assert len(set(ids)) == 2


async def test_a_token_is_kept_until_five_seconds_before_it_expires(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    ours = tokens(peer, http, clock)
    assert await ours.token() == "token-1"
    clock.turn(113 * SECOND)
    assert await ours.token() == "token-1"
    clock.turn(SECOND)
    assert await ours.token() == "token-2"


async def test_many_who_want_a_token_at_once_share_one(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    ours = tokens(peer, http, clock)
    assert set(await asyncio.gather(*(ours.token() for _ in range(20)))) == {"token-1"}
    assert len(peer.calls) == 1


async def test_many_who_were_refused_the_same_token_share_its_successor(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    ours = tokens(peer, http, clock)
    refused = await ours.token()
    assert set(await asyncio.gather(*(ours.token_instead_of(refused) for _ in range(20)))) == {"token-2"}
    assert len(peer.calls) == 2


async def test_many_who_wait_for_a_token_share_the_failure(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    ours = tokens(peer, http, clock)
    peer.answer_next(TOKEN, Reply(status=500))
    answers = await asyncio.gather(*(ours.token() for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {DependencyFailed}
    assert len(peer.calls) == 1
    assert await ours.token() == "token-1"


async def test_one_who_gives_up_waiting_does_not_take_the_token_from_the_others(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    ours = tokens(peer, http, clock)
    impatient, patient = asyncio.create_task(ours.token()), asyncio.create_task(ours.token())
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == "token-1"
    assert len(peer.calls) == 1


async def test_a_refused_assertion_is_a_failed_dependency(
    peer: PlatformPeer, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    peer.answer_next(TOKEN, Reply({"error": "invalid_grant"}, status=400))
    with pytest.raises(DependencyFailed) as raised:
        await tokens(peer, http, clock).token()
    assert (raised.value.dependency, raised.value.cause) == (Dependency.MASKINPORTEN, "status 400")


@pytest.mark.parametrize("jwk", ["", "no base64!", "bm8gand", base64.b64encode(b'{"kty":"oct"}').decode()])
async def test_a_key_that_is_none_stops_the_start(peer: PlatformPeer, jwk: str) -> None:
    with pytest.raises(ValueError, match="NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK"):
        open_platform(peer.settings(maskinporten_jwk=jwk))


async def test_a_public_key_stops_the_start(peer: PlatformPeer) -> None:
    public = base64.b64encode(RSAAlgorithm.to_jwk(a_key("client").public_key).encode()).decode()
    with pytest.raises(ValueError, match="NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK"):
        open_platform(peer.settings(maskinporten_jwk=public))
