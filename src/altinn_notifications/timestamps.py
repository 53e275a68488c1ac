"""Moments as all our answers write them (spec 01, 5)."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def to_wire(moment: datetime) -> str:
    """`moment` in UTC with `Z`; a fraction only if there is one, without trailing zeros.

    Raises `ValueError` if `moment` has no time zone. Source: spec 01, 5.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be told to a client")
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0') if moment.microsecond else text}Z"
