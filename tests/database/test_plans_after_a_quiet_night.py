"""Statements that change known rows find them by their keys, also when the planner believes that nothing is pending.

After a quiet night its statistics say so, and they are not renewed before a tenth of a large table has changed. A plan
that reads "the few" pending rows for each batch of a campaign would then read all of them, again and again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.identifiers import new_id
from altinn_notifications.orders import completion
from altinn_notifications.processing import due_orders
from altinn_notifications.sending import attempts, claims, lanes, polling
from support.times import DAY, HOUR, NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from altinn_notifications.database.pool import Database

BATCH = 500
NO = False
FINISHED = 20_000
FILL_NOTIFICATIONS = """
    INSERT INTO notification_states (notification_id, order_id, creator, channel, lane, result, result_time, expiry)
    SELECT gen_random_uuid(), gen_random_uuid(), 'ttd', 'Email', 'email', 'Delivered', $1, $1
    FROM generate_series(1, $2)"""
FILL_ORDERS = """
    INSERT INTO order_states (order_id, creator, status, last_change, requested_send_time)
    SELECT gen_random_uuid(), 'ttd', 'Completed', $1, $1 FROM generate_series(1, $2)"""
PENDING = """
    INSERT INTO notification_states
        (notification_id, order_id, creator, channel, lane, result, result_time, expiry, wake_at, claim_count)
    SELECT id, id, 'ttd', 'Email', 'email', 'Sending', $2, $3, $2, 1 FROM unnest($1::uuid[]) AS u (id)"""
DUE = """
    INSERT INTO order_states (order_id, creator, status, last_change, requested_send_time, wake_at, claim_count)
    SELECT id, 'ttd', 'Processing', $2, $2, $2, 1 FROM unnest($1::uuid[]) AS u (id)"""
ALLOWED = {"notification_states_pkey", "notification_states_by_order", "order_states_pkey", "notifications_pkey"}


@pytest.fixture
async def campaign(db: Database) -> tuple[Database, list[UUID]]:
    """Statistics of a quiet night, and a batch of a campaign that they do not know."""
    await db.execute(FILL_NOTIFICATIONS, NOON, FINISHED)
    await db.execute(FILL_ORDERS, NOON, FINISHED)
    await db.execute("VACUUM ANALYZE notification_states, order_states")
    ids = [new_id() for _ in range(BATCH)]
    await db.execute(PENDING, ids, NOON, NOON + DAY)
    await db.execute(DUE, ids, NOON)
    return db, ids


def many(value: Any) -> list[Any]:
    return [value] * BATCH


def statements(ids: list[UUID]) -> dict[str, tuple[str, list[Any]]]:
    """The statements that are run for every batch, with what they get."""
    later = NOON + HOUR
    return {
        "open": (attempts.OPEN, [ids, many(1), many("smtp"), NOON, later, many("op")]),
        "close": (
            attempts.CLOSE,
            [ids, many(1), many(None), many(None), many(None), many(NO), many(NO), many(None), NOON],
        ),
        "hand back": (claims.HAND_BACK, [ids, many(1), NOON]),
        "put off": (claims.PUT_OFF, [ids, many(1), many(later)]),
        "decide": (lanes.SET_DECIDED, [ids, many(later)]),
        "record polls": (polling.RECORD, [ids, many("op"), many("Succeeded"), many(None), NOON]),
        "polls that came late": (polling.EXPIRED, [ids, NOON]),
        "lock orders": (completion.LOCK_OPEN_ORDERS, [ids]),
        "complete orders": (completion.COMPLETE, [ids, NOON]),
        "end claims": (
            due_orders.END_CLAIMS,
            [ids, many(1), many("Processed"), many(None), many(NO), NOON, many(None)],
        ),
        "renew claims": (due_orders.RENEW, [ids, many(1), 1, later]),
    }


def indexes(plan: Any) -> Iterator[str]:
    """The indexes that a plan reads, and `Seq Scan` where it reads a whole table of ours."""
    if isinstance(plan, list):
        for part in plan:
            yield from indexes(part)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan":
            yield "Seq Scan"
        if "Index Name" in plan:
            yield plan["Index Name"]
        for part in plan.values():
            yield from indexes(part)


@pytest.mark.parametrize("name", statements([]))
async def test_a_batch_is_found_by_its_keys(campaign: tuple[Database, list[UUID]], name: str) -> None:
    db, ids = campaign
    statement, arguments = statements(ids)[name]
    plan = await db.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    plan = json.loads(plan) if isinstance(plan, str) else plan
    assert set(indexes(plan)) <= ALLOWED
