"""The platform's signing keys, found through its OpenID discovery document and remembered (spec 11, 3.2)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from pydantic import BaseModel

from altinn_notifications.authentication.tokens import KeysUnavailable, is_within

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS_LAST_SECONDS: Final = 12 * 3600
ASK_AGAIN_SECONDS: Final = 300
PAUSE_SECONDS: Final = 2
TIMEOUT_SECONDS: Final = 5

log = structlog.get_logger()


def discovery_url(base_url: str) -> str:
    """Where an OpenID provider publishes what it is, as far as it follows the standard."""
    return f"{base_url.removesuffix('/')}/.well-known/openid-configuration"


class KeyServer:
    """Fetches what others publish about their keys; after a failure it leaves them alone for two seconds."""

    def __init__(self, http: httpx.AsyncClient, *, https_only: bool) -> None:
        self._http, self._https_only = http, https_only
        self._failed_at = float("-inf")

    async def get(self, url: str, now: float) -> bytes | None:
        """The document at `url`, or None for 404. Raises `KeysUnavailable`."""
        if is_within(PAUSE_SECONDS, since=self._failed_at, now=now):
            raise KeysUnavailable
        try:
            return await self._fetch(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._failed_at = now
            log.warning("keys_not_fetched", url=url, error=type(error).__name__)
            raise KeysUnavailable from error

    async def _fetch(self, url: str) -> bytes | None:
        if self._https_only and not url.startswith("https://"):
            raise httpx.UnsupportedProtocol("keys are fetched over https only")
        response = await self._http.get(url, timeout=TIMEOUT_SECONDS)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return response.raise_for_status().content


class _Discovery(BaseModel):
    """The part of a discovery document that matters."""

    issuer: str | None = None
    jwks_uri: str


class _Jwk(BaseModel):
    """One published key; what is not RSA is passed over."""

    kty: str = ""
    use: str | None = None
    kid: str | None = None
    n: str = ""
    e: str = ""
    x5c: list[str] = []


class _JwkSet(BaseModel):
    keys: list[_Jwk]


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What an OpenID provider published when it was last asked."""

    issuer: str | None
    keys: tuple[tuple[str | None, RSAPublicKey], ...]
    fetched_at: float

    def named(self, key_id: str | None) -> tuple[RSAPublicKey, ...]:
        """The keys that may have signed a token with this `kid`; all of them when it names none."""
        return tuple(key for name, key in self.keys if key_id is None or name == key_id)


class OpenIdKeys:
    """The keys of one OpenID provider: asked for every twelve hours, and at once when a token names an unknown one."""

    def __init__(self, discovery_url: str, server: KeyServer) -> None:
        self._discovery_url = discovery_url
        self._server = server
        self._published: PublishedKeys | None = None
        self._asked_again_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None, now: float) -> tuple[PublishedKeys, tuple[RSAPublicKey, ...]]:
        """What the provider publishes and, of that, the keys for `key_id`, if any. Raises `KeysUnavailable`.

        An unknown key is asked for at most every five minutes. Source: spec 11, 3.2.
        """
        published = await self._current(now)
        keys = published.named(key_id)
        if not keys and not is_within(ASK_AGAIN_SECONDS, since=self._asked_again_at, now=now):
            published = await self._newer_than(published, now)
            self._asked_again_at = now
            keys = published.named(key_id)
        return published, keys

    async def _current(self, now: float) -> PublishedKeys:
        published = self._published
        if published and is_within(KEYS_LAST_SECONDS, since=published.fetched_at, now=now):
            return published
        try:
            return await self._newer_than(published, now)
        except KeysUnavailable:
            if published is None:
                raise
            return published  # old keys are better than refusing everybody while the provider is down

    async def _newer_than(self, seen: PublishedKeys | None, now: float) -> PublishedKeys:
        """Fetch, unless another request did while this one waited for its turn."""
        async with self._lock:
            if self._published is None or self._published is seen:
                self._published = await self._fetch(now)
            return self._published

    async def _fetch(self, now: float) -> PublishedKeys:
        try:
            discovery = _Discovery.model_validate_json(await self._server.get(self._discovery_url, now) or b"")
            published = _JwkSet.model_validate_json(await self._server.get(discovery.jwks_uri, now) or b"")
        except ValueError as error:
            log.warning("keys_not_understood", url=self._discovery_url)
            raise KeysUnavailable from error
        keys = tuple((jwk.kid, key) for jwk in published.keys if (key := _public_key(jwk)) is not None)
        if not keys:
            log.warning("keys_not_understood", url=self._discovery_url)
            raise KeysUnavailable
        log.info("keys_fetched", url=self._discovery_url, key_ids=[name for name, _ in keys])
        return PublishedKeys(discovery.issuer, keys, now)


def _public_key(jwk: _Jwk) -> RSAPublicKey | None:
    if jwk.kty != "RSA" or jwk.use not in (None, "sig"):
        return None
    try:
        return RSAPublicNumbers(_number(jwk.e), _number(jwk.n)).public_key()
    except ValueError:
        return _certified_key(jwk.x5c)


def _certified_key(chain: Sequence[str]) -> RSAPublicKey | None:
    try:
        key = x509.load_der_x509_certificate(base64.b64decode(chain[0])).public_key() if chain else None
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey):
        log.warning("key_not_understood")
        return None
    return key


def _number(text: str) -> int:
    """A key's number in either base64 alphabet, as RFC 7518 asks for one and the platform publishes the other.

    Raises `ValueError`.
    """
    unpadded = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return int.from_bytes(base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), altchars=b"-_", validate=True))
    except binascii.Error as error:
        raise ValueError(text) from error
