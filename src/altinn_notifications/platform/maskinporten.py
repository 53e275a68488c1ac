"""Maskinporten: access tokens of our own, by a signed request (RFC 7523; spec 11, 7.1)."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from altinn_notifications.platform.client import Answer
from altinn_notifications.platform.dependencies import Dependency, DependencyFailed

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.clock import Clock
    from altinn_notifications.platform.client import DependencyClient

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFETIME: Final = timedelta(seconds=30)  # Maskinporten allows 120
RENEWED_BEFORE_EXPIRY: Final = timedelta(seconds=5)


class _TokenAnswer(Answer):
    access_token: str
    expires_in: int


@dataclass(frozen=True, slots=True, repr=False)
class MaskinportenIdentity:
    """Who we are to Maskinporten, and what we ask for."""

    issuer: str
    """Maskinporten's own identifier, with the trailing slash: the audience of what we sign."""
    client_id: str
    scope: str
    key_id: str
    key: RSAPrivateKey

    @classmethod
    def of(cls, issuer: str, client_id: str, scope: str, encoded_jwk: str) -> MaskinportenIdentity:
        """With the private key from a JWK in base64. Raises `ValueError` if that is not what it is."""
        wrong = ValueError("this is not a private RSA key with a key id, as a JWK in base64")
        try:
            jwk = jwt.PyJWK.from_json(b64decode(encoded_jwk).decode(), algorithm="RS256")
        except (ValueError, jwt.PyJWTError):
            raise wrong from None
        if not isinstance(jwk.key, RSAPrivateKey) or not jwk.key_id:
            raise wrong
        return cls(issuer.removesuffix("/") + "/", client_id, scope, jwk.key_id, jwk.key)


class MaskinportenTokens:
    """Our access token, fetched when it is needed and kept until five seconds before it expires.

    Everybody who needs one at the same time waits for the same answer, and shares it, be it a failure.
    """

    def __init__(self, client: DependencyClient, identity: MaskinportenIdentity | None, clock: Clock) -> None:
        self._client = client
        self._identity = identity
        self._clock = clock
        self._token = ""
        self._renew_at: datetime | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def token(self) -> str:
        """A token that is valid for at least five more seconds. Raises `DependencyFailed`."""
        if self._renew_at is None or self._clock.now() >= self._renew_at:
            await self._renewed()
        return self._token

    async def token_instead_of(self, refused: str) -> str:
        """Another token than the one that somebody refused, however long it had to live. Raises `DependencyFailed`."""
        if self._token == refused:  # otherwise it was renewed on somebody else's behalf meanwhile
            await self._renewed()
        return self._token

    async def _renewed(self) -> None:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._settled)
        await asyncio.shield(self._renewal)  # one who gives up waiting does not take it from the others

    def _settled(self, renewal: asyncio.Task[None]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # looked at, because everybody who waited may have left

    async def _renew(self) -> None:
        if self._identity is None:
            raise DependencyFailed(Dependency.MASKINPORTEN, "token", "not configured")
        asked_at = self._clock.now()
        form = {"grant_type": GRANT, "assertion": _assertion(self._identity, asked_at)}
        answer = await self._client.ask_form("token", "token", form, _TokenAnswer)
        self._token = answer.access_token
        self._renew_at = asked_at + timedelta(seconds=answer.expires_in) - RENEWED_BEFORE_EXPIRY


def _assertion(identity: MaskinportenIdentity, now: datetime) -> str:
    claims = {
        "aud": identity.issuer,
        "iss": identity.client_id,
        "scope": identity.scope,
        "iat": now,
        "exp": now + ASSERTION_LIFETIME,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, identity.key, algorithm="RS256", headers={"kid": identity.key_id})
