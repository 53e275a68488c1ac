"""DKIM signatures on our mail (RFC 6376), made by dkimpy, which the extra `dkim` installs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from altinn_notifications.channels.email.message import Message
    from altinn_notifications.settings import DkimKey

# From stands twice, so that nobody can put a second one before it (RFC 6376, 8.15).
_SIGNED_FIELDS: Final = (
    b"From",
    b"From",
    b"To",
    b"Subject",
    b"Date",
    b"Message-ID",
    b"X-Notification-Operation-Id",
    b"Auto-Submitted",
    b"MIME-Version",
    b"Content-Type",
    b"Content-Transfer-Encoding",
)


class DkimUnavailable(Exception):
    """Keys are set, and the library that signs with them is not installed, or cannot use one of them."""


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    domain: bytes
    selector: bytes
    pem: bytes


class DkimSigner:
    """Signs mail with the key of its sender's domain, or of the nearest domain above it.

    Raises `DkimUnavailable`. A signature costs some milliseconds of one processor: the library is written in Python.
    """

    def __init__(self, keys: Mapping[str, DkimKey]) -> None:
        self._library = _library()
        self._keys = {
            domain: _Key(domain.encode(), key.selector.encode(), key.key_file.read_bytes())
            for domain, key in ((name.encode("idna").decode(), key) for name, key in keys.items())
        }
        for key in self._keys.values():
            self._try(key)

    def sign(self, message: Message, sender_domain: str) -> Message:
        """`message` with its signature in front; as it is when no key is for `sender_domain`."""
        key = self._key_for(sender_domain)
        if key is None:
            return message
        return replace(message, content=self._signature(message.content, key) + message.content)

    def _key_for(self, domain: str) -> _Key | None:
        while domain:
            if (key := self._keys.get(domain)) is not None:
                return key
            domain = domain.partition(".")[2]
        return None

    def _signature(self, content: bytes, key: _Key) -> bytes:
        fields = list(_SIGNED_FIELDS)
        signature: bytes = self._library.sign(content, key.selector, key.domain, key.pem, include_headers=fields)
        return signature

    def _try(self, key: _Key) -> None:
        """Find out at the start whether the key can be used."""
        try:
            self._signature(b"From: postmaster@%b\r\n\r\n\r\n" % key.domain, key)
        except (self._library.DKIMException, ValueError) as error:
            reason = f"the DKIM key of {key.domain.decode()} cannot be used: {type(error).__name__}"
            raise DkimUnavailable(reason) from None


def _library() -> ModuleType:
    try:
        return import_module("dkim")
    except ModuleNotFoundError:
        raise DkimUnavailable("DKIM keys are set, and dkimpy is missing: install altinn-notifications[dkim]") from None
