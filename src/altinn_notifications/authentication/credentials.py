"""Where a request carries its tokens, and what each of them proves (spec 11, 3 and 4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.authentication.certificates import is_issuer_name
from altinn_notifications.authentication.policies import Bearer, PlatformToken, Proof, audit_fields
from altinn_notifications.authentication.tokens import (
    Fault,
    KeysUnavailable,
    RecentTokens,
    SignedToken,
    TokenRefused,
    read,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altinn_notifications.authentication.certificates import Certificates
    from altinn_notifications.authentication.keys import OpenIdKeys
    from altinn_notifications.authentication.tokens import UnverifiedToken

PLATFORM_HEADER: Final = "platformaccesstoken"
ALTINN_COOKIE: Final = ".ALTINNTOKEN"
_CHUNKED: Final = re.compile(r"chunks-([0-9]{1,3})")


def bearer_token(headers: Mapping[str, str], cookie_names: Sequence[str]) -> str | None:
    """The first non-empty token of the Authorization header and the named cookies. Source: spec 11, 3.1."""
    authorization = headers.get("authorization", "")
    if authorization[:7].lower() == "bearer " and (token := authorization[7:].strip()):
        return token
    if not cookie_names or "cookie" not in headers:
        return None
    cookies = _cookies(headers["cookie"])
    return next((token for name in cookie_names if (token := _assembled(cookies, name))), None)


def platform_tokens(scope: Mapping[str, Any], headers: Mapping[str, str]) -> list[str]:
    """Each value of the PlatformAccessToken header, as sent; one empty header is none.

    The raw headers are read because joined values could hide that there were two.
    """
    if not headers.get(PLATFORM_HEADER):
        return []
    name = PLATFORM_HEADER.encode()
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name]


class AltinnTokens:
    """Checks Altinn tokens with the platform's published keys.

    A token that names one of `providers` as its issuer is checked with that provider's keys instead, and by no other's.
    """

    def __init__(
        self, keys: OpenIdKeys, providers: Mapping[str, OpenIdKeys], *, skew: float, validate_issuer: bool
    ) -> None:
        self._keys, self._providers = keys, providers
        self._skew, self._validate_issuer = skew, validate_issuer
        self._recent = RecentTokens[Bearer]()

    async def check(self, encoded: str | None, now: float) -> Bearer:
        """What the token proves at `now` (seconds since 1970)."""
        if encoded is None:
            return _NO_BEARER
        try:
            token, bearer = self._recent.find(encoded, now) or await self._verify(encoded, now)
            token.check_lifetime(now, skew=self._skew)
        except TokenRefused as refused:
            return Bearer(Proof.INVALID, fault=refused.fault, audit=audit_fields(refused.claims))
        except KeysUnavailable:
            return Bearer(Proof.UNCHECKED, fault=Fault.KEYS_UNAVAILABLE)
        return bearer

    async def _verify(self, encoded: str, now: float) -> tuple[SignedToken, Bearer]:
        unverified = read(encoded)
        issuer = unverified.claims.get("iss")
        provider = self._providers.get(issuer) if isinstance(issuer, str) else None
        published, keys = await (provider or self._keys).find(unverified.key_id, now)
        token = verify(unverified, keys)
        if provider is None and self._validate_issuer and token.claims.get("iss") != published.issuer:
            raise TokenRefused(Fault.ISSUER, token.claims)
        bearer = Bearer.valid(token.claims)
        self._recent.remember(encoded, token, bearer, now)
        return token, bearer


class PlatformTokens:
    """Checks platform access tokens with their issuers' certificates."""

    def __init__(self, certificates: Certificates, *, skew: float) -> None:
        self._certificates, self._skew = certificates, skew
        self._recent = RecentTokens[PlatformToken]()

    async def check(self, values: Sequence[str], now: float) -> PlatformToken:
        """What the header's values prove at `now` (seconds since 1970); two of them prove nothing."""
        if not values:
            return _NO_PLATFORM_TOKEN
        if len(values) > 1:
            return PlatformToken(Proof.INVALID, fault=Fault.SEVERAL_VALUES)
        try:
            token, platform = self._recent.find(values[0], now) or await self._verify(values[0], now)
            token.check_lifetime(now, skew=self._skew)
        except TokenRefused as refused:
            return PlatformToken(Proof.INVALID, fault=refused.fault)
        except KeysUnavailable:
            return PlatformToken(Proof.UNCHECKED, fault=Fault.KEYS_UNAVAILABLE)
        return platform

    async def _verify(self, encoded: str, now: float) -> tuple[SignedToken, PlatformToken]:
        unverified = read(encoded)
        issuer, app = unverified.claims.get("iss"), unverified.claims.get("urn:altinn:app")
        if not is_issuer_name(issuer):
            raise TokenRefused(Fault.ISSUER)
        token = await self._signed_by(str(issuer), unverified, now)
        platform = PlatformToken(Proof.VALID, issuer, app if isinstance(app, str) else None)
        self._recent.remember(encoded, token, platform, now)
        return token, platform

    async def _signed_by(self, issuer: str, token: UnverifiedToken, now: float) -> SignedToken:
        known = await self._certificates.find(issuer, now)
        try:
            return verify(token, known)
        except TokenRefused:
            newer = await self._certificates.find_newer(issuer, now) if known else known
            if newer is known:
                raise
            return verify(token, newer)


_NO_BEARER: Final = Bearer(Proof.ABSENT)
_NO_PLATFORM_TOKEN: Final = PlatformToken(Proof.ABSENT)


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _assembled(cookies: Mapping[str, str], name: str) -> str:
    """A cookie's value, put together from its parts if it was too long for one (`chunks-2`, then C1 and C2)."""
    value = cookies.get(name, "")
    chunked = _CHUNKED.fullmatch(value)
    if chunked is None:
        return value
    return "".join(cookies.get(f"{name}C{number}", "") for number in range(1, int(chunked[1]) + 1))
