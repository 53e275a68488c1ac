from __future__ import annotations

from typing import TYPE_CHECKING

from altinn_notifications.tracking.dependencies import DependencyState, dependency_states
from support.rows import a_stored_order, insert
from support.times import HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database

WORKER = "INSERT INTO workers (started, seen, dependencies) VALUES ($1, $1, $2)"


async def test_a_dependency_answers_only_while_every_living_worker_asks_it(db: Database) -> None:
    await db.execute(WORKER, NOON, {"profile": "closed", "register": "closed"})
    await db.execute(WORKER, NOON, {"profile": "open", "register": "closed"})
    await db.execute(WORKER, NOON - HOUR, {"register": "open"})
    states = await dependency_states(db, seen_since=NOON - 10 * SECOND)
    assert [(state.name, state.answers) for state in states] == [("profile", False), ("register", True)]


async def test_the_orders_that_wait_for_a_dependency_are_counted(db: Database) -> None:
    waiting = {"status": "Processing", "is_retry": True, "wake_at": NOON + MINUTE}
    for minutes in (5, 3):
        order = a_stored_order(**waiting, failing_since=NOON - minutes * MINUTE)
        await insert(db, order)
        await db.execute("UPDATE order_states SET failing_dependency = 'profile' WHERE order_id = $1", order.id)
    await insert(db, a_stored_order())
    states = await dependency_states(db, seen_since=NOON)
    expected = DependencyState("profile", answers=True, waiting_orders=2, failing_since=NOON - 5 * MINUTE)
    assert states == [expected]
