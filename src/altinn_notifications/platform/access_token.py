"""The platform access token that we show to other parts of the platform (spec 11, 4.1)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import load_pem_x509_certificate

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from altinn_notifications.clock import Clock

HEADER: Final = "PlatformAccessToken"
ISSUER: Final = "platform"
APP: Final = "notifications"
AUDIENCE: Final = "platform.altinn.no"
LIFETIME: Final = timedelta(seconds=300)
BACKDATED: Final = timedelta(seconds=5)
RENEWED_BEFORE_EXPIRY: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key and the fingerprint of its certificate."""

    private_key: RSAPrivateKey
    fingerprint: bytes

    @classmethod
    def read(cls, file: Path) -> SigningKey:
        """The key and certificate of one PEM file. Raises `ValueError` or `OSError` if they are not there."""
        pem = file.read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("the key of platform access tokens must be an RSA key")  # noqa: TRY004 - a wrong setting
        certificate = load_pem_x509_certificate(pem)
        if certificate.public_key() != key.public_key():
            raise ValueError("the key and the certificate of platform access tokens do not belong together")
        return cls(key, certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - x5t is SHA-1 (RFC 7515, 4.1.7)


class AccessTokenIssuer:
    """Makes tokens for ourselves and uses each one until shortly before it expires."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._token = ""
        self._renew_at: datetime | None = None

    def token(self) -> str:
        """A token that is valid for at least five more seconds."""
        now = self._clock.now()
        if self._renew_at is None or now >= self._renew_at:
            self._token = self._issued(now)
            self._renew_at = now + LIFETIME - RENEWED_BEFORE_EXPIRY
        return self._token

    def _issued(self, now: datetime) -> str:
        claims = {
            "iss": ISSUER,
            "urn:altinn:app": APP,
            "aud": AUDIENCE,
            "nbf": now - BACKDATED,
            "iat": now,
            "exp": now + LIFETIME,
        }
        thumbprint = urlsafe_b64encode(self._key.fingerprint).rstrip(b"=").decode()
        headers = {"kid": self._key.fingerprint.hex().upper(), "x5t": thumbprint}
        return jwt.encode(claims, self._key.private_key, algorithm="RS256", headers=headers)
