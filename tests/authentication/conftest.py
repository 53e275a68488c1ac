"""A token issuer on a real socket, and an authenticator that trusts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.authentication.authenticator import Authenticator
from support.tokens import running_issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.tokens import TokenIssuer


@pytest.fixture
async def issuer(clock: FixedClock) -> AsyncIterator[TokenIssuer]:
    """The platform, at noon."""
    async with running_issuer(clock.now()) as running:
        yield running


@pytest.fixture
async def authenticator(issuer: TokenIssuer, clock: FixedClock) -> AsyncIterator[Authenticator]:
    """The service's authenticator with settings as shipped."""
    made = Authenticator(issuer.settings(), clock)
    yield made
    await made.close()
