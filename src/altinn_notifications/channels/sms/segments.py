"""How many SMS a text becomes on the air, which is what is paid for (3GPP TS 23.038 and 23.040).

A character is never cut in two: one that takes two units and would straddle a border begins the next part, so that a
text can need one more part than its length says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_SEGMENTS: Final = 16
"""The gateway sends no more parts than this of one text and drops the rest."""

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS: Final = re.compile(r"\r\n?")
_LAST_OF_ONE_UNIT: Final = "\uffff"  # what comes after it is a pair of surrogates in UTF-16

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


_LIMITS: Final[Mapping[Encoding, tuple[int, int]]] = {
    Encoding.GSM_7BIT: (160, 134),  # this gateway's own parts, smaller than the standard's of 153
    Encoding.UCS_2: (70, 67),
}
"""Units that fit in a single SMS, and in each part of a longer one (spec 10, 11.3)."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What the network makes of a text. `units` are septets in GSM 7-bit and UTF-16 units in UCS-2."""

    encoding: Encoding
    units: int
    segments: int
    is_cut: bool
    """Whether the text is longer than sixteen parts, so that its end is never sent."""


def as_sent(text: str) -> str:
    """`text` as the gateway gets it: without what XML cannot carry, its lines ended by LF. Source: spec 10, 3.3."""
    return _LINE_ENDS.sub("\n", without_control_characters(text))


def without_control_characters(text: str) -> str:
    """`text` without what XML 1.0 cannot carry, not even as a reference. Source: spec 10, 3.3."""
    return _FORBIDDEN.sub("", text)


def is_gsm(text: str) -> bool:
    """Whether every character is in the GSM alphabet. Source: spec 10, 11.3."""
    return _GSM.issuperset(text)


def segments_of(text: str) -> int:
    """How many SMS are sent, and paid for, when `text` is ordered: 1 to 16. Source: spec 10, 11.1 and 11.3."""
    return segmentation(as_sent(text)).segments


def segmentation(text: str) -> Segmentation:
    """How a handset receives `text`. Source: spec 10, 11.3."""
    if is_gsm(text):
        units = len(text) + sum(map(text.count, GSM_EXTENSION))
        return _segmentation(Encoding.GSM_7BIT, text, units, takes_two=GSM_EXTENSION.__contains__)
    units = len(text.encode("utf-16-be", "surrogatepass")) // 2
    return _segmentation(Encoding.UCS_2, text, units, takes_two=_LAST_OF_ONE_UNIT.__lt__)


def _segmentation(encoding: Encoding, text: str, units: int, *, takes_two: Callable[[str], bool]) -> Segmentation:
    single, part = _LIMITS[encoding]
    parts = 1 if units <= single else _parts(text, units, part, takes_two)
    return Segmentation(encoding, units, min(parts, MAX_SEGMENTS), is_cut=parts > MAX_SEGMENTS)


def _parts(text: str, units: int, part: int, takes_two: Callable[[str], bool]) -> int:
    if units == len(text):
        return -(-units // part)
    parts, used = 1, 0
    for character in text:
        size = 1 + takes_two(character)
        used += size
        if used > part:
            parts, used = parts + 1, size
    return parts
