"""How many messages a text becomes: as the documentation counts them, and as a handset receives them.

The two differ on purpose. The counted number is what statistics have always shown; it overstates texts with commas or
national letters. The real segments are for people who look at one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_SEGMENTS: Final = 16
"""The gateway sends no more parts than this of one text and drops the rest."""

_SINGLE: Final = 160
_PART: Final = 134  # this gateway's own, lower than the 153 of GSM 03.38
_UCS2_SINGLE: Final = 70
_UCS2_PART: Final = 67

_COUNTED_AS_ONE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!*() "

GSM_BASIC: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n\r"
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà"
)
"""The GSM 7-bit alphabet's basic set: one unit each (3GPP TS 23.038)."""

GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""The extension set: an escape and a character, so two units each."""

_GSM: Final = GSM_BASIC | GSM_EXTENSION


class Encoding(StrEnum):
    """How a text travels over the air."""

    GSM_7BIT = "GSM 7-bit"
    UCS_2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What the network makes of a text. `units` are septets in GSM 7-bit and UTF-16 units in UCS-2."""

    encoding: Encoding
    units: int
    segments: int
    is_cut: bool
    """Whether the text is longer than sixteen parts, so that its end is never sent."""


def counted_segments(text: str) -> int:
    """The number of messages a text is counted as, 1 to 16, from its URL-encoded length.

    Source: spec 10, 11.2.
    """
    data = text.encode("utf-8", "surrogatepass")
    escaped = len(data.translate(None, delete=_COUNTED_AS_ONE))
    return min(_parts(len(data) + 2 * escaped, _SINGLE, _PART), MAX_SEGMENTS)


def is_gsm(text: str) -> bool:
    """Whether every character is in the GSM alphabet. Source: spec 10, 11.3."""
    return _GSM.issuperset(text)


def segmentation(text: str) -> Segmentation:
    """How a handset receives `text`. Source: spec 10, 11.3."""
    if is_gsm(text):
        units = len(text) + sum(map(text.count, GSM_EXTENSION))
        return _segmentation(Encoding.GSM_7BIT, units, _parts(units, _SINGLE, _PART))
    units = len(text.encode("utf-16-be", "surrogatepass")) // 2
    return _segmentation(Encoding.UCS_2, units, _parts(units, _UCS2_SINGLE, _UCS2_PART))


def _segmentation(encoding: Encoding, units: int, parts: int) -> Segmentation:
    return Segmentation(encoding, units, min(parts, MAX_SEGMENTS), is_cut=parts > MAX_SEGMENTS)


def _parts(units: int, single: int, part: int) -> int:
    return 1 if units <= single else -(-units // part)
