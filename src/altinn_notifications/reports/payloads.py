"""JSON that came from outside, made fit for a jsonb column."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # NUL and lone surrogates: PostgreSQL's jsonb refuses both
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def storable(value: Any) -> Any:
    """`value` as it was, but for characters and numbers that PostgreSQL cannot hold."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(_REPLACEMENT, value)
    if isinstance(value, dict):
        return {storable(name): storable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [storable(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
