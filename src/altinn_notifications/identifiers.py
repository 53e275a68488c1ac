"""Public ids: random, and in order of creation so that indexes grow at one end (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_COUNTER_BITS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_last_tick = 0


def new_id() -> UUID:
    """A fresh UUIDv7. Within one process each is greater than the one before, whatever the clock does."""
    global _last_tick  # noqa: PLW0603 - the sequence is the process's
    tick = (time.time_ns() // 1_000_000) << _COUNTER_BITS
    _last_tick = tick = max(tick, _last_tick + 1)
    milliseconds, counter = tick >> _COUNTER_BITS, tick & 0xFFF
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | random)


def first_id_at(moment: datetime) -> UUID:
    """The lowest id that `new_id` can make at `moment`, which has a time zone: where ids of that time begin."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=max(0, milliseconds) << 80)
