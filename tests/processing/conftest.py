"""The platform on a real socket, and the service's clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.platform_peer import connected, encoded_jwk, running_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    """The other side, knowing nobody yet."""
    async with running_peer() as running:
        yield running


@pytest.fixture
async def platform(peer: PlatformPeer) -> AsyncIterator[Platform]:
    """The service's clients, with a Maskinporten client of their own and a short patience."""
    async with connected(peer, maskinporten_jwk=encoded_jwk(), timeout_seconds=0.5) as clients:
        yield clients
