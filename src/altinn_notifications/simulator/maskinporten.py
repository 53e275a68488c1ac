"""The local Maskinporten: a signed assertion in, an access token out (RFC 7523; spec 11, 7.1)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from altinn_notifications.authentication.tokens import ALGORITHMS, TokenRefused, read, verify
from altinn_notifications.simulator.clients import CLIENTS, DELEGATIONS
from altinn_notifications.simulator.keys import CLOCK_SKEW_SECONDS, organisation_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from altinn_notifications.simulator.clients import MaskinportenClient
    from altinn_notifications.simulator.keys import SigningKeys

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUTHORITY: Final = "iso6523-actorid-upis"
LONGEST_ASSERTION_SECONDS: Final = 120
TOKEN_SECONDS: Final = 120
_FAR_FUTURE: Final = 10**12  # nothing beyond it, NaN neither, can be reckoned with as seconds


class GrantRefused(Exception):
    """No token for this request: `error` is OAuth's word, `description` tells a person what to change."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description = error, description


@dataclass(frozen=True, slots=True)
class Assertion:
    """A checked assertion: whose it is, what it says, until when it could be sent again."""

    client: MaskinportenClient
    claims: Mapping[str, Any]
    identity: str
    expires: float


class UsedAssertions:
    """Assertions that were exchanged, remembered as long as they are valid."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def use(self, assertion: Assertion, now: float) -> None:
        """Mark as used. Raises `GrantRefused` the second time."""
        self._until = {identity: until for identity, until in self._until.items() if until >= now}
        if assertion.identity in self._until:
            raise GrantRefused("invalid_grant", "The assertion has been used before; make a new one with its own jti.")
        self._until[assertion.identity] = assertion.expires + CLOCK_SKEW_SECONDS


@dataclass(frozen=True, slots=True)
class Maskinporten:
    """One issuer of access tokens. `issuer` is its identifier, with the last slash."""

    issuer: str
    keys: SigningKeys
    used: UsedAssertions = field(default_factory=UsedAssertions)

    def grant(self, form: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """The answer to a token request at `now`. Raises `GrantRefused`."""
        assertion = check_assertion(_assertion_in(form), self.issuer, self.keys, now)
        claims = _granted_claims(assertion)
        self.used.use(assertion, now.timestamp())
        issued = int(now.timestamp())
        access_token = self.keys.maskinporten.sign(
            {"iss": self.issuer, **claims, "iat": issued, "exp": issued + TOKEN_SECONDS, "jti": str(uuid4())}
        )
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS - 1}
        return {**answer, "scope": claims["scope"]}

    def claims_of(self, token: str, now: datetime) -> Mapping[str, Any]:
        """The claims of one of our access tokens that is valid at `now`. Raises `TokenRefused`."""
        return self.keys.maskinporten.claims_of(token, now)

    def metadata(self) -> dict[str, Any]:
        """The document of RFC 8414."""
        return {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}token",
            "jwks_uri": f"{self.issuer}jwk",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "grant_types_supported": [GRANT_TYPE],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "authorization_details_types_supported": ["urn:altinn:systemuser"],
        }


def check_assertion(encoded: str, issuer: str, keys: SigningKeys, now: datetime) -> Assertion:
    """Who signed the assertion, and that it is meant for `issuer` at `now`. Raises `GrantRefused`."""
    try:
        unverified = read(encoded)
        client = _client(unverified.claims.get("iss"))
        signed = verify(unverified, [_key(jwt.get_unverified_header(encoded), client, keys, now)])
    except TokenRefused as refused:
        raise GrantRefused("invalid_grant", f"The assertion is not accepted: {refused.fault}.") from None
    if signed.claims.get("aud") not in (issuer, [issuer]):
        raise GrantRefused("invalid_grant", f"aud must be {issuer}")
    _check_times(signed.claims.get("iat"), signed.expires, now.timestamp())
    return Assertion(client, signed.claims, _identity(client, signed.claims, encoded), signed.expires)


def _assertion_in(form: Mapping[str, str]) -> str:
    if not form.get("grant_type"):
        raise GrantRefused("invalid_request", "grant_type is missing; the body must be form-urlencoded.")
    if form["grant_type"] != GRANT_TYPE:
        raise GrantRefused("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
    if not form.get("assertion"):
        raise GrantRefused("invalid_request", "assertion is missing.")
    return form["assertion"]


def _client(client_id: object) -> MaskinportenClient:
    if not isinstance(client_id, str) or client_id not in CLIENTS:
        raise GrantRefused("invalid_grant", "iss is not the id of a registered client.")
    return CLIENTS[client_id]


def _key(header: Mapping[str, Any], client: MaskinportenClient, keys: SigningKeys, now: datetime) -> RSAPublicKey:
    if ("kid" in header) == ("x5c" in header):
        raise GrantRefused("invalid_grant", "The header must have exactly one of kid and x5c.")
    if "x5c" in header and not client.has_key:
        return _certified_key(header["x5c"], client, keys, now)
    if "x5c" in header:
        raise GrantRefused("invalid_grant", "kid is mandatory for a client with registered keys.")
    if header["kid"] != client.key_id:
        raise GrantRefused("invalid_grant", "kid is not the id of a key that is registered on the client.")
    return client.signing_key(keys).public_key


def _certified_key(chain: object, client: MaskinportenClient, keys: SigningKeys, now: datetime) -> RSAPublicKey:
    """The key of an enterprise certificate, which the test authority must have issued to the client's organisation."""
    authority = keys.enterprise_authority.certificate
    try:
        leaf, root = (x509.load_der_x509_certificate(base64.b64decode(part)) for part in _texts(chain))
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise GrantRefused(
            "invalid_grant", "x5c must be a certificate of the test authority, then the authority's."
        ) from None
    key = leaf.public_key()
    is_valid = leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc and root == authority
    if not is_valid or organisation_in(leaf) != client.organisation_number or not isinstance(key, RSAPublicKey):
        raise GrantRefused("invalid_grant", "The certificate in x5c is not valid for the client's organisation.")
    return key


