"""Providers on real sockets that give a message another's name: counted, nothing lost, nothing repeated unexplained.

Source: spec 08, 10.4 and 11.1; spec 09, 3.1; spec 10, 5.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY

from altinn_notifications.channels.sms.link import LinkProvider
from altinn_notifications.lifecycle import Channel
from altinn_notifications.reports.inbox import store_within
from altinn_notifications.reports.matching import match_due
from altinn_notifications.reports.model import DeliveryReport, ReportSource
from altinn_notifications.sending.polling import Poller
from altinn_notifications.sending.termination import terminate_expired
from altinn_notifications.sending.waiting import list_waiting, send_now
from altinn_notifications.settings import SmsSettings
from support.acs import AcsPeer, an_acs_peer, provider_at
from support.gateway_peer import Answer, GatewayPeer, accepted, answered
from support.lanes import a_lane, drain
from support.orders import an_order, an_sms_order, feed_of, kinds_of, processed, result_of, status_of
from support.times import DAY, HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import Order

REFERENCE = "SELECT provider_reference FROM notification_states WHERE notification_id = $1"
DEAD = "SELECT reason FROM dead_delivery_reports"


@asynccontextmanager
async def link_to(gateway: GatewayPeer) -> AsyncIterator[Any]:
    provider = LinkProvider(SmsSettings(gateway_endpoint=gateway.url, gateway_timeout_seconds=5))
    yield provider
    await provider.close()


async def send_sms(db: Database, clock: FixedClock, gateway: GatewayPeer, *answers: Answer) -> list[Order]:
    """One order for each answer that the gateway gives; each is sent, and its outcome stored, before the next."""
    orders = [an_sms_order() for _ in answers]
    for order, answer in zip(orders, answers, strict=True):
        await processed(db, clock, order)
        gateway.next(answer)
        await again(db, clock, gateway)
    return orders


async def again(db: Database, clock: FixedClock, gateway: GatewayPeer) -> None:
    async with link_to(gateway) as link:
        await drain(a_lane(db, clock, link, "sms-anytime", concurrency=1))


async def message_of(db: Database, order: Order) -> UUID:
    found: UUID = await db.fetchval("SELECT id FROM notifications WHERE order_id = $1", order.id)
    return found


async def results(db: Database, orders: list[Order]) -> list[str]:
    return [await result_of(db, await message_of(db, order)) for order in orders]


async def report(db: Database, clock: FixedClock, channel: Channel, reference: str, result: str = "Delivered") -> None:
    source = ReportSource.SMS_GATEWAY if channel is Channel.SMS else ReportSource.ACS
    async with db.transaction() as connection:
        await store_within(connection, [(DeliveryReport(source, channel, reference, result, {}), clock.now())])
    await match_due(db, now=clock.now())


def doubts(channel: str) -> float:
    return REGISTRY.get_sample_value("provider_outcome_unknown_total", {"channel": channel}) or 0


async def test_an_sms_under_another_ones_reference_is_marked_and_not_repeated(db: Database, clock: FixedClock) -> None:
    before = doubts("sms")
    async with GatewayPeer() as gateway:
        first, second = await send_sms(db, clock, gateway, accepted("same"), accepted("same"))
        clock.turn(HOUR)
        await again(db, clock, gateway)
        assert len(gateway.requests) == 2
    assert await results(db, [first, second]) == ["Accepted", "Sending"]
    assert await kinds_of(db, second.id) == ["order-processed", "send-unknown"]
    assert doubts("sms") == before + 1
    await report(db, clock, Channel.SMS, "same")
    assert await results(db, [first, second]) == ["Delivered", "Sending"]
    await terminate_expired(db, now=NOON + 3 * DAY, offset=5 * MINUTE, batch_size=100)
    assert await results(db, [first, second]) == ["Delivered", "Failed_TTL"]
    assert [len(await feed_of(db, order.id)) for order in (first, second)] == [1, 1]


async def test_an_operator_sees_that_such_an_sms_may_have_arrived_and_decides(db: Database, clock: FixedClock) -> None:
    async with GatewayPeer() as gateway:
        _, second = await send_sms(db, clock, gateway, accepted("same"), accepted("same"))
        (waiting,) = await list_waiting(db, now=clock.now(), limit=10)
        assert (waiting.order_id, waiting.outcome_unknown, waiting.next_try) == (second.id, True, None)
        await send_now(db, [waiting.notification_id], now=clock.now())
        gateway.next(accepted("its own"))
        await again(db, clock, gateway)
    kinds = await kinds_of(db, second.id)
    assert kinds == ["order-processed", "send-unknown", "retry-requested", "send-accepted"]
    await report(db, clock, Channel.SMS, "its own")
    assert await status_of(db, second.id) == "Completed"


async def test_a_reference_that_many_get_at_once_is_one_messages(db: Database, clock: FixedClock) -> None:
    before = doubts("sms")
    async with GatewayPeer() as gateway, link_to(gateway) as link:
        await processed(db, clock, *(an_sms_order() for _ in range(12)))
        gateway.otherwise = lambda _: accepted("same")
        await drain(a_lane(db, clock, link, "sms-anytime", concurrency=12))
        assert len(gateway.requests) == 12
    rows = await db.fetch("SELECT result, count(*) FROM notification_states GROUP BY result ORDER BY result")
    assert [tuple(row) for row in rows] == [("Accepted", 1), ("Sending", 11)]
    assert doubts("sms") == before + 11


@pytest.mark.parametrize(
    "answer",
    [
        answered("<MSG><ID>2</ID><REF>r</REF><STATUS>OK</STATUS></MSG>"),
        answered("<MSG><REF>r</REF><STATUS>OK</STATUS></MSG>"),
        answered(
            "<MSG><ID>1</ID><REF>r</REF><STATUS>OK</STATUS></MSG>"
            "<MSG><ID>1</ID><STATUS>FAIL</STATUS><INFO>no</INFO></MSG>"
        ),
    ],
    ids=["another id", "no id", "both taken and refused"],
)
async def test_an_answer_that_is_not_surely_about_the_sms_is_no_outcome(
    db: Database, clock: FixedClock, answer: Answer
) -> None:
    async with GatewayPeer() as gateway:
        (order,) = await send_sms(db, clock, gateway, answer)
        assert await results(db, [order]) == ["Sending"]
        clock.turn(5 * MINUTE)
        await again(db, clock, gateway)
    assert await kinds_of(db, order.id) == ["order-processed", "send-unknown", "send-accepted"]


async def test_of_several_answers_in_whatever_order_ours_is_the_one_that_counts(
    db: Database, clock: FixedClock
) -> None:
    others = "<MSG><ID>2</ID><STATUS>FAIL</STATUS><INFO>Invalid RCV</INFO></MSG>"
    ours = "<MSG><ID>1</ID><REF>r</REF><STATUS>OK</STATUS></MSG>"
    async with GatewayPeer() as gateway:
        orders = await send_sms(db, clock, gateway, answered(others + ours))
    assert await results(db, orders) == ["Accepted"]
    assert await db.fetchval(REFERENCE, await message_of(db, orders[0])) == "r"


# --- Azure


def taken_as(operation_id: str) -> Answer:
    return Answer(json.dumps({"id": operation_id, "status": "NotStarted"}), 202)


async def send_mail(db: Database, clock: FixedClock, peer: AcsPeer) -> Order:
    order = an_order()
    await processed(db, clock, order)
    async with provider_at(peer.endpoint, clock) as acs:
        await drain(a_lane(db, clock, acs))
    return order


async def poll(db: Database, clock: FixedClock, peer: AcsPeer) -> list[str]:
    """Ask about everything that is due; the ids that were asked about."""
    clock.turn(8 * SECOND)
    async with provider_at(peer.endpoint, clock) as acs:
        poller = Poller(db, clock, acs, interval=8 * SECOND, wake=asyncio.Event(), worker=1)
        questions = await poller.claim()
        await asyncio.gather(*map(poller.settle, questions))
    return [question.reference for question in questions]


async def test_mail_that_got_another_name_is_known_by_that_name(db: Database, clock: FixedClock) -> None:
    async with an_acs_peer() as peer:
        peer.listening.next(taken_as("another"))
        order = await send_mail(db, clock, peer)
        peer.taken.append("another")
        assert await poll(db, clock, peer) == ["another"]
        (ours,) = peer.submissions
    assert await results(db, [order]) == ["Succeeded"]
    await report(db, clock, Channel.EMAIL, ours)
    assert await results(db, [order]) == ["Succeeded"]
    await report(db, clock, Channel.EMAIL, "another")
    assert await status_of(db, order.id) == "Completed"


async def test_mail_under_another_ones_name_is_asked_for_under_its_own(db: Database, clock: FixedClock) -> None:
    before = doubts("email")
    async with an_acs_peer() as peer:
        first = await send_mail(db, clock, peer)
        (name,) = peer.submissions
        peer.listening.next(taken_as(name))
        second = await send_mail(db, clock, peer)
        own = peer.submissions[1]
        assert await kinds_of(db, second.id) == ["order-processed", "send-unknown"]
        assert doubts("email") == before + 1
        await report(db, clock, Channel.EMAIL, name, "Failed_Bounced")
        assert await results(db, [first, second]) == ["Failed_Bounced", "Sending"]
        assert await poll(db, clock, peer) == [own]
        assert await results(db, [second]) == ["Sending"]  # it does not know that id, which says nothing
        peer.taken.append(own)
        clock.turn(MINUTE)
        await poll(db, clock, peer)
        assert len(peer.submissions) == 2
    assert await results(db, [first, second]) == ["Failed_Bounced", "Succeeded"]


async def test_mails_that_all_get_one_name_end_and_are_not_repeated(db: Database, clock: FixedClock) -> None:
    before = doubts("email")
    async with an_acs_peer() as peer, provider_at(peer.endpoint, clock) as acs:
        order = an_order(recipients=an_order().recipients * 6)
        await processed(db, clock, order)
        peer.listening.next(*[taken_as("same")] * 6)
        await drain(a_lane(db, clock, acs, concurrency=6))
        assert doubts("email") == before + 5
        await poll(db, clock, peer)
        clock.turn(HOUR)
        await drain(a_lane(db, clock, acs))
        assert len(peer.submissions) == 6
    await terminate_expired(db, now=NOON + 3 * DAY, offset=5 * MINUTE, batch_size=100)
    assert await status_of(db, order.id) == "Completed"
    assert len(await feed_of(db, order.id)) == 1
    assert await db.fetchval(DEAD) is None
