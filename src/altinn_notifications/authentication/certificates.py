"""The certificates that platform access tokens are signed with, by issuer (spec 11, 4.2)."""

from __future__ import annotations

import asyncio
import base64
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakValueDictionary

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from altinn_notifications.authentication.keys import ASK_AGAIN_SECONDS
from altinn_notifications.authentication.tokens import KeysUnavailable, is_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from altinn_notifications.authentication.keys import KeyServer

UNKNOWN_ISSUER_SECONDS: Final = 60
REMEMBERED_ISSUERS: Final = 1_000
_ISSUER_NAME: Final = re.compile(r"[a-z0-9-]{1,50}")

log = structlog.get_logger()


def is_issuer_name(text: object) -> bool:
    """Whether this may become part of a file name or address; nothing else is ever looked up."""
    return isinstance(text, str) and _ISSUER_NAME.fullmatch(text) is not None


class CertificateSource(Protocol):
    """A place where certificates are kept by issuer."""

    async def read(self, issuer: str, now: float) -> bytes | None:
        """The issuer's certificates as PEM or DER, or None. Raises `KeysUnavailable`."""


class CertificateFolder:
    """Files in a folder, such as a mounted volume of secrets."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ValueError(f"certificate_directory {folder} is not a folder")
        self._folder = folder

    async def read(self, issuer: str, now: float) -> bytes | None:  # noqa: ARG002 - a folder needs no pause
        """The content of the issuer's file."""
        try:
            return await asyncio.to_thread((self._folder / file_name(issuer)).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("certificate_not_read", issuer=issuer, error=type(error).__name__)
            raise KeysUnavailable from error


class ConfiguredCertificates:
    """Certificates given in the settings. Raises `ValueError` for one that is not a certificate."""

    def __init__(self, certificates: Mapping[str, str]) -> None:
        self._certificates = {issuer: text.encode() for issuer, text in certificates.items()}
        for issuer, content in self._certificates.items():
            if not parse_certificates(content):
                raise ValueError(f"certificates has no RSA certificate for {issuer}")

    async def read(self, issuer: str, now: float) -> bytes | None:  # noqa: ARG002 - settings need no pause
        """The issuer's configured certificate."""
        return self._certificates.get(issuer)


class CertificateServer:
    """The same files over HTTP."""

    def __init__(self, base_url: str, server: KeyServer) -> None:
        self._base_url, self._server = base_url.removesuffix("/"), server

    async def read(self, issuer: str, now: float) -> bytes | None:
        """The issuer's file, or None if the server has none."""
        return await self._server.get(f"{self._base_url}/{file_name(issuer)}", now)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An issuer's keys. `asked_again_at` is when a token last made us doubt that they are all."""

    keys: tuple[RSAPublicKey, ...]
    fetched_at: float
    asked_again_at: float = float("-inf")


class Certificates:
    """The keys of every issuer: the first source that has a certificate counts, and its answer is remembered."""

    def __init__(self, sources: Sequence[CertificateSource], cache_seconds: float) -> None:
        self._sources, self._cache_seconds = sources, cache_seconds
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, issuer: str, now: float) -> tuple[RSAPublicKey, ...]:
        """The issuer's keys, none if it has no certificate. Raises `KeysUnavailable`."""
        entry = self._entries.get(issuer)
        if entry is not None and is_within(self._lasts(entry), since=entry.fetched_at, now=now):
            return entry.keys
        try:
            return (await self._newer_than(entry, issuer, now)).keys
        except KeysUnavailable:
            if entry is None or not entry.keys:
                raise
            return entry.keys  # a source that is down has not withdrawn anything

    async def find_newer(self, issuer: str, now: float) -> tuple[RSAPublicKey, ...]:
        """The issuer's keys after a rotation; asked for at most every five minutes. Raises `KeysUnavailable`."""
        entry = self._entries[issuer]
        if is_within(ASK_AGAIN_SECONDS, since=entry.asked_again_at, now=now):
            return entry.keys
        newer = await self._newer_than(entry, issuer, now)
        self._remember(issuer, replace(newer, asked_again_at=now))
        return newer.keys

    def _lasts(self, entry: _Entry) -> float:
        return self._cache_seconds if entry.keys else min(UNKNOWN_ISSUER_SECONDS, self._cache_seconds)

    async def _newer_than(self, seen: _Entry | None, issuer: str, now: float) -> _Entry:
        """Ask the sources, unless another request did while this one waited for its turn."""
        async with self._locks.setdefault(issuer, asyncio.Lock()):
            entry = self._entries.get(issuer)
            if entry is None or entry is seen:
                entry = _Entry(await self._fetch(issuer, now), now)
                self._remember(issuer, entry)
            return entry

    async def _fetch(self, issuer: str, now: float) -> tuple[RSAPublicKey, ...]:
        for source in self._sources:
            if content := await source.read(issuer, now):
                return _usable(content, issuer)
        return ()

    def _remember(self, issuer: str, entry: _Entry) -> None:
        self._entries[issuer] = entry
        self._entries.move_to_end(issuer)
        if len(self._entries) > REMEMBERED_ISSUERS:
            self._entries.popitem(last=False)


def file_name(issuer: str) -> str:
    """The name under which an issuer's certificates are published."""
    return f"{issuer}-access-token-public-cert.pem"


def parse_certificates(content: bytes) -> tuple[RSAPublicKey, ...]:
    """The RSA keys of certificates in PEM, in DER, or in base64 as key vaults hold it. Empty if unreadable."""
    try:
        keys = [certificate.public_key() for certificate in _certificates(content)]
    except ValueError:
        return ()
    return tuple(key for key in keys if isinstance(key, RSAPublicKey))


def _certificates(content: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN" in content:
        return x509.load_pem_x509_certificates(content)
    is_der = content.startswith(b"\x30")
    return [x509.load_der_x509_certificate(content if is_der else base64.b64decode(content))]


def _usable(content: bytes, issuer: str) -> tuple[RSAPublicKey, ...]:
    keys = parse_certificates(content)
    if not keys:
        log.error("certificate_unreadable", issuer=issuer)
    return keys
