"""A database that hangs with its sockets open: nobody waits for it without end, and all go on when it answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.database import wakeups as waking
from altinn_notifications.database.pool import Database, DatabaseUnavailable
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.settings import DatabaseSettings
from support.database_proxy import database_proxy
from support.gateway_peer import GatewayPeer
from support.orders import an_order, registered, status_of
from support.platform_peer import running_peer
from support.requests import an_order_request
from support.running_worker import running_worker
from support.service import running_service
from support.smtp_peer import SmtpPeer
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.database_proxy import DatabaseProxy

PATIENCE = 0.5
HASTY = DatabaseSettings(pool_size=3, timeout_seconds=PATIENCE)
LONG_ENOUGH = 10
"""Seconds, for a machine that has other things to do; without a limit it would be for ever."""


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[DatabaseProxy]:
    async with database_proxy(database_url) as running:
        yield running


@pytest.fixture
async def hasty(proxy: DatabaseProxy) -> AsyncIterator[Database]:
    """A pool with little patience, through the proxy."""
    database = await Database.connect(proxy.url, pool_size=2, patience=PATIENCE)
    yield database
    proxy.go_on()
    await database.close()


async def test_an_answer_is_not_waited_for_without_end(hasty: Database, proxy: DatabaseProxy) -> None:
    proxy.hang()
    async with asyncio.timeout(LONG_ENOUGH):
        for _ in range(4):  # the first two have a connection that hangs, the others get none
            with pytest.raises(DatabaseUnavailable):
                await hasty.fetchval("SELECT 1")
    proxy.go_on()
    assert await hasty.fetchval("SELECT 1") == 1


async def test_a_transaction_that_is_cut_off_ends_and_keeps_nothing(
    hasty: Database, db: Database, proxy: DatabaseProxy
) -> None:
    async def insert() -> None:
        async with hasty.transaction() as connection:
            await connection.execute("CREATE TABLE kept ()")
            proxy.hang()
            await connection.execute("SELECT 1")

    async with asyncio.timeout(LONG_ENOUGH):
        with pytest.raises(DatabaseUnavailable):
            await insert()
    proxy.go_on()
    await until(lambda: db.fetchval("SELECT to_regclass('kept') IS NULL"), "the transaction is rolled back")


async def test_what_may_rightly_take_long_is_not_cut_off(hasty: Database) -> None:
    started = time.monotonic()
    async with hasty.transaction() as connection:
        await connection.execute("SELECT pg_sleep($1)", 2 * PATIENCE, timeout=LONG_ENOUGH)
    assert time.monotonic() - started >= 2 * PATIENCE
    with pytest.raises(DatabaseUnavailable):
        await hasty.execute("SELECT pg_sleep($1)", 2 * PATIENCE)
    assert await hasty.fetchval("SELECT 1") == 1


async def test_a_connection_is_not_waited_for_without_end(hasty: Database) -> None:
    async with hasty.connection(), hasty.connection():
        with pytest.raises(DatabaseUnavailable):
            await hasty.fetchval("SELECT 1")
    assert await hasty.fetchval("SELECT 1") == 1


async def test_the_api_answers_503_meanwhile_and_takes_orders_afterwards(
    proxy: DatabaseProxy, clock: FixedClock
) -> None:
    async with running_service(proxy.url, clock, database=HASTY) as service:
        assert (await service.order(an_order_request())).status_code == 201
        proxy.hang()
        async with asyncio.timeout(LONG_ENOUGH):
            refused = await service.order(an_order_request())
        proxy.go_on()
        assert refused.status_code == 503
        assert (await service.order(an_order_request())).status_code == 201


async def test_a_worker_goes_on_afterwards(proxy: DatabaseProxy, db: Database, clock: FixedClock) -> None:
    async with (
        SmtpPeer() as smtp,
        GatewayPeer() as gateway,
        running_peer() as platform,
        running_worker(proxy.url, clock, database=HASTY, platform=platform, smtp=smtp, gateway=gateway),
    ):
        (before,) = await registered(db, an_order())
        Wakeups(db).wake(waking.DUE_ORDERS)
        await until(lambda: _is_processed(db, before), "the first order is processed")
        proxy.hang()
        (during,) = await registered(db, an_order())
        Wakeups(db).wake(waking.DUE_ORDERS)
        await asyncio.sleep(3 * PATIENCE)
        assert await status_of(db, during) == "Registered"
        proxy.go_on()
        await until(lambda: _is_processed(db, during), "the order is processed", seconds=20)
        await until(lambda: _are_sent(smtp, 2), "both mails are sent", seconds=20)


async def test_a_listener_notices_that_nobody_will_wake_it_and_listens_again(
    hasty: Database, db: Database, proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "SILENCE_SECONDS", 0.1)
    wakeups = Wakeups(hasty)
    heard = wakeups.subscribe(waking.REPORTS)
    listening = asyncio.create_task(wakeups.listen())
    await asyncio.wait_for(heard.wait(), LONG_ENOUGH)  # by itself, when it begins to listen
    heard.clear()
    await asyncio.sleep(0.3)
    assert not heard.is_set()
    proxy.hang()
    await asyncio.sleep(4 * PATIENCE)
    proxy.go_on()
    await asyncio.wait_for(heard.wait(), LONG_ENOUGH)
    heard.clear()
    await db.execute("SELECT pg_notify($1, $2)", waking.CHANNEL, waking.REPORTS)
    await asyncio.wait_for(heard.wait(), LONG_ENOUGH)
    listening.cancel()


async def _is_processed(db: Database, order_id: object) -> bool:
    return bool(await db.fetchval("SELECT status <> 'Registered' FROM order_states WHERE order_id = $1", order_id))


async def _are_sent(smtp: SmtpPeer, count: int) -> bool:
    return len(smtp.mails) == count