def _texts(chain: object) -> list[str]:
    return [part for part in chain if isinstance(part, str)] if isinstance(chain, list) else []


def _check_times(issued: object, expires: float, now: float) -> None:
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not abs(issued) < _FAR_FUTURE:
        raise GrantRefused("invalid_grant", "iat must be a number of seconds since 1970.")
    if abs(now - issued) > CLOCK_SKEW_SECONDS:
        raise GrantRefused("invalid_grant", f"iat is more than {CLOCK_SKEW_SECONDS} seconds from the clock here.")
    if not 0 < expires - issued <= LONGEST_ASSERTION_SECONDS:
        raise GrantRefused("invalid_grant", f"exp must be at most {LONGEST_ASSERTION_SECONDS} seconds after iat.")


def _identity(client: MaskinportenClient, claims: Mapping[str, Any], encoded: str) -> str:
    """What makes an assertion the same again: its `jti`, or without one its whole text."""
    return f"{client.client_id}:{claims.get('jti') or sha256(encoded.encode()).hexdigest()}"


def _granted_claims(assertion: Assertion) -> dict[str, Any]:
    client, claims = assertion.client, assertion.claims
    supplier, consumer = client.organisation_number, claims.get("consumer_org", client.organisation_number)
    is_delegated = "consumer_org" in claims
    allowed = DELEGATIONS.get((str(consumer), supplier), frozenset()) if is_delegated else client.scopes
    granted = {
        "client_amr": "private_key_jwt" if client.has_key else "virksomhetssertifikat",
        "token_type": "Bearer",
        "aud": claims.get("resource", "unspecified"),
        "consumer": _organisation(str(consumer)),
        "scope": _scope(claims.get("scope"), allowed),
        "client_id": client.client_id,
    }
    if is_delegated:
        granted |= {"supplier": _organisation(supplier), "delegation_source": "https://altinn.no/"}
    if "authorization_details" in claims:
        granted["authorization_details"] = _system_user(claims["authorization_details"])
    return granted


def _scope(scope: object, allowed: frozenset[str]) -> str:
    if not isinstance(scope, str) or not scope.split():
        raise GrantRefused("invalid_scope", "scope is missing.")
    if unknown := sorted(set(scope.split()) - allowed):
        raise GrantRefused("invalid_scope", f"Not registered on the client, or not delegated: {' '.join(unknown)}")
    return scope


def _organisation(number: str) -> dict[str, str]:
    return {"authority": AUTHORITY, "ID": f"0192:{number}"}


def _system_user(details: object) -> list[Any]:
    entry = details[0] if isinstance(details, list) and len(details) == 1 else None
    organisation = entry.get("systemuser_org") if isinstance(entry, dict) else None
    if (
        not isinstance(entry, dict)
        or entry.get("type") != "urn:altinn:systemuser"
        or not isinstance(organisation, dict)
    ):
        raise GrantRefused(
            "invalid_request", "authorization_details must be one urn:altinn:systemuser with systemuser_org."
        )
    return [entry]
