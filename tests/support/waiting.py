"""Waiting for something that another task or process does."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Value = TypeVar("Value")
LOOK_SECONDS = 0.02


async def until(condition: Callable[[], Awaitable[Value]], what: str, *, seconds: float = 10) -> Value:
    """Return as soon as the condition gives something true, and that; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if value := await condition():
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(LOOK_SECONDS)
