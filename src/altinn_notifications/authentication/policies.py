"""Which credentials open which endpoint (spec 11, 2, 5 and 6). Pure: credentials come in checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNAUTHENTICATED, FORBIDDEN, UNAVAILABLE = 401, 403, 503


class Policy(Enum):
    """The policies of spec 01, 2. The value is the scope that satisfies it; two are satisfied by something else."""

    NONE = "none"
    CREATE = "altinn:serviceowner/notifications.create"
    COMPOSED = "altinn:serviceowner/notifications.composedemail.create"
    SUPPORT = "altinn:notifications.support.admin"
    END_USER = "altinn:portal/enduser"
    """Unless the settings name another scope."""
    METRICS_KEY = "apikey"
    """The header `X-API-Key`, and no token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as far as verified credentials tell. `creator` is None when no organisation is known."""

    creator: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)


ANONYMOUS: Final = Caller()


class Proof(Enum):
    """What became of a credential: only `VALID` proves anything; `UNCHECKED` means its keys could not be fetched."""

    ABSENT = "absent"
    INVALID = "invalid"
    UNCHECKED = "unchecked"
    VALID = "valid"


@dataclass(frozen=True, slots=True)
class Bearer:
    """The Altinn token of a request. `caller` (whom it makes by itself) and scopes are there only when it is valid.

    `fault` says why it is not, `audit` names issuer and client where the signature vouches for them.
    """

    proof: Proof
    caller: Caller = ANONYMOUS
    scopes: frozenset[str] = frozenset()
    fault: str = ""
    audit: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def valid(cls, claims: Mapping[str, Any]) -> Bearer:
        """The credential that verified `claims` make."""
        caller = Caller(_organisation(claims), claims)
        return cls(Proof.VALID, caller, scopes_of(claims), audit=audit_fields(claims))


@dataclass(frozen=True, slots=True)
class PlatformToken:
    """The platform access token of a request. Issuer and app are there only when it is valid."""

    proof: Proof
    issuer: str | None = None
    app: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status a refused caller sees, and the reason that only the audit log sees."""

    status: int
    reason: str


def decide(policy: Policy, bearer: Bearer, platform: PlatformToken, *, scope: str | None = None) -> Caller | Refusal:
    """Whether these credentials satisfy `policy`, and for whom. `scope` stands in for the policy's own.

    A credential that could not be checked matters only where it could have changed the answer. Source: spec 11, 6.
    """
    if policy is Policy.NONE:
        return ANONYMOUS
    has_scope = (scope or policy.value) in bearer.scopes
    if policy is Policy.CREATE and platform.proof is Proof.VALID:
        return _caller(bearer, platform)
    platform_might_help = policy is Policy.CREATE and platform.proof is Proof.UNCHECKED
    if bearer.proof is Proof.UNCHECKED or (platform_might_help and not has_scope):
        return Refusal(UNAVAILABLE, "keys-unavailable")
    if bearer.proof is not Proof.VALID:
        return Refusal(UNAUTHENTICATED, "not-authenticated")
    if not has_scope:
        return Refusal(FORBIDDEN, "scope-missing")
    return _with_platform_token(bearer, platform)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes a token has: `urn:altinn:scope` hides `scope`; of a list every element counts (spec 11, 3.4)."""
    claim = claims["urn:altinn:scope"] if "urn:altinn:scope" in claims else claims.get("scope")
    texts = claim if isinstance(claim, list) else [claim]
    return frozenset(scope for text in texts if isinstance(text, str) for scope in text.split(" ") if scope)


def audit_fields(claims: Mapping[str, Any]) -> Mapping[str, str]:
    """What the audit log may say about a token whose signature is right: its issuer and client."""
    named = {"issuer": claims.get("iss"), "client_id": claims.get("client_id")}
    return MappingProxyType({name: value for name, value in named.items() if isinstance(value, str)})


def _with_platform_token(bearer: Bearer, platform: PlatformToken) -> Caller | Refusal:
    """The caller that a sufficient bearer makes beside a platform token, which decides whose orders these are."""
    if platform.proof is Proof.UNCHECKED:
        return Refusal(UNAVAILABLE, "keys-unavailable")
    if platform.proof is Proof.INVALID:
        return Refusal(UNAUTHENTICATED, "platform-token-invalid")
    return _caller(bearer, platform)


def _caller(bearer: Bearer, platform: PlatformToken) -> Caller:
    if platform.proof is Proof.VALID:
        return Caller(platform.issuer, bearer.caller.claims)
    return bearer.caller


def _organisation(claims: Mapping[str, Any]) -> str | None:
    """The short name as written; blank counts as missing (spec 11, 5)."""
    name = claims.get("urn:altinn:org")
    return name if isinstance(name, str) and name.strip() else None
