"""The local platform's key pairs: made when first needed, kept for the life of the process or in a folder."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from altinn_notifications.authentication.tokens import read, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

KEY_BITS: Final = 2048
CLOCK_SKEW_SECONDS: Final = 10
_VALID_BEFORE: Final = timedelta(days=365)  # so that a clock turned back does not find certificates of the future
_VALID_AFTER: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An RSA key pair and the certificate of its public half."""

    private_key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:  # so that no traceback shows a private key
        return f"SigningKey({self.key_id})"

    @classmethod
    def generate(cls, subject: x509.Name, made_at: datetime, *, authority: SigningKey | None = None) -> SigningKey:
        """A new key pair, certified by `authority` or by itself."""
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.certificate.subject if authority else subject)
            .public_key(private_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(made_at - _VALID_BEFORE)
            .not_valid_after(made_at + _VALID_AFTER)
        )
        return cls(private_key, builder.sign(authority.private_key if authority else private_key, hashes.SHA256()))

    @classmethod
    def read(cls, file: Path) -> SigningKey:
        """The pair that `write` left in a file. Raises `ValueError` or `OSError` if it is not there."""
        pem = file.read_bytes()
        private_key = load_pem_private_key(pem, password=None)
        if not isinstance(private_key, rsa.RSAPrivateKey):
            raise ValueError(f"{file} holds no RSA key")  # noqa: TRY004 - the content is wrong, not a type of ours
        return cls(private_key, x509.load_pem_x509_certificate(pem))

    def write(self, file: Path) -> None:
        """Keep private key and certificate in one PEM file that only its owner may read."""
        private_pem = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            output.write(private_pem + self.certificate_pem)

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        """The public half."""
        return self.private_key.public_key()

    @property
    def key_id(self) -> str:
        """The certificate's SHA-1 thumbprint as upper-case hex, which is the platform's `kid` (spec 11, 3.2)."""
        return self._thumbprint.hex().upper()

    @property
    def _thumbprint(self) -> bytes:
        return self.certificate.fingerprint(hashes.SHA1())  # noqa: S303 - JOSE defines x5t as SHA-1; it names, nothing more

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as a PEM file."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def x5c(self) -> str:
        """The certificate as an element of `x5c`: standard base64 of its DER form."""
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, signed as the platform signs."""
        x5t = base64.urlsafe_b64encode(self._thumbprint).rstrip(b"=").decode()
        return jwt.encode(dict(claims), self.private_key, "RS256", headers={"kid": self.key_id, "x5t": x5t})

    def claims_of(self, encoded: str, now: datetime) -> Mapping[str, Any]:
        """The claims of a token that this key signed and that is valid at `now`. Raises `TokenRefused`."""
        token = verify(read(encoded), [self.public_key])
        token.check_lifetime(now.timestamp(), skew=CLOCK_SKEW_SECONDS)
        return token.claims

    def public_jwk(self, *, base64url: bool) -> dict[str, Any]:
        """The public half as the platform publishes it: numbers in standard base64, or in `base64url` if told so."""
        numbers = self.public_key.public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.key_id,
            "e": _encoded(numbers.e, base64url=base64url),
            "n": _encoded(numbers.n, base64url=base64url),
            "x5c": [self.x5c],
        }

    def private_jwk(self) -> dict[str, Any]:
        """The whole pair, for somebody who is to sign with it."""
        return {**jwt.algorithms.RSAAlgorithm.to_jwk(self.private_key, as_dict=True), "alg": "RS256"}


class SigningKeys:
    """Every key pair of one local platform, by what it is for.

    With a `folder` they are found again after a restart, and the service can be given those that it signs with itself.
    """

    def __init__(self, made_at: datetime, folder: Path | None = None) -> None:
        self._made_at, self._folder = made_at, folder
        self._keys: dict[str, SigningKey] = {}

    @property
    def openid(self) -> SigningKey:
        """Signs Altinn tokens."""
        return self._key("platform.altinn.localhost")

    @property
    def maskinporten(self) -> SigningKey:
        """Signs Maskinporten tokens."""
        return self._key("maskinporten.localhost")

    @property
    def enterprise_authority(self) -> SigningKey:
        """Certifies organisations: the only authority whose enterprise certificates the local Maskinporten knows."""
        return self._key("enterprise-authority.localhost")

    def access_token(self, issuer: str) -> SigningKey:
        """Signs platform access tokens of an issuer."""
        return self._key(f"{issuer}.apps.altinn.localhost")

    def access_token_file(self, issuer: str) -> Path:
        """The file with `access_token(issuer)`, for a process that is to sign as the issuer. Needs a folder."""
        self.access_token(issuer)
        return self._file(f"{issuer}.apps.altinn.localhost")

    def client(self, client_id: str) -> SigningKey:
        """The key that a Maskinporten client signs with."""
        return self._key(f"{client_id}.clients.localhost")

    def enterprise(self, organisation_number: str) -> SigningKey:
        """An organisation's enterprise certificate, issued by `enterprise_authority`."""
        identifier = x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{organisation_number}")
        return self._key(f"{organisation_number}.localhost", identifier, authority=self.enterprise_authority)

    def _key(self, name: str, *more: x509.NameAttribute[str], authority: SigningKey | None = None) -> SigningKey:
        if name not in self._keys:
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *more])
            self._keys[name] = self._kept(name) or self._made(name, subject, authority)
        return self._keys[name]

    def _kept(self, name: str) -> SigningKey | None:
        if self._folder is None or not self._file(name).exists():
            return None
        return SigningKey.read(self._file(name))

    def _made(self, name: str, subject: x509.Name, authority: SigningKey | None) -> SigningKey:
        key = SigningKey.generate(subject, self._made_at, authority=authority)
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            key.write(self._file(name))
        return key

    def _file(self, name: str) -> Path:
        if self._folder is None:
            raise ValueError("these keys are kept in no folder")
        return self._folder / f"{name}.pem"


def organisation_in(certificate: x509.Certificate) -> str | None:
    """The organisation number of an enterprise certificate."""
    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
    return str(found[0].value).removeprefix("NTRNO-") if found else None


def _encoded(number: int, *, base64url: bool) -> str:
    content = number.to_bytes((number.bit_length() + 7) // 8)
    if base64url:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    return base64.b64encode(content).decode()
