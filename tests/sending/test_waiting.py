"""Messages that no provider has taken can be listed, and tried at once (spec 07, 4.4; spec 08, 10.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from altinn_notifications.channels.protocol import Deferred, Scope, Unknown
from altinn_notifications.sending.waiting import list_waiting, send_now
from support.lanes import SMS_POLICY, a_lane, drain
from support.orders import an_order, an_sms_order, kinds_of, processed, result_of
from support.providers import ScriptedProvider
from support.times import DAY

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

BUSY = Deferred(Scope.MESSAGE, "450 try later")
SMS = "sms-anytime"
HOLDING = replace(SMS_POLICY, hold_by_default=True)


async def a_deferred_email(db: Database, clock: FixedClock) -> tuple[UUID, UUID]:
    order = an_order()
    (email,) = await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider("smtp", [BUSY])))
    return order.id, email


async def test_a_deferred_message_is_listed_with_its_reason(db: Database, clock: FixedClock) -> None:
    order, email = await a_deferred_email(db, clock)
    (waiting,) = await list_waiting(db, now=clock.now(), limit=9)
    assert (waiting.notification_id, waiting.order_id, waiting.provider) == (email, order, "smtp")
    assert (waiting.attempts, waiting.outcome_unknown, waiting.reason) == (1, False, "450 try later")
    assert waiting.next_try is not None
    assert waiting.next_try > clock.now()


async def test_it_is_tried_at_once_when_somebody_asks(db: Database, clock: FixedClock) -> None:
    order, email = await a_deferred_email(db, clock)
    smtp = ScriptedProvider("smtp")
    await drain(a_lane(db, clock, smtp))
    assert smtp.sent == []
    assert await send_now(db, [email, order], now=clock.now()) == [email]
    await drain(a_lane(db, clock, smtp))
    assert len(smtp.sent) == 1
    assert await kinds_of(db, order) == ["order-processed", "send-deferred", "retry-requested", "send-accepted"]
    assert await list_waiting(db, now=clock.now(), limit=9) == []
    assert await send_now(db, [email], now=clock.now()) == []


async def test_a_held_sms_goes_when_somebody_decides(db: Database, clock: FixedClock) -> None:
    order = an_sms_order()
    (sms,) = await processed(db, clock, order)
    await drain(a_lane(db, clock, ScriptedProvider("link", [Unknown("no answer")]), SMS, policy=HOLDING))
    (waiting,) = await list_waiting(db, now=clock.now(), limit=9)
    assert (waiting.next_try, waiting.outcome_unknown) == (None, True)
    clock.turn(DAY)
    link = ScriptedProvider("link")
    await drain(a_lane(db, clock, link, SMS, policy=HOLDING))
    assert link.sent == []
    await send_now(db, [sms], now=clock.now())
    await drain(a_lane(db, clock, link, SMS, policy=HOLDING))
    assert len(link.sent) == 1
    assert await result_of(db, sms) == "Accepted"


async def test_what_is_new_claimed_final_or_expired_does_not_wait(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order())
    await a_lane(db, clock, ScriptedProvider("smtp")).claim()
    await processed(db, clock, an_order())
    assert await list_waiting(db, now=clock.now(), limit=9) == []
    _, email = await a_deferred_email(db, clock)
    clock.turn(3 * DAY)
    assert await list_waiting(db, now=clock.now(), limit=9) == []
    assert await send_now(db, [email], now=clock.now()) == []
