"""A database that is not there yet, and one that goes away while everybody is at work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.database.embedded import EmbeddedServer
from altinn_notifications.database.migrate import migrate
from altinn_notifications.database.pool import Database
from support.deployment import deployment
from support.requests import an_order_request, to_email
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.deployment import Deployment

pytestmark = pytest.mark.slow
ORDERS = 600
AWAY_SECONDS = 5
MARKED = """
    SELECT DISTINCT n.destination FROM events e JOIN notifications n ON n.id = e.notification_id
    WHERE e.kind = 'send-unknown'"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server of the test's own, safe against its death, with a migrated database; it does not run yet."""
    own = EmbeddedServer(tmp_path / "postgresql")
    await asyncio.to_thread(own.start)
    await migrate(await own.ensure_database("notifications"))
    await crash(own)
    yield own
    await asyncio.to_thread(own.stop)


async def crash(server: EmbeddedServer) -> None:
    await asyncio.to_thread(server._control, "stop", "--mode=immediate")


class Clients:
    """Owners' systems: they order one mail after the other and try again what was not taken."""

    def __init__(self, site: Deployment) -> None:
        self._site = site
        self.statuses: list[int] = []
        self.taken = 0

    async def order_everything(self) -> None:
        await asyncio.gather(*(self._order(range(client, ORDERS, 6)) for client in range(6)))

    async def _order(self, numbers: range) -> None:
        for number in numbers:
            body = an_order_request(to_email(f"kari.{number:05}@example.no"))
            while (status := await self._site.order(body)) not in {200, 201}:
                assert status == 503
                self.statuses.append(status)
                await asyncio.sleep(0.1)
            self.statuses.append(status)
            self.taken += 1

    async def have_ordered(self, share: float) -> None:
        async def are_taken() -> bool:
            return self.taken >= share * ORDERS

        await until(are_taken, f"{share:.0%} are ordered", seconds=60)


async def test_an_outage_at_the_start_and_in_the_middle_loses_nothing_and_repeats_only_what_is_marked(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    url = server.url("notifications")
    async with deployment(url, tmp_path) as site, site.reporting():
        site.relay.delay = 0.02
        await site.start("api")
        worker = await site.start("worker")
        clients = Clients(site)
        ordering = asyncio.create_task(clients.order_everything())
        await unavailable(site, clients)
        await asyncio.to_thread(server.start)
        await clients.have_ordered(0.4)
        await crash(server)
        clients.statuses.clear()
        await unavailable(site, clients)
        await asyncio.sleep(AWAY_SECONDS)
        assert await site.status("/health") == 200
        await asyncio.to_thread(server.start)
        await ordering
        assert clients.statuses[-1] == 201
        await everything_arrived_once_or_is_marked(site, url)
        assert await worker.stop() == 0


async def unavailable(site: Deployment, clients: Clients) -> None:
    """Orders are refused as something that passes, and nobody has reason to restart the process."""

    async def are_refused() -> bool:
        return 503 in clients.statuses

    await until(are_refused, "an order is refused", seconds=30)
    assert await site.status("/health") == 200
    assert await site.status("/health/ready") == 503


async def everything_arrived_once_or_is_marked(site: Deployment, url: str) -> None:
    db = await Database.connect(url, pool_size=2)
    try:

        async def is_finished() -> bool:
            return bool(await db.fetchval("SELECT count(*) = $1 FROM order_states WHERE status = 'Completed'", ORDERS))

        await until(is_finished, "every order is completed", seconds=60)
        arrived = site.collect()
        assert len(arrived.mails) == ORDERS
        assert arrived.repeated <= {row["destination"] for row in await db.fetch(MARKED)}
        assert await db.fetchval("SELECT count(*) FROM orders") == ORDERS
        assert await db.fetchval("SELECT count(*) FROM notifications") == ORDERS
    finally:
        await db.close()
