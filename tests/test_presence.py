from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from altinn_notifications.channels.protocol import Deferred, Scope
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.presence import LOCK_CLASS, SILENCE, Presence
from altinn_notifications.processing.due_orders import claim_due_orders
from support.lanes import a_lane, drain
from support.orders import an_order, kinds_of, processed, registered
from support.providers import ScriptedProvider
from support.times import HOUR, MINUTE, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

BUSY = Deferred(Scope.MESSAGE, "450 try later")
HELD = """
    FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""  # the server is shared with tests that run at the same time, and their workers have the same numbers
HOLDERS = "SELECT count(*) = $3 " + HELD
HANG_UP = "SELECT pg_terminate_backend(pid) " + HELD
WORKERS = "SELECT number FROM workers ORDER BY number"


async def a_worker(db: Database, clock: FixedClock) -> Presence:
    presence = Presence(db, clock, Wakeups(db), dependencies=dict, providers=dict)
    await presence.register()
    return presence


async def numbers(db: Database) -> list[int]:
    return [row["number"] for row in await db.fetch(WORKERS)]


async def until_held(db: Database, worker: Presence, times: int = 1) -> None:
    await until(lambda: db.fetchval(HOLDERS, LOCK_CLASS, worker.number, times), f"{times} hold the number")


@asynccontextmanager
async def alive(db: Database, worker: Presence) -> AsyncIterator[None]:
    """The worker holds its number while the block lasts."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    await until_held(db, worker)
    yield
    stop.set()
    await task


async def watch(witness: Presence, clock: FixedClock) -> None:
    """See the others, and again after the silence that is allowed."""
    await witness.end_leases_of_the_dead()
    clock.turn(SILENCE)
    await witness.end_leases_of_the_dead()


async def test_what_a_dead_worker_held_is_free_after_a_silence_that_somebody_watched(
    db: Database, clock: FixedClock
) -> None:
    dead, witness = await a_worker(db, clock), await a_worker(db, clock)
    await processed(db, clock, an_order())
    await registered(db, an_order())
    await a_lane(db, clock, ScriptedProvider("smtp"), worker=dead.number).claim()
    until = clock.now() + HOUR
    assert len(await claim_due_orders(db, now=clock.now(), limit=9, lease_until=until, worker=dead.number)) == 1
    clock.turn(5 * SECOND)
    await watch(witness, clock)
    again = await claim_due_orders(db, now=clock.now(), limit=9, lease_until=until, worker=witness.number)
    assert len(again) == 1
    assert len(await a_lane(db, clock, ScriptedProvider("smtp")).claim()) == 1
    assert await numbers(db) == [witness.number]


async def test_a_worker_that_nobody_has_watched_in_silence_is_not_given_up(db: Database, clock: FixedClock) -> None:
    silent, witness = await a_worker(db, clock), await a_worker(db, clock)
    clock.turn(HOUR)
    await witness.end_leases_of_the_dead()
    assert await numbers(db) == [silent.number, witness.number]
    clock.turn(SILENCE)
    await db.execute("UPDATE workers SET seen = $1 WHERE number = $2", clock.now(), silent.number)
    await witness.end_leases_of_the_dead()
    assert await numbers(db) == [silent.number, witness.number]


async def test_a_worker_that_holds_its_number_is_never_given_up(db: Database, clock: FixedClock) -> None:
    living, witness = await a_worker(db, clock), await a_worker(db, clock)
    async with alive(db, living):
        await watch(witness, clock)
        assert living.number in await numbers(db)


async def test_a_worker_whose_connection_broke_takes_its_number_again(db: Database, clock: FixedClock) -> None:
    worker = await a_worker(db, clock)
    async with alive(db, worker):
        await db.execute(HANG_UP, LOCK_CLASS, worker.number)
        await until_held(db, worker, times=0)
        await db.execute("DELETE FROM workers")
        await until_held(db, worker)
        await until(lambda: numbers(db), "the worker is back in the table")
        assert await numbers(db) == [worker.number]


async def test_a_worker_that_leaves_frees_what_it_holds_and_nothing_that_waits_for_its_time(
    db: Database, clock: FixedClock
) -> None:
    leaver = await a_worker(db, clock)
    order = an_order(recipients=an_order().recipients * 3)
    await processed(db, clock, order)
    lane = a_lane(db, clock, ScriptedProvider("smtp"), worker=leaver.number)
    held, *_ = await lane.claim()
    await db.execute(
        "UPDATE notification_states SET claimed_by = NULL, deferrals = 1, wake_at = $1 WHERE notification_id <> $2",
        clock.now() + MINUTE,
        held[0].notification_id,
    )
    await leaver.leave()
    assert [claim.notification_id for claim, *_ in await lane.claim()] == [held[0].notification_id]
    assert await numbers(db) == []


async def test_a_message_that_waits_for_its_retry_does_not_go_earlier_because_its_worker_died(
    db: Database, clock: FixedClock
) -> None:
    dead, witness = await a_worker(db, clock), await a_worker(db, clock)
    order = an_order()
    await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [BUSY]), worker=dead.number))
    await watch(witness, clock)
    smtp = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, smtp))
    assert smtp.sent == []
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, smtp))
    assert await kinds_of(db, order.id) == ["order-processed", "send-deferred", "send-accepted"]
