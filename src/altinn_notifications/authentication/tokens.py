"""Signed tokens (JWT): reading them, checking signature and lifetime, remembering which were right."""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHMS: Final = ("RS256", "RS384", "RS512")
REMEMBERED_SECONDS: Final = 60
REMEMBERED_TOKENS: Final = 10_000

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS: Final = jwt.PyJWS(options={"enforce_minimum_key_length": True})

Credential = TypeVar("Credential")


class Fault(StrEnum):
    """Why a token proves nothing; a code of the audit log."""

    MALFORMED = "malformed"
    ALGORITHM = "algorithm-not-allowed"
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "wrong-signature"
    NO_EXPIRY = "no-expiry"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    ISSUER = "issuer-not-accepted"
    SEVERAL_VALUES = "several-values"
    KEYS_UNAVAILABLE = "keys-unavailable"


class TokenRefused(Exception):
    """A token proves nothing. `claims` are those of a rightly signed token and otherwise empty."""

    def __init__(self, fault: Fault, claims: Mapping[str, Any] | None = None) -> None:
        super().__init__(fault.value)
        self.fault, self.claims = fault, claims or {}


class KeysUnavailable(Exception):
    """The keys that a token needs could not be fetched, so nothing is known about it."""


@dataclass(frozen=True, slots=True, repr=False)
class UnverifiedToken:
    """What a token says before anybody has checked its signature."""

    encoded: str
    key_id: str | None
    claims: Mapping[str, Any]

    def __repr__(self) -> str:  # so that no traceback or log line can be replayed
        return "UnverifiedToken(***)"


@dataclass(frozen=True, slots=True)
class SignedToken:
    """The claims of a rightly signed token, and when it is valid in seconds since 1970."""

    claims: Mapping[str, Any]
    not_before: float
    expires: float

    def check_lifetime(self, now: float, *, skew: float) -> None:
        """Raise `TokenRefused` more than `skew` seconds before or after the token's life (spec 11, 3.3)."""
        if self.expires + skew < now:
            raise TokenRefused(Fault.EXPIRED, self.claims)
        if self.not_before > now + skew:
            raise TokenRefused(Fault.NOT_YET_VALID, self.claims)


def read(encoded: str) -> UnverifiedToken:
    """Take a token apart. Raises `TokenRefused` unless it is a JWT with an asymmetric RSA algorithm."""
    if not _COMPACT.fullmatch(encoded):
        raise TokenRefused(Fault.MALFORMED)
    try:
        parts = _JWS.decode_complete(encoded, options={"verify_signature": False})
        claims = json.loads(parts["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused(Fault.MALFORMED) from None
    if not isinstance(claims, dict):
        raise TokenRefused(Fault.MALFORMED)
    if parts["header"].get("alg") not in ALGORITHMS:
        raise TokenRefused(Fault.ALGORITHM)
    return UnverifiedToken(encoded, parts["header"].get("kid"), MappingProxyType(claims))


def verify(token: UnverifiedToken, keys: Sequence[RSAPublicKey]) -> SignedToken:
    """The token's content, if one of `keys` made its signature. Raises `TokenRefused`; says nothing of its lifetime."""
    if not keys:
        raise TokenRefused(Fault.UNKNOWN_KEY)
    if not any(_is_signed_with(key, token.encoded) for key in keys):
        raise TokenRefused(Fault.SIGNATURE)
    claims = token.claims
    if "exp" not in claims:
        raise TokenRefused(Fault.NO_EXPIRY, claims)
    return SignedToken(claims, _moment(claims, "nbf", default=-math.inf), _moment(claims, "exp", default=math.nan))


def is_within(seconds: float, *, since: float, now: float) -> bool:
    """Whether less than `seconds` have passed since a moment. A clock that was turned back ends every such wait."""
    return 0 <= now - since < seconds


def _is_signed_with(key: RSAPublicKey, encoded: str) -> bool:
    try:
        _JWS.decode_complete(encoded, key, algorithms=ALGORITHMS)
    except jwt.PyJWTError:
        return False
    return True


def _moment(claims: Mapping[str, Any], name: str, *, default: float) -> float:
    value = claims.get(name, default)
    if name in claims and (isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value)):
        raise TokenRefused(Fault.MALFORMED, claims)
    return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


class RecentTokens(Generic[Credential]):
    """Tokens whose signature was right a moment ago, so that a caller's next request costs no arithmetic.

    Only digests are kept. A token is forgotten after a minute, which bounds how long a withdrawn key is honoured; its
    lifetime is the caller's to check each time.
    """

    def __init__(self, capacity: int = REMEMBERED_TOKENS) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, tuple[float, SignedToken, Credential]] = OrderedDict()

    def find(self, encoded: str, now: float) -> tuple[SignedToken, Credential] | None:
        """The token as it was verified, unless that is a minute ago."""
        digest = sha256(encoded.encode()).digest()
        entry = self._entries.get(digest)
        if entry is None or not is_within(REMEMBERED_SECONDS, since=entry[0], now=now):
            return None
        self._entries.move_to_end(digest)
        return entry[1], entry[2]

    def remember(self, encoded: str, token: SignedToken, credential: Credential, now: float) -> None:
        """Keep a verified token in place of the one that was asked for longest ago."""
        digest = sha256(encoded.encode()).digest()
        self._entries[digest] = (now, token, credential)
        self._entries.move_to_end(digest)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
