"""Spec 13, 11: tokens for the asking, and the keys that are published."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography import x509

from altinn_notifications.simulator.keys import SigningKeys
from support.local_platform import BASE_URL, claims_in, http_to, platform_keys, token_state
from support.times import NOON
from support.tokens import COMPOSED, CREATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.simulator.tokens import TokenState

T0 = int(NOON.timestamp())
JWKS = "/authentication/api/v1/openid/.well-known/openid-configuration/jwks"


@pytest.fixture
def state(clock: FixedClock) -> TokenState:
    return token_state(clock)


@pytest.fixture
async def http(state: TokenState) -> AsyncIterator[httpx.AsyncClient]:
    async with http_to(state) as client:
        yield client


async def _claims(http: httpx.AsyncClient, kind: str, **query: str) -> dict[str, Any]:
    answer = await http.get(f"/api/Get{kind}", params=query, auth=("anybody", "anything"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return claims_in(answer.text)


async def test_the_quick_way_in_needs_no_parameters(http: httpx.AsyncClient) -> None:
    claims = await _claims(http, "EnterpriseToken")
    assert (claims["urn:altinn:org"], claims["urn:altinn:orgNumber"], claims["scope"]) == ("ttd", "991825827", CREATE)
    assert (claims["iat"], claims["exp"]) == (T0, T0 + 1800)
    assert claims["iss"] == f"{BASE_URL}/authentication/api/v1/openid/"


@pytest.mark.parametrize("separator", [",", " ", ", "])
async def test_scopes_are_separated_by_commas_or_spaces(http: httpx.AsyncClient, separator: str) -> None:
    claims = await _claims(http, "EnterpriseToken", env="at22", scopes=f"{CREATE}{separator}{COMPOSED}")
    assert claims["scope"] == f"{CREATE} {COMPOSED}"


@pytest.mark.parametrize(
    ("query", "org", "number"),
    [
        ({"org": "annen"}, "annen", "319902325"),
        ({"orgNo": "319902198"}, "skd", "319902198"),
        ({"org": "hei", "orgNo": "313600947"}, "hei", "313600947"),
        ({"org": "hei"}, "hei", "319902066"),
        ({"org": ""}, None, "319902066"),
        ({"orgNo": "319902066"}, None, "319902066"),
    ],
)
async def test_the_organisation_is_chosen_by_name_or_number(
    http: httpx.AsyncClient, query: dict[str, str], org: str | None, number: str
) -> None:
    claims = await _claims(http, "EnterpriseToken", **query)
    assert (claims.get("urn:altinn:org"), claims["urn:altinn:orgNumber"]) == (org, number)


async def test_the_lifetime_is_chosen_in_seconds(http: httpx.AsyncClient) -> None:
    assert (await _claims(http, "EnterpriseToken", ttl="5"))["exp"] == T0 + 5
    assert (await _claims(http, "PersonalToken", ttl="-60"))["exp"] == T0 - 60
    for wrong in ("soon", "1.5", "99999999999", "9" * 5000):
        assert (await http.get("/api/GetEnterpriseToken", params={"ttl": wrong})).status_code == 400


async def test_a_person_has_no_organisation(http: httpx.AsyncClient) -> None:
    claims = await _claims(http, "PersonalToken", userId="20002", partyId="7", pid="22888631252", scopes=CREATE)
    assert "urn:altinn:org" not in claims
    assert (claims["urn:altinn:userid"], claims["urn:altinn:partyid"]) == ("20002", "7")
    assert (claims["pid"], claims["scope"]) == ("22888631252", CREATE)


async def test_an_app_gets_a_platform_token_of_its_owner(http: httpx.AsyncClient) -> None:
    claims = await _claims(http, "PlatformAccessToken", org="skd", app="apps-test")
    assert (claims["iss"], claims["urn:altinn:app"], claims["aud"]) == ("skd", "apps-test", "platform.altinn.no")
    assert (claims["nbf"], claims["iat"], claims["exp"]) == (T0 - 5, T0, T0 + 300)
    assert (await _claims(http, "PlatformAccessToken"))["iss"] == "ttd"
    unknown = await http.get("/api/GetPlatformAccessToken", params={"org": "nobody"})
    assert (unknown.status_code, unknown.text) == (400, "org must be one of annen, platform, skd, ttd\n")


@pytest.mark.parametrize("issuer", ["ttd", "annen", "skd", "platform"])
async def test_every_issuers_certificate_is_published(http: httpx.AsyncClient, issuer: str) -> None:
    answer = await http.get(f"/sim/keys/{issuer}-access-token-public-cert.pem")
    certificate = x509.load_pem_x509_certificate(answer.content)
    assert certificate.public_key() == platform_keys().access_token(issuer).public_key


@pytest.mark.parametrize("issuer", ["nobody", "..", "openid", "TTD"])
async def test_others_have_none(http: httpx.AsyncClient, issuer: str) -> None:
    assert (await http.get(f"/sim/keys/{issuer}-access-token-public-cert.pem")).status_code == 404


async def test_the_discovery_document_leads_to_the_keys(http: httpx.AsyncClient) -> None:
    document = (await http.get("/authentication/api/v1/openid/.well-known/openid-configuration")).json()
    assert document == {
        "issuer": f"{BASE_URL}/authentication/api/v1/openid/",
        "jwks_uri": f"{BASE_URL}{JWKS}",
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
    }


async def test_keys_are_published_in_standard_base64_until_told_otherwise(
    http: httpx.AsyncClient, state: TokenState
) -> None:
    key = (await http.get(JWKS)).json()["keys"][0]
    certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
    modulus = platform_keys().openid.public_key.public_numbers().n
    assert certificate.public_key() == platform_keys().openid.public_key
    assert (key["kty"], key["use"], key["kid"]) == ("RSA", "sig", platform_keys().openid.key_id)
    assert int.from_bytes(base64.b64decode(key["n"], validate=True)) == modulus
    state.base64url = True
    strict = (await http.get(JWKS)).json()["keys"][0]
    assert not set("+/=") & set(strict["n"] + strict["e"])
    assert jwt.PyJWK(strict).key == platform_keys().openid.public_key


async def test_a_token_names_its_key(http: httpx.AsyncClient) -> None:
    header = jwt.get_unverified_header((await http.get("/api/GetEnterpriseToken")).text)
    thumbprint = bytes.fromhex(header["kid"])
    assert header["kid"] == header["kid"].upper()
    assert base64.urlsafe_b64decode(header["x5t"] + "=") == thumbprint


def test_keys_in_a_folder_survive_a_restart_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    before = SigningKeys(NOON, tmp_path / "keys").access_token("platform")
    after = SigningKeys(NOON, tmp_path / "keys").access_token("platform")
    assert after.certificate == before.certificate
    assert before.public_key == after.public_key
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_private_key_does_not_print_itself() -> None:
    assert repr(platform_keys().openid) == f"SigningKey({platform_keys().openid.key_id})"
