"""How many SMS a text is counted as (spec 10, 11.2)."""

from __future__ import annotations

from typing import Final

_MAX_SEGMENTS: Final = 16
_SINGLE: Final = 160
_PART: Final = 134
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!*() ")


def counted_segments(text: str) -> int:
    """The number of messages by the documented rule, which measures the form-encoded text and so overstates.

    Source: spec 10, 11.2.
    """
    length = sum(1 if byte in _PLAIN else 3 for byte in text.encode())
    return 1 if length <= _SINGLE else min(-(-length // _PART), _MAX_SEGMENTS)
