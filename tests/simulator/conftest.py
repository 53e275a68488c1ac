from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from support.simulator import Running, a_simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    """One simulator for the tests of a module."""
    async with a_simulator() as simulator:
        yield simulator


@pytest_asyncio.fixture(loop_scope="module")
async def simulator(running: Running) -> Running:
    """The module's simulator as if just started."""
    await running.reset()
    return running
