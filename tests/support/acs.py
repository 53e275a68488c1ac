"""Azure Communication Services for tests: an account, and settings to reach a peer that stands for it."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from altinn_notifications.channels.email.acs import AcsProvider
from altinn_notifications.clock import FixedClock
from altinn_notifications.settings import AcsSettings
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import Clock

KEY = b"a key of thirty-two octets or so"


def connection_string(endpoint: str) -> str:
    """An account at `endpoint`."""
    return f"endpoint={endpoint};accesskey={base64.b64encode(KEY).decode()}"


def acs_settings(endpoint: str, **changes: Any) -> AcsSettings:
    """Settings of that account, with quick repeats."""
    secret = SecretStr(connection_string(endpoint))
    return AcsSettings(**{"connection_string": secret, "retry_delay_ms": 1, "timeout_seconds": 5, **changes})


@asynccontextmanager
async def provider_at(endpoint: str, clock: Clock | None = None, **changes: Any) -> AsyncIterator[AcsProvider]:
    """The provider, at noon unless `clock` says otherwise."""
    provider = AcsProvider(acs_settings(endpoint, **changes), clock or FixedClock(NOON))
    yield provider
    await provider.close()
