"""Spec 11, 3.2: finding the platform's keys, following their rotation, and doing without the platform for a while."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.authentication.keys import KeyServer, OpenIdKeys
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.authentication.tokens import KeysUnavailable
from altinn_notifications.settings import AuthenticationSettings
from support.callers import admit, status_of
from support.times import MINUTE, NOON, SECOND
from support.tokens import DISCOVERY, OPENID, a_key

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from support.tokens import TokenIssuer

FETCHED_ONCE = [DISCOVERY, f"{DISCOVERY}/jwks"]


@pytest.mark.parametrize("base64url", [False, True])
async def test_published_numbers_are_read_in_either_alphabet(
    authenticator: Authenticator, issuer: TokenIssuer, *, base64url: bool
) -> None:
    issuer.base64url = base64url
    while "+" not in issuer.key.public_jwk(base64url=False)["n"]:
        issuer.rotate()
    assert (await admit(authenticator, bearer=issuer.enterprise())).creator == "ttd"


async def test_a_base_url_without_its_last_slash_finds_the_document(issuer: TokenIssuer, clock: FixedClock) -> None:
    settings = issuer.settings(openid_base_url=f"{issuer.url}{OPENID}".removesuffix("/"))
    service = Authenticator(settings, clock)
    assert (await admit(service, bearer=issuer.enterprise())).creator == "ttd"
    await service.close()


async def test_keys_are_fetched_once_for_many_callers_at_the_same_time(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    tokens = [issuer.enterprise(jti=str(number)) for number in range(10)]
    await asyncio.gather(*(admit(authenticator, bearer=token) for token in tokens))
    assert issuer.requests == FETCHED_ONCE


async def test_a_new_key_is_found_at_its_first_token_by_all_who_bring_one(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    await admit(authenticator, bearer=issuer.enterprise())
    issuer.rotate()
    tokens = [issuer.enterprise(jti=str(number)) for number in range(5)]
    callers = await asyncio.gather(*(admit(authenticator, bearer=token) for token in tokens))
    assert {caller.creator for caller in callers} == {"ttd"}
    assert issuer.requests == FETCHED_ONCE * 2


async def test_unknown_keys_are_asked_for_at_most_every_five_minutes(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    strange = [issuer.sign({"exp": NOON.timestamp() + 900, "n": n}, a_key("stranger")) for n in range(3)]
    for token in strange:
        assert await status_of(authenticator, bearer=token) == 401
    assert issuer.requests == FETCHED_ONCE * 2
    issuer.rotate()
    clock.turn(5 * MINUTE - SECOND)
    assert await status_of(authenticator, bearer=issuer.enterprise()) == 401
    clock.turn(SECOND)
    assert (await admit(authenticator, bearer=issuer.enterprise())).creator == "ttd"


async def test_a_token_that_names_no_key_is_tried_with_all(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    claims = {"scope": Policy.CREATE.value, "urn:altinn:org": "ttd", "exp": NOON.timestamp() + 60}
    assert (await admit(authenticator, bearer=jwt.encode(claims, issuer.key.private_key, "RS256"))).creator == "ttd"
    assert await status_of(authenticator, bearer=jwt.encode(claims, a_key("stranger").private_key, "RS256")) == 401


async def test_without_keys_a_bearer_cannot_be_judged(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await issuer.go_down()
    assert await status_of(authenticator, bearer=issuer.enterprise()) == 503
    assert await status_of(authenticator) == 401
    await issuer.go_up()
    clock.turn(2 * SECOND)
    assert (await admit(authenticator, bearer=issuer.enterprise())).creator == "ttd"


async def test_a_platform_that_is_down_is_left_alone_for_two_seconds(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await issuer.go_down()
    assert await status_of(authenticator, bearer=issuer.enterprise()) == 503
    await issuer.go_up()
    clock.turn(1.9 * SECOND)
    assert await status_of(authenticator, bearer=issuer.enterprise()) == 503
    assert issuer.requests == []


async def test_known_keys_outlive_a_platform_that_is_down(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await admit(authenticator, bearer=issuer.enterprise())
    await issuer.go_down()
    clock.turn(timedelta(days=2))
    issuer.now = clock.now()
    assert (await admit(authenticator, bearer=issuer.enterprise())).creator == "ttd"
    issuer.rotate()
    assert await status_of(authenticator, bearer=issuer.enterprise()) == 503


async def test_a_clock_that_is_turned_back_does_not_stop_the_search_for_keys(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await status_of(authenticator, bearer=issuer.sign({"exp": NOON.timestamp() + 900}, a_key("stranger")))
    clock.turn(timedelta(days=-2))
    issuer.now = clock.now()
    issuer.rotate()
    assert (await admit(authenticator, bearer=issuer.enterprise())).creator == "ttd"


def _documents(jwks: str) -> httpx.MockTransport:
    """A provider that publishes exactly this text as its keys."""
    discovery = '{"issuer": "https://p.example/", "jwks_uri": "https://p.example/jwks"}'
    return httpx.MockTransport(
        lambda request: httpx.Response(200, text=jwks if request.url.path == "/jwks" else discovery)
    )


async def _keys_in(jwks: str) -> list[str | None]:
    async with httpx.AsyncClient(transport=_documents(jwks)) as http:
        published, _ = await OpenIdKeys("https://p.example/", KeyServer(http, https_only=True)).find(None, 0.0)
    return [name for name, _ in published.keys]


async def test_a_key_that_is_not_understood_does_not_hide_the_others() -> None:
    good = a_key("openid").public_jwk(base64url=True)
    others = [{"kty": "EC"}, {**good, "use": "enc"}, {**good, "n": "!", "x5c": ["!"]}, {"kty": "RSA", "kid": "x"}]
    assert await _keys_in(httpx.Response(200, json={"keys": [*others, good]}).text) == [good["kid"]]


async def test_a_key_whose_numbers_are_not_understood_is_built_from_its_certificate() -> None:
    certified = {**a_key("openid").public_jwk(base64url=True), "n": "?", "e": "?"}
    assert await _keys_in(httpx.Response(200, json={"keys": [certified]}).text) == [certified["kid"]]


@pytest.mark.parametrize(
    "jwks", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"kty": "EC"}]}', "<html/>", '{"keys": 1}']
)
async def test_a_document_without_usable_keys_counts_as_no_answer(jwks: str) -> None:
    with pytest.raises(KeysUnavailable):
        await _keys_in(jwks)


async def test_keys_are_not_fetched_in_clear_text_where_that_is_forbidden(clock: FixedClock) -> None:
    with pytest.raises(ValueError, match="NOTIFICATIONS_AUTHENTICATION_OPENID_BASE_URL"):
        Authenticator(AuthenticationSettings(), clock, https_only=True)
    with pytest.raises(ValueError, match="NOTIFICATIONS_AUTHENTICATION_CERTIFICATE_URL"):
        Authenticator(AuthenticationSettings(openid_base_url="https://p.example/"), clock, https_only=True)
    settings = AuthenticationSettings(openid_base_url="https://p.example/", certificate_url=None)
    await Authenticator(settings, clock, https_only=True).close()


async def test_a_clear_text_address_in_the_discovery_document_is_not_followed() -> None:
    discovery = httpx.MockTransport(lambda _: httpx.Response(200, text='{"jwks_uri": "http://p.example/jwks"}'))
    async with httpx.AsyncClient(transport=discovery) as http:
        with pytest.raises(KeysUnavailable):
            await OpenIdKeys("https://p.example/", KeyServer(http, https_only=True)).find(None, 0.0)
