"""Tokens of the local platform, judged by the service's own authenticator over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.settings import AuthenticationSettings
from support.callers import admit, status_of
from support.local_platform import altinn_token, ask, assertion, listening
from support.times import HOUR
from support.tokens import COMPOSED, CREATE, SUPPORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.simulator.tokens import TokenState


@pytest.fixture
async def platform(clock: FixedClock) -> AsyncIterator[TokenState]:
    async with listening(clock) as state:
        yield state


@pytest.fixture
async def http(platform: TokenState) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=platform.base_url) as client:
        yield client


@pytest.fixture
async def service(platform: TokenState, clock: FixedClock) -> AsyncIterator[Authenticator]:
    settings = AuthenticationSettings(
        openid_base_url=platform.openid_issuer,
        certificate_url=f"{platform.base_url}/sim/keys/",
        validate_issuer=True,
    )
    authenticator = Authenticator(settings, clock)
    yield authenticator
    await authenticator.close()


@pytest.mark.parametrize("base64url", [False, True])
async def test_a_quick_token_is_accepted_however_the_keys_are_published(
    service: Authenticator, http: httpx.AsyncClient, platform: TokenState, *, base64url: bool
) -> None:
    platform.base64url = base64url
    token = (await http.get("/api/GetEnterpriseToken", params={"scopes": CREATE})).text
    assert (await admit(service, bearer=token)).creator == "ttd"
    other = (await http.get("/api/GetEnterpriseToken", params={"scopes": CREATE, "org": "annen"})).text
    assert (await admit(service, bearer=other)).creator == "annen"


async def test_the_switch_of_alphabets_is_survived_on_the_way(
    service: Authenticator, http: httpx.AsyncClient, platform: TokenState, clock: FixedClock
) -> None:
    assert (await admit(service, bearer=(await http.get("/api/GetEnterpriseToken")).text)).creator == "ttd"
    platform.base64url = True
    clock.turn(13 * HOUR)
    assert (await admit(service, bearer=(await http.get("/api/GetEnterpriseToken")).text)).creator == "ttd"


@pytest.mark.parametrize(
    ("client_id", "creator"),
    [("sim-client-ttd", "ttd"), ("sim-client-annen", "annen"), ("sim-client-uten-org", None)],
)
async def test_the_practice_clients_reach_the_service_by_the_long_way(
    service: Authenticator, http: httpx.AsyncClient, platform: TokenState, client_id: str, creator: str | None
) -> None:
    token = await altinn_token(http, platform, client_id, f"{CREATE} {COMPOSED} {SUPPORT}")
    for policy in (Policy.CREATE, Policy.COMPOSED, Policy.SUPPORT):
        assert (await admit(service, bearer=token, policy=policy)).creator == creator


async def test_an_unexchanged_token_is_refused(
    service: Authenticator, http: httpx.AsyncClient, platform: TokenState
) -> None:
    token = (await ask(http, assertion(aud=platform.maskinporten.issuer))).json()["access_token"]
    assert await status_of(service, bearer=token) == 401


@pytest.mark.parametrize("issuer", ["ttd", "annen", "skd", "platform"])
async def test_a_platform_token_is_accepted(service: Authenticator, http: httpx.AsyncClient, issuer: str) -> None:
    token = (await http.get("/api/GetPlatformAccessToken", params={"org": issuer, "app": "apps-test"})).text
    assert (await admit(service, platform=token)).creator == issuer


async def test_a_person_is_nobodys_creator(service: Authenticator, http: httpx.AsyncClient) -> None:
    token = (await http.get("/api/GetPersonalToken", params={"scopes": CREATE})).text
    assert (await admit(service, bearer=token)).creator is None


async def test_an_expired_quick_token_is_refused(service: Authenticator, http: httpx.AsyncClient) -> None:
    assert await status_of(service, bearer=(await http.get("/api/GetEnterpriseToken?ttl=-60")).text) == 401


async def test_an_app_token_is_not_signed_with_the_platforms_own_key(http: httpx.AsyncClient) -> None:
    kinds = ("GetEnterpriseToken", "GetPlatformAccessToken", "GetPlatformAccessToken?org=platform")
    names = {jwt.get_unverified_header((await http.get(f"/api/{kind}")).text)["kid"] for kind in kinds}
    assert len(names) == 3
