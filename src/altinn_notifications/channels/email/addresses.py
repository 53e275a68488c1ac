"""Email addresses as they travel: the domain in ASCII, the local part as it is (RFC 5321, RFC 5890, RFC 6531)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ATOMS: Final = r"[^\s\x00-\x20\x7f-\x9f()<>\[\],;:\\\"@]+"
_QUOTED: Final = r"\"[^\"\\\x00-\x1f\x7f-\x9f]+\""
_ADDRESS: Final = re.compile(rf"(?P<local>{_ATOMS}|{_QUOTED})@(?P<domain>[^\s\x00-\x20\x7f-\x9f()<>,;:\\\"@]+)")


class UnusableAddress(ValueError):
    """The address cannot be written in an SMTP command. Its text does not say which one it is."""

    def __init__(self) -> None:
        super().__init__("the address cannot be written in SMTP")


@dataclass(frozen=True, slots=True, repr=False)
class WireAddress:
    """An address that may stand in an SMTP command and in a header."""

    text: bytes
    needs_smtputf8: bool
    """Whether the local part holds letters outside ASCII, which only a server with `SMTPUTF8` can carry."""

    @property
    def domain(self) -> str:
        """The domain as A-labels, in small letters."""
        return self.text.rpartition(b"@")[2].decode().lower()


def wire_address(address: str) -> WireAddress:
    """`address` with its domain as A-labels. Raises `UnusableAddress`.

    Source: spec 09, 8.1.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UnusableAddress
    if address.isascii():
        return WireAddress(address.encode(), needs_smtputf8=False)
    local = match["local"]
    try:
        return WireAddress(b"%b@%b" % (local.encode(), _a_labels(match["domain"])), needs_smtputf8=not local.isascii())
    except UnicodeError:  # a lone surrogate, or a label that IDNA does not know
        raise UnusableAddress from None


def _a_labels(domain: str) -> bytes:
    return domain.encode() if domain.isascii() else domain.encode("idna")
