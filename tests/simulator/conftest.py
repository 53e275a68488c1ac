from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from support.simulator import Running, a_simulator
from support.world import World, a_world

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_world() -> AsyncIterator[World]:
    """One world for the tests of a module."""
    async with a_world() as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(running_world: World) -> World:
    """The module's world as if just made, in the present."""
    await running_world.turn(offsetSeconds=0)
    await running_world.http.post("/sim/reset")
    running_world.service.forget()
    return running_world
