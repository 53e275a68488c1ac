"""What the triggers do for those who schedule from outside (spec 07, 7), with a worker at the other end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from altinn_notifications.settings import NotificationSettings
from support.gateway_peer import GatewayPeer, accepted
from support.orders import an_order, an_sms_order, registered
from support.platform_peer import running_peer
from support.rows import a_feed_entry, a_stored_order, a_stored_sms, insert, insert_numbered
from support.running_worker import running_worker
from support.service import API, running_service
from support.smtp_peer import SmtpPeer
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.service import Service

MIDNIGHT = NOON - 12 * HOUR
"""In UTC, which is an hour behind Oslo on this day."""


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayPeer]:
    """The SMS gateway, which takes everything."""
    async with GatewayPeer() as peer:
        peer.otherwise = lambda _: accepted(str(uuid4()))
        yield peer


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpPeer]:
    """The relay, which takes everything."""
    async with SmtpPeer() as peer:
        yield peer


@pytest.fixture
async def worker(database_url: str, clock: FixedClock, gateway: GatewayPeer, smtp: SmtpPeer) -> AsyncIterator[None]:
    """A worker that sleeps until somebody wakes it."""
    async with (
        running_peer() as platform,
        running_worker(database_url, clock, platform=platform, smtp=smtp, gateway=gateway),
    ):
        yield


async def trigger(service: Service, name: str) -> None:
    response = await service.client.post(f"{API}/trigger/{name}")
    assert (response.status_code, response.content) == (200, b"")


async def results(db: Database) -> dict[UUID, str]:
    """The results of all notifications by order, of which each has one."""
    rows = await db.fetch("SELECT order_id, result FROM notification_states")
    return {row["order_id"]: row["result"] for row in rows}


async def how_many(db: Database, result: str) -> int:
    return int(await db.fetchval("SELECT count(*) FROM notification_states WHERE result = $1", result))


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("oslo", "leaves"),
    [(timedelta(hours=8, minutes=59), False), (timedelta(hours=9, minutes=1), True), (timedelta(hours=17), False)],
)
async def test_daytime_sms_are_sent_on_request_only_inside_the_window(
    service: Service, db: Database, clock: FixedClock, oslo: timedelta, *, leaves: bool
) -> None:
    clock.turn(MIDNIGHT + DAY + oslo - HOUR - clock.now())
    times = {"requested_send_time": clock.now(), "created": clock.now()}
    daytime, anytime = await registered(db, an_sms_order(sms_policy=None, **times), an_sms_order(**times))
    await trigger(service, "pastdueorders")
    await trigger(service, "sendsms")
    await trigger(service, "sendsmsdaytime")
    await trigger(service, "sendsmsanytime")
    await until(lambda: _has_result(db, daytime), "the worker may have taken the order before the trigger could")
    await until(lambda: _is(db, anytime, "Accepted"), "the other SMS is sent")
    if leaves:
        await until(lambda: _is(db, daytime, "Accepted"), "the SMS is sent")
    assert (await results(db))[daytime] == ("Accepted" if leaves else "New")


@pytest.mark.usefixtures("worker")
async def test_mail_that_is_asked_for_twice_is_sent_once(service: Service, db: Database, smtp: SmtpPeer) -> None:
    orders = await registered(db, *(an_order() for _ in range(20)))
    await trigger(service, "pastdueorders")
    await asyncio.gather(*(trigger(service, "sendemail") for _ in range(5)))
    await until(lambda: _all_of(db, orders, "Succeeded"), "every mail is sent")
    await trigger(service, "sendemail")
    assert len(smtp.mails) == len(orders)


async def test_one_call_ends_all_that_has_expired_however_many_batches_it_takes(
    service: Service, db: Database, clock: FixedClock
) -> None:
    order = await insert(db, a_stored_order(status="Processed"))
    for place in range(150):
        await insert(db, a_stored_sms(order.id, position=place, result="Accepted", expiry=NOON - 5 * MINUTE))
    await trigger(service, "terminateexpirednotifications")
    assert await how_many(db, "Accepted") == 150  # the grace of five minutes is not over
    clock.turn(SECOND)
    await trigger(service, "terminateexpirednotifications")
    assert await how_many(db, "Failed_TTL") == 150
    assert await db.fetchval("SELECT status FROM order_states") == "Completed"
    assert await db.fetchval("SELECT count(*) FROM notification_log") == 150


async def test_one_call_deletes_one_batch_of_what_is_too_old_in_the_feed(
    database_url: str, db: Database, clock: FixedClock
) -> None:
    ages = (93, 92, 91, 89)
    numbers = [await insert_numbered(db, a_feed_entry(created=NOON - age * DAY)) for age in ages]
    one_at_a_time = NotificationSettings(status_feed_cleanup_batch_size=1)
    async with running_service(database_url, clock, notification=one_at_a_time) as service:
        for kept in (numbers[1:], numbers[2:], numbers[3:], numbers[3:]):
            await trigger(service, "deleteoldstatusfeedrecords")
            rows = await db.fetch("SELECT sequence_number FROM status_feed ORDER BY sequence_number")
            assert [row["sequence_number"] for row in rows] == kept


async def test_one_call_processes_all_that_is_due(service: Service, db: Database) -> None:
    await registered(db, *(an_order() for _ in range(120)))
    await trigger(service, "pastdueorders")
    assert await db.fetchval("SELECT count(*) FROM order_states WHERE status = 'Processed'") == 120


async def test_orders_are_taken_a_minute_ahead_and_no_earlier(service: Service, db: Database) -> None:
    soon, later = await registered(
        db, an_order(requested_send_time=NOON + 45 * SECOND), an_order(requested_send_time=NOON + 90 * SECOND)
    )
    await trigger(service, "pastdueorders")
    rows = await db.fetch("SELECT order_id, status FROM order_states")
    assert {row["order_id"]: row["status"] for row in rows} == {soon: "Processed", later: "Registered"}


async def _has_result(db: Database, order_id: UUID) -> bool:
    return order_id in await results(db)


async def _is(db: Database, order_id: UUID, result: str) -> bool:
    return (await results(db)).get(order_id) == result


async def _all_of(db: Database, order_ids: list[UUID], result: str) -> bool:
    return await results(db) == dict.fromkeys(order_ids, result)
