"""Spec 11, 7.2: a Maskinporten token becomes an Altinn token, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.local_platform import (
    BASE_URL,
    EXCHANGE,
    ask,
    assertion,
    claims_in,
    exchange,
    http_to,
    platform_keys,
    token_state,
)
from support.times import MINUTE, NOON, SECOND
from support.tokens import CREATE, a_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.simulator.keys import SigningKey

T0 = int(NOON.timestamp())


@pytest.fixture
async def http(clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    async with http_to(token_state(clock)) as client:
        yield client


async def _maskinporten_token(http: httpx.AsyncClient, client_id: str = "sim-client-ttd", **claims: Any) -> str:
    token: str = (await ask(http, assertion(client_id, **claims))).json()["access_token"]
    return token


def _signed(key: SigningKey | None = None, **claims: Any) -> str:
    consumer = {"authority": "iso6523-actorid-upis", "ID": "0192:991825827"}
    return (key or platform_keys().maskinporten).sign({"consumer": consumer, "scope": CREATE, "exp": T0 + 60, **claims})


async def test_an_altinn_token_names_the_service_owner(http: httpx.AsyncClient, clock: FixedClock) -> None:
    token = await _maskinporten_token(http)
    clock.turn(MINUTE)
    answer = await exchange(http, token)
    claims, before = claims_in(answer.text), claims_in(token)
    assert (claims["urn:altinn:org"], claims["urn:altinn:orgNumber"]) == ("ttd", "991825827")
    assert (claims["urn:altinn:authenticatemethod"], claims["urn:altinn:authlevel"]) == ("maskinporten", 3)
    assert claims["iss"] == f"{BASE_URL}/authentication/api/v1/openid/"
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (T0 + 60, T0 + 60, T0 + 60 + 1800)
    assert "aud" not in claims
    assert "client_amr" not in claims
    for name in ("scope", "client_id", "consumer", "jti", "token_type"):
        assert claims[name] == before[name]


@pytest.mark.parametrize("query", ["", "?test=true", "?test=false"])
async def test_digdirs_number_is_the_test_departments(http: httpx.AsyncClient, query: str) -> None:
    header = {"Authorization": f"Bearer {await _maskinporten_token(http)}"}
    assert claims_in((await http.get(EXCHANGE + query, headers=header)).text)["urn:altinn:org"] == "ttd"


async def test_an_organisation_off_the_list_gets_a_token_without_a_name(http: httpx.AsyncClient) -> None:
    answer = await exchange(http, await _maskinporten_token(http, "sim-client-uten-org"))
    assert answer.status_code == 200
    claims = claims_in(answer.text)
    assert "urn:altinn:org" not in claims
    assert claims["urn:altinn:orgNumber"] == "319902066"


async def test_without_a_service_owners_scope_the_list_is_not_consulted(http: httpx.AsyncClient) -> None:
    scope = "altinn:notifications.support.admin"
    answer = await exchange(http, await _maskinporten_token(http, scope=scope))
    assert "urn:altinn:org" not in claims_in(answer.text)


async def test_the_token_comes_in_quotes_to_those_who_want_json(http: httpx.AsyncClient) -> None:
    token = await _maskinporten_token(http)
    as_json = await exchange(http, token, Accept="application/json")
    assert as_json.text == f'"{as_json.json()}"'
    assert as_json.headers["content-type"] == "application/json"
    as_text = await exchange(http, token, Accept="text/plain")
    assert as_text.text.startswith("eyJ")


async def test_what_cannot_be_exchanged_says_so(http: httpx.AsyncClient) -> None:
    assert (await http.get(EXCHANGE)).status_code == 401
    assert (await http.get(EXCHANGE, headers={"Authorization": "Basic YTpi"})).status_code == 401
    token = await _maskinporten_token(http)
    header = {"Authorization": f"bearer {token}"}
    base = EXCHANGE.removesuffix("maskinporten")
    assert (await http.get(f"{base}foo", headers=header)).status_code == 400
    assert (await http.get(f"{base}MaskinPorten", headers=header)).status_code == 200
    assert (await http.get(f"{base}id-porten", headers=header)).status_code == 401
    enterprise_user = await exchange(http, token, **{"X-Altinn-EnterpriseUser-Authentication": "x"})
    assert enterprise_user.status_code == 410


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": T0 - 11},
        {"exp": None},
        {"consumer": {"authority": "other", "ID": "0192:991825827"}},
        {"consumer": {"authority": "iso6523-actorid-upis", "ID": "991825827"}},
        {"consumer": "991825827"},
        {"consumer": None},
    ],
)
async def test_only_a_valid_token_of_an_organisation_is_exchanged(
    http: httpx.AsyncClient, claims: dict[str, Any]
) -> None:
    assert (await exchange(http, _signed())).status_code == 200
    assert (await exchange(http, _signed(**claims))).status_code == 401


async def test_only_maskinportens_own_tokens_are_exchanged(http: httpx.AsyncClient) -> None:
    altinn_token = (await exchange(http, _signed())).text
    for token in ("garbage", "a.b.c", _signed(a_key("stranger")), altinn_token):
        assert (await exchange(http, token)).status_code == 401


async def test_a_maskinporten_token_is_exchanged_until_ten_seconds_after_its_expiry(
    http: httpx.AsyncClient, clock: FixedClock
) -> None:
    token = await _maskinporten_token(http)
    clock.turn(130 * SECOND)
    assert (await exchange(http, token)).status_code == 200
    clock.turn(SECOND)
    assert (await exchange(http, token)).status_code == 401


async def test_the_organisation_list_has_the_seeded_owners(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/orgs/altinn-orgs.json")).json()["orgs"]
    numbers = {name: owner["orgnr"] for name, owner in listed.items()}
    assert numbers == {"ttd": "991825827", "annen": "319902325", "skd": "319902198"}
