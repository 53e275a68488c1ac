"""A pass of the trigger `pastdueorders` that does not come to its end leaves nothing that others have to wait for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.clock import FixedClock
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.orders.model import Recipient
from altinn_notifications.presence import LOCK_CLASS, SILENCE, Presence
from altinn_notifications.processing.due_orders import claim_due_orders
from altinn_notifications.processing.passes import process_due_orders
from support.deployment import deployment
from support.orders import an_order, registered, status_of
from support.platform_peer import PERSONS, Reply
from support.service import API, running_service
from support.times import HOUR
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from altinn_notifications.database.pool import Database
    from support.platform_peer import PlatformPeer
    from support.service import Service

KARI = Recipient(national_identity_number="12838530255")
BREAK = """
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'going away' USING ERRCODE = '57P01'; END $$;
    CREATE TRIGGER break_off BEFORE INSERT ON notification_states FOR EACH ROW EXECUTE FUNCTION break_off()"""
HOLDERS = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture
async def service(database_url: str, clock: FixedClock, peer: PlatformPeer) -> AsyncIterator[Service]:
    """The application, asking the peer."""
    async with running_service(database_url, clock, platform=peer.settings().platform) as running:
        yield running


async def claimed_by_another(db: Database, now: datetime) -> list[UUID]:
    """What another worker can take at `now`."""
    claims = await claim_due_orders(db, now=now, limit=10, lease_until=now + HOUR, worker=99)
    return [claim.order_id for claim in claims]


async def is_waiting_for_profile(db: Database, peer: PlatformPeer, order_id: UUID) -> bool:
    return bool(peer.calls_to(PERSONS)) and await status_of(db, order_id) == "Processing"


async def test_a_pass_that_is_cancelled_lets_go_of_what_it_held(
    service: Service, db: Database, clock: FixedClock, peer: PlatformPeer
) -> None:
    (order,) = await registered(db, an_order(recipients=(KARI,)))
    peer.answer_next(PERSONS, Reply(silent=True))
    woken = service.services.wakeups.subscribe("due-orders")
    running = asyncio.create_task(process_due_orders(service.services))
    await until(lambda: is_waiting_for_profile(db, peer, order), "the pass waits for Profile")
    assert await claimed_by_another(db, clock.now()) == []
    woken.clear()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert woken.is_set()
    assert await claimed_by_another(db, clock.now()) == [order]


async def test_a_pass_that_fails_lets_go_of_what_it_held(service: Service, db: Database, clock: FixedClock) -> None:
    orders = await registered(db, an_order(), an_order())
    await db.execute(BREAK)
    with pytest.raises(DatabaseUnavailable):
        await process_due_orders(service.services)
    assert set(await claimed_by_another(db, clock.now())) == set(orders)


async def test_a_pass_leaves_nobody_behind_in_the_table_of_workers(service: Service, db: Database) -> None:
    await registered(db, an_order())
    assert await process_due_orders(service.services) == 1
    assert await db.fetchval("SELECT count(*) FROM workers") == 0


@pytest.mark.slow
async def test_what_a_pass_held_when_its_process_died_is_free_after_a_silence(
    database_url: str, db: Database, tmp_path: Path, peer: PlatformPeer
) -> None:
    now = datetime.now(UTC)
    (order,) = await registered(db, an_order(recipients=(KARI,), created=now, requested_send_time=now))
    peer.answer_next(PERSONS, Reply(silent=True))
    async with deployment(database_url, tmp_path) as site:
        site.configure(PLATFORM_PROFILE_BASE_URL=peer.settings().platform.profile_base_url)
        api = await site.start("api")
        trigger = asyncio.create_task(site.status_of_post(f"{API}/trigger/pastdueorders"))
        await until(lambda: is_waiting_for_profile(db, peer, order), "the pass waits for Profile")
        await api.kill()
        assert await trigger == 0
    clock = FixedClock(datetime.now(UTC))
    witness = Presence(db, clock, Wakeups(db), dependencies=dict, providers=dict)
    await until(lambda: nobody_holds_a_number(db), "the server has noticed that the process is gone")
    await witness.register()
    await witness.end_leases_of_the_dead()
    assert await claimed_by_another(db, clock.now()) == []
    clock.turn(SILENCE)
    await witness.end_leases_of_the_dead()
    assert await claimed_by_another(db, clock.now()) == [order]


async def nobody_holds_a_number(db: Database) -> bool:
    return int(await db.fetchval(HOLDERS, LOCK_CLASS)) == 0
