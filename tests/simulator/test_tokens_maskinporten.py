"""Spec 11, 7.1: every check of the token endpoint, and what its tokens say."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from altinn_notifications.simulator.clients import PRACTICE_CLIENTS, SERVICE_CLIENT
from altinn_notifications.simulator.keys import SigningKey
from altinn_notifications.simulator.maskinporten import GRANT_TYPE
from support.local_platform import MASKINPORTEN, ask, assertion, claims_in, http_to, platform_keys, token_state
from support.times import NOON
from support.tokens import COMPOSED, CREATE, a_key, unsigned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock

T0 = int(NOON.timestamp())
CERTIFIED = "sim-client-virksomhetssertifikat"
SYSTEM_USER = {
    "type": "urn:altinn:systemuser",
    "systemuser_org": {"authority": "iso6523-actorid-upis", "ID": "0192:319902325"},
}


@pytest.fixture
async def http(clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    async with http_to(token_state(clock)) as client:
        yield client


async def _refusal(http: httpx.AsyncClient, encoded: str) -> str:
    answer = await ask(http, encoded)
    assert answer.status_code == 400
    assert answer.json()["error_description"]
    error: str = answer.json()["error"]
    return error


async def test_a_signed_assertion_gives_a_token_of_its_clients_organisation(http: httpx.AsyncClient) -> None:
    answer = await ask(http, assertion(scope=f"{CREATE} {COMPOSED}"), client_id="ignored")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 119, f"{CREATE} {COMPOSED}")
    claims = claims_in(body["access_token"])
    assert claims["iss"] == MASKINPORTEN
    assert claims["consumer"] == {"authority": "iso6523-actorid-upis", "ID": "0192:991825827"}
    assert (claims["client_id"], claims["client_amr"]) == ("sim-client-ttd", "private_key_jwt")
    assert (claims["iat"], claims["exp"]) == (T0, T0 + 120)


async def test_its_tokens_verify_with_the_published_key(http: httpx.AsyncClient) -> None:
    metadata = (await http.get("/maskinporten/.well-known/oauth-authorization-server")).json()
    assert (metadata["issuer"], metadata["token_endpoint"]) == (MASKINPORTEN, f"{MASKINPORTEN}token")
    published = jwt.PyJWKSet.from_dict((await http.get(metadata["jwks_uri"])).json())
    token = (await ask(http, assertion())).json()["access_token"]
    key = published[jwt.get_unverified_header(token)["kid"]]
    jwt.decode(token, key, options={"verify_exp": False, "verify_iat": False, "verify_aud": False})


@pytest.mark.parametrize("client", [*PRACTICE_CLIENTS, SERVICE_CLIENT])
async def test_what_the_start_page_shows_of_a_client_is_enough_to_sign_with(
    http: httpx.AsyncClient, client: Any
) -> None:
    shown = json.loads(json.dumps(client.private_jwk(platform_keys())))
    key = jwt.PyJWK(shown).key
    header = {name: shown[name] for name in ("kid", "x5c") if name in shown}
    scope = min(client.scopes)
    claims = {"aud": MASKINPORTEN, "iss": client.client_id, "scope": scope, "iat": T0, "exp": T0 + 10}
    assert (await ask(http, jwt.encode(claims, key, "RS256", headers=header))).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS384", "RS512"])
async def test_longer_digests_are_accepted(http: httpx.AsyncClient, algorithm: str) -> None:
    assert (await ask(http, assertion(algorithm=algorithm))).status_code == 200


@pytest.mark.parametrize(
    ("claims", "passes"),
    [
        ({"exp": T0 + 120}, True),
        ({"exp": T0 + 121}, False),
        ({"exp": T0}, False),
        ({"exp": None}, False),
        ({"exp": "soon"}, False),
        ({"iat": T0 - 10, "exp": T0 + 110}, True),
        ({"iat": T0 - 11, "exp": T0 + 100}, False),
        ({"iat": T0 + 10, "exp": T0 + 100}, True),
        ({"iat": T0 + 11, "exp": T0 + 100}, False),
        ({"iat": T0 - 10, "exp": T0 - 1}, True),
        ({"iat": None}, False),
        ({"iat": True}, False),
        ({"iat": 10**400}, False),
        ({"iat": float("nan")}, False),
        ({"aud": MASKINPORTEN.removesuffix("/")}, False),
        ({"aud": "https://maskinporten.no/"}, False),
        ({"aud": [MASKINPORTEN]}, True),
        ({"aud": None}, False),
    ],
)
async def test_audience_and_times_are_checked(http: httpx.AsyncClient, claims: dict[str, Any], *, passes: bool) -> None:
    answer = await ask(http, assertion(**claims))
    assert answer.status_code == (200 if passes else 400)
    assert passes or answer.json()["error"] == "invalid_grant"


async def test_an_assertion_cannot_be_used_twice(http: httpx.AsyncClient) -> None:
    for first in (assertion(), assertion(jti=None)):
        assert (await ask(http, first)).status_code == 200
        assert await _refusal(http, first) == "invalid_grant"
    reused = [assertion(jti="a", exp=T0 + 60), assertion(jti="a", exp=T0 + 61)]
    assert (await ask(http, reused[0])).status_code == 200
    assert await _refusal(http, reused[1]) == "invalid_grant"
    assert (await ask(http, assertion("sim-client-annen", jti="a"))).status_code == 200


async def test_a_refused_assertion_has_not_been_used(http: httpx.AsyncClient) -> None:
    assert await _refusal(http, assertion(jti="a", scope="unknown:scope")) == "invalid_scope"
    assert (await ask(http, assertion(jti="a"))).status_code == 200


@pytest.mark.parametrize("scope", ["unknown:scope", f"{CREATE} unknown:scope", f"{CREATE}s", "", " ", None, [CREATE]])
async def test_only_registered_scopes_are_granted(http: httpx.AsyncClient, scope: Any) -> None:
    assert await _refusal(http, assertion(scope=scope)) == "invalid_scope"


async def test_the_services_own_client_may_only_ask_conditions(http: httpx.AsyncClient) -> None:
    assert await _refusal(http, assertion("sim-client-notifications")) == "invalid_scope"
    condition = assertion("sim-client-notifications", scope="altinn:system/notifications.condition.check")
    assert (await ask(http, condition)).status_code == 200


async def test_the_signature_must_be_the_registered_keys(http: httpx.AsyncClient) -> None:
    assert await _refusal(http, assertion(key=a_key("stranger"))) == "invalid_grant"
    assert await _refusal(http, assertion(header={"kid": "another"})) == "invalid_grant"
    assert await _refusal(http, assertion(header={})) == "invalid_grant"
    assert await _refusal(http, assertion(iss="nobody")) == "invalid_grant"
    assert await _refusal(http, assertion(iss=None)) == "invalid_grant"
    assert await _refusal(http, assertion("sim-client-annen", iss="sim-client-ttd")) == "invalid_grant"
    assert await _refusal(http, unsigned({"iss": "sim-client-ttd", "iat": T0, "exp": T0 + 1})) == "invalid_grant"
    assert await _refusal(http, "garbage") == "invalid_grant"


def _chain(key: SigningKey) -> dict[str, Any]:
    return {"x5c": [key.x5c, platform_keys().enterprise_authority.x5c]}


async def test_a_client_without_keys_signs_with_its_enterprise_certificate(http: httpx.AsyncClient) -> None:
    own = platform_keys().enterprise("991825827")
    answer = await ask(http, assertion(CERTIFIED, header=_chain(own)))
    assert claims_in(answer.json()["access_token"])["client_amr"] == "virksomhetssertifikat"


async def test_kid_and_certificate_exclude_each_other(http: httpx.AsyncClient) -> None:
    own = platform_keys().enterprise("991825827")
    assert await _refusal(http, assertion(CERTIFIED, header={})) == "invalid_grant"
    assert await _refusal(http, assertion(CERTIFIED, header={**_chain(own), "kid": "x"})) == "invalid_grant"
    assert await _refusal(http, assertion(CERTIFIED, header={"kid": "x"})) == "invalid_grant"
    assert await _refusal(http, assertion("sim-client-ttd", key=own, header=_chain(own))) == "invalid_grant"


async def test_certificates_of_others_are_refused(http: httpx.AsyncClient) -> None:
    keys = platform_keys()
    identifier = x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "NTRNO-991825827")
    own_authority = SigningKey.generate(x509.Name([identifier]), NOON)
    other_organisation = keys.enterprise("319902325")
    expired = SigningKey.generate(x509.Name([identifier]), NOON.replace(year=2000), authority=keys.enterprise_authority)
    for key in (own_authority, other_organisation, expired):
        assert await _refusal(http, assertion(CERTIFIED, key=key, header=_chain(key))) == "invalid_grant"


@pytest.mark.parametrize("chain", [[], ["x"], "x", [1, 2], ["MII=", "MII="], None])
async def test_a_chain_that_is_none_is_refused(http: httpx.AsyncClient, chain: Any) -> None:
    assert await _refusal(http, assertion(CERTIFIED, header={"x5c": chain})) == "invalid_grant"


async def test_the_whole_chain_is_wanted(http: httpx.AsyncClient) -> None:
    own = platform_keys().enterprise("991825827")
    foreign_root = base64.b64encode(a_key("stranger").certificate.public_bytes(Encoding.DER)).decode()
    for chain in ([own.x5c], [own.x5c, foreign_root]):
        assert await _refusal(http, assertion(CERTIFIED, header={"x5c": chain})) == "invalid_grant"


async def test_an_organisation_may_act_for_one_that_has_delegated_the_scope(http: httpx.AsyncClient) -> None:
    token = (await ask(http, assertion(consumer_org="319902325"))).json()["access_token"]
    claims = claims_in(token)
    assert (claims["consumer"]["ID"], claims["supplier"]["ID"]) == ("0192:319902325", "0192:991825827")
    assert claims["delegation_source"]
    assert await _refusal(http, assertion(consumer_org="319902198")) == "invalid_scope"
    assert await _refusal(http, assertion(consumer_org="319902325", scope=COMPOSED)) == "invalid_scope"


async def test_a_resource_becomes_the_audience(http: httpx.AsyncClient) -> None:
    token = (await ask(http, assertion(resource="https://api.example/"))).json()["access_token"]
    assert claims_in(token)["aud"] == "https://api.example/"


async def test_a_system_user_is_carried_over(http: httpx.AsyncClient) -> None:
    token = (await ask(http, assertion(authorization_details=[SYSTEM_USER]))).json()["access_token"]
    assert claims_in(token)["authorization_details"] == [SYSTEM_USER]
    wrongs: list[Any] = [[], [SYSTEM_USER] * 2, {}, [{"type": "other"}], [{**SYSTEM_USER, "systemuser_org": "x"}]]
    for wrong in wrongs:
        assert await _refusal(http, assertion(authorization_details=wrong)) == "invalid_request"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": GRANT_TYPE}, "invalid_request"),
        ({"grant_type": GRANT_TYPE, "assertion": ""}, "invalid_request"),
    ],
)
async def test_the_form_is_checked(http: httpx.AsyncClient, form: dict[str, str], error: str) -> None:
    answer = await http.post("/maskinporten/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
