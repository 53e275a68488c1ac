"""Instant messages whose process stops, whose caller leaves, or whose database does (spec 03, 6 and 7; spec 08, 16)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders import instant_reservations as reservations
from altinn_notifications.orders.storage import find_receipt
from altinn_notifications.sending.instant import CALL_LEASE, RESERVATION_LEASE, InstantSender, NotDispatched
from altinn_notifications.sending.instant_recovery import resolve_ended
from altinn_notifications.sending.termination import terminate_expired
from altinn_notifications.settings import Settings
from support.gateway_peer import GatewayPeer
from support.instant import STORED, an_instant_message
from support.lanes import a_lane, drain
from support.orders import feed_of, kinds_of, log_of
from support.platform_peer import running_peer
from support.providers import ScriptedProvider
from support.rows import StoredReport, insert
from support.running_worker import running_worker
from support.smtp_peer import SmtpPeer
from support.times import MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.instant import InstantMessage
    from altinn_notifications.orders.model import Receipt

REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'going away' USING ERRCODE = '57P01'; END $$;
    CREATE TRIGGER refuse BEFORE {event} FOR EACH ROW EXECUTE FUNCTION refuse()"""


def nobody_leaves() -> None:
    """A caller that waits for the answer."""


def a_sender(db: Database, clock: FixedClock, *outcomes: Any, hang: asyncio.Event | None = None) -> Any:
    """A sender and the provider of both its channels."""
    provider = ScriptedProvider("link", outcomes)
    provider.hang = hang
    return InstantSender(db, clock, Settings(), email=[provider], sms=[provider]), provider


async def send(sender: InstantSender, message: InstantMessage) -> tuple[Receipt, bool]:
    return await sender.send(message, check_caller=nobody_leaves)


async def stored(db: Database) -> list[Any]:
    return list(await db.fetch(STORED))


async def reserve(db: Database, message: InstantMessage) -> set[Any]:
    return await reservations.reserve(db, [message], lease_until=NOON + RESERVATION_LEASE)


async def begin(db: Database, message: InstantMessage) -> set[Any]:
    call = (message.chain.id, "link")
    return await reservations.begin_calls(db, [call], now=NOON, lease_until=NOON + CALL_LEASE)


async def is_reserved(db: Database, message: InstantMessage) -> bool:
    return await reservations.find_lease(db, message) is not None


async def test_a_reservation_is_seen_by_nobody(db: Database) -> None:
    message = an_instant_message()
    assert await reserve(db, message) == {message.chain.id}
    assert await stored(db) == []
    assert await find_receipt(db, "ttd", OrderType.Instant, message.chain.idempotency_id) is None


async def test_an_id_is_reserved_once(db: Database) -> None:
    first, second = an_instant_message(idempotency_id="one"), an_instant_message("Email", idempotency_id="one")
    other = an_instant_message(idempotency_id="one", creator="digdir")
    reserved = await reservations.reserve(db, [first, second, other], lease_until=NOON)
    assert len(reserved) == 2
    assert other.chain.id in reserved
    assert await reserve(db, an_instant_message(idempotency_id="one")) == set()


async def test_an_id_that_was_used_is_not_reserved(db: Database, clock: FixedClock) -> None:
    message = an_instant_message(idempotency_id="one")
    sender, _ = a_sender(db, clock)
    await send(sender, message)
    assert await reserve(db, an_instant_message(idempotency_id="one")) == set()


async def test_an_id_that_is_used_while_it_is_being_reserved_is_not_sent_again(db: Database, clock: FixedClock) -> None:
    """The first look for the chain may be older than the chain; the one before the call is not."""
    first, second = an_instant_message(idempotency_id="one"), an_instant_message(idempotency_id="one")
    await reserve(db, first)
    async with db.transaction() as connection:
        await reservations.publish(connection, [first.chain.id], now=NOON)
        late = asyncio.create_task(reserve(db, second))  # waits for the commit, with a view from before it
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%instant_res%'"
        await until(lambda: db.fetchval(waiting), "the second reservation waits")
    assert await late == {second.chain.id}
    assert await begin(db, second) == set()
    await reservations.release(db, [second.chain.id])
    sender, provider = a_sender(db, clock)
    receipt, is_new = await send(sender, an_instant_message(idempotency_id="one"))
    assert (receipt.order_chain_id, is_new, provider.sent) == (first.chain.id, False, [])


async def test_a_process_that_stops_before_the_call_leaves_nothing(db: Database, clock: FixedClock) -> None:
    message = an_instant_message()
    await reserve(db, message)
    assert await resolve_ended(db, now=NOON + RESERVATION_LEASE - SECOND) == 0
    assert await resolve_ended(db, now=NOON + RESERVATION_LEASE) == 1
    assert (await stored(db), await is_reserved(db, message)) == ([], False)
    sender, provider = a_sender(db, clock)
    _, is_new = await send(sender, an_instant_message(idempotency_id=message.chain.idempotency_id))
    assert (is_new, len(provider.sent)) == (True, 1)


@pytest.mark.parametrize("channel", ["Sms", "Email"])
async def test_a_process_that_stops_during_the_call_leaves_a_message_that_is_not_repeated(
    db: Database, clock: FixedClock, channel: str
) -> None:
    message = an_instant_message(channel)
    await reserve(db, message)
    await begin(db, message)
    assert await resolve_ended(db, now=NOON + CALL_LEASE) == 1
    (order,) = await stored(db)
    assert (order["status"], order["result"], order["outcome_unknown"]) == ("Processed", "Sending", True)
    assert (order["provider"], order["provider_reference"]) == ("link", message.reference)
    assert await kinds_of(db, order["id"]) == ["send-unknown"]
    provider = ScriptedProvider("link")
    clock.turn(10 * MINUTE)
    await drain(a_lane(db, clock, provider, order["lane"]))
    assert provider.sent == []
    sender, provider = a_sender(db, clock)
    receipt, is_new = await send(sender, an_instant_message(idempotency_id=message.chain.idempotency_id))
    assert (receipt.order_chain_id, is_new, provider.sent) == (message.chain.id, False, [])


async def test_a_message_of_unknown_outcome_ends_with_its_lifetime(db: Database) -> None:
    message = an_instant_message()
    await reserve(db, message)
    await begin(db, message)
    await resolve_ended(db, now=NOON + CALL_LEASE)
    await terminate_expired(db, now=NOON + 10 * MINUTE + SECOND, offset=5 * MINUTE, batch_size=10)
    (order,) = await stored(db)
    assert (order["status"], order["result"]) == ("Completed", "Failed_TTL")


async def test_recovery_resolves_more_than_one_batch(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("altinn_notifications.sending.instant_recovery.BATCH", 2)
    messages = [an_instant_message() for _ in range(5)]
    await reservations.reserve(db, messages, lease_until=NOON)
    await begin(db, messages[0])
    assert await resolve_ended(db, now=NOON) == 4
    assert await resolve_ended(db, now=NOON + CALL_LEASE) == 1
    assert len(await stored(db)) == 1


async def test_a_worker_resolves_what_a_dead_process_left(db: Database, database_url: str, clock: FixedClock) -> None:
    message = an_instant_message()
    await reserve(db, message)
    await begin(db, message)
    clock.turn(CALL_LEASE)
    async with (
        running_peer() as platform,
        SmtpPeer() as smtp,
        GatewayPeer() as gateway,
        running_worker(database_url, clock, platform=platform, smtp=smtp, gateway=gateway),
    ):
        await until(lambda: stored(db), "the order is visible")
    assert (smtp.mails, gateway.requests) == ([], [])
    assert not await is_reserved(db, message)


async def test_an_outcome_that_comes_after_recovery_is_still_stored(db: Database, clock: FixedClock) -> None:
    hang = asyncio.Event()
    sender, provider = a_sender(db, clock, hang=hang)
    sending = asyncio.create_task(send(sender, an_instant_message()))
    await provider.called.wait()
    clock.turn(CALL_LEASE)
    await resolve_ended(db, now=clock.now())
    hang.set()
    assert (await sending)[1]
    (order,) = await stored(db)
    assert (order["result"], order["outcome_unknown"]) == ("Accepted", False)


async def test_a_request_waits_for_the_one_that_has_its_id(db: Database, clock: FixedClock) -> None:
    hang = asyncio.Event()
    sender, provider = a_sender(db, clock, hang=hang)
    elsewhere, never_called = a_sender(db, clock)
    message = an_instant_message(idempotency_id="one")
    first = asyncio.create_task(send(sender, message))
    await provider.called.wait()
    second = asyncio.create_task(send(elsewhere, an_instant_message(idempotency_id="one")))
    await asyncio.sleep(0.1)
    assert not second.done()
    hang.set()
    receipt, is_new = await second
    assert (receipt, is_new) == ((await first)[0], False)
    assert never_called.sent == []


async def test_a_request_that_waited_in_vain_sends_itself(db: Database, clock: FixedClock) -> None:
    hang = asyncio.Event()
    sender, provider = a_sender(db, clock, Unknown("no answer in time"), hang=hang)
    elsewhere, second_provider = a_sender(db, clock)
    first = asyncio.create_task(send(sender, an_instant_message(idempotency_id="one")))
    await provider.called.wait()
    second = asyncio.create_task(send(elsewhere, an_instant_message(idempotency_id="one")))
    hang.set()
    with pytest.raises(NotDispatched):
        await first
    assert (await second)[1]
    assert len(second_provider.sent) == 1


async def test_a_request_that_waits_for_a_dead_process_cleans_up_after_it(db: Database, clock: FixedClock) -> None:
    message = an_instant_message()
    await reserve(db, message)
    sender, provider = a_sender(db, clock)
    waiting = asyncio.create_task(send(sender, an_instant_message(idempotency_id=message.chain.idempotency_id)))
    clock.turn(RESERVATION_LEASE)
    assert (await waiting)[1]
    assert len(provider.sent) == 1


async def test_a_caller_that_leaves_while_it_waits_sends_nothing(db: Database, clock: FixedClock) -> None:
    message = an_instant_message()
    await reserve(db, message)
    sender, provider = a_sender(db, clock)
    calls = iter([None, None, ConnectionError()])

    def check_caller() -> None:
        if error := next(calls):
            raise error

    with pytest.raises(ConnectionError):
        await sender.send(an_instant_message(idempotency_id=message.chain.idempotency_id), check_caller=check_caller)
    assert provider.sent == []


@pytest.mark.parametrize(
    ("outcome", "result"),
    [(Accepted("ref-1"), "Accepted"), (Refused("Failed", "no"), "Failed"), (Accepted(None), "Accepted")],
)
async def test_a_message_is_stored_even_if_its_caller_has_gone(
    db: Database, clock: FixedClock, outcome: Any, result: str
) -> None:
    hang = asyncio.Event()
    sender, provider = a_sender(db, clock, outcome, hang=hang)
    request = asyncio.create_task(send(sender, an_instant_message()))
    await provider.called.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    hang.set()
    await sender.close()
    (order,) = await stored(db)
    assert order["result"] == result


async def test_a_failure_that_nobody_waits_for_is_cleaned_up(db: Database, clock: FixedClock) -> None:
    hang = asyncio.Event()
    sender, provider = a_sender(db, clock, Deferred(Scope.MESSAGE, "busy"), hang=hang)
    message = an_instant_message()
    request = asyncio.create_task(send(sender, message))
    await provider.called.wait()
    request.cancel()
    hang.set()
    await sender.close()
    assert (await stored(db), await is_reserved(db, message)) == ([], False)


async def test_a_database_that_is_away_after_the_call_gets_the_outcome_later(db: Database, clock: FixedClock) -> None:
    await db.execute(REFUSE.format(event="INSERT ON notification_states"))
    sender, provider = a_sender(db, clock)
    request = asyncio.create_task(send(sender, an_instant_message()))
    await provider.called.wait()
    assert await stored(db) == []
    await db.execute("DROP TRIGGER refuse ON notification_states")
    assert (await request)[1]
    (order,) = await stored(db)
    assert (order["result"], len(provider.sent)) == ("Accepted", 1)


async def test_a_database_that_is_away_when_nothing_was_sent_lets_go_later(db: Database, clock: FixedClock) -> None:
    await db.execute(REFUSE.format(event="DELETE ON instant_reservations"))
    sender, provider = a_sender(db, clock, Unknown("no answer in time"))
    message = an_instant_message()
    request = asyncio.create_task(send(sender, message))
    await provider.called.wait()
    assert await is_reserved(db, message)
    await db.execute("DROP TRIGGER refuse ON instant_reservations")
    with pytest.raises(NotDispatched):
        await request
    assert not await is_reserved(db, message)


async def test_a_call_that_could_not_be_noted_is_not_made(db: Database, clock: FixedClock) -> None:
    await db.execute(REFUSE.format(event="UPDATE ON instant_reservations"))
    sender, provider = a_sender(db, clock)
    message = an_instant_message()
    with pytest.raises(DatabaseUnavailable):
        await send(sender, message)
    await sender.close()
    assert (provider.sent, await is_reserved(db, message)) == ([], False)


async def test_a_provider_is_not_waited_for_longer_than_a_caller_would(
    db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altinn_notifications.sending.instant.DISPATCH_SECONDS", 0.05)
    sender, _ = a_sender(db, clock, hang=asyncio.Event())
    with pytest.raises(NotDispatched):
        await send(sender, an_instant_message())
    assert await stored(db) == []


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_mail_that_was_put_off_leaves_through_the_ordinary_queue(
    db: Database, clock: FixedClock, scope: Scope
) -> None:
    sender, _ = a_sender(db, clock, Deferred(scope, "450 later"))
    message = an_instant_message("Email")
    assert (await send(sender, message))[1]
    (order,) = await stored(db)
    assert (order["status"], order["result"]) == ("Processed", "New")
    clock.turn(MINUTE)
    relay = ScriptedProvider("link")
    await drain(a_lane(db, clock, relay))
    (order,) = await stored(db)
    assert (order["result"], len(relay.sent)) == ("Succeeded", 1)
    assert relay.sent[0].to_address == "kari@example.no"


async def test_a_report_that_came_before_the_order_was_visible_is_applied_with_it(
    db: Database, clock: FixedClock
) -> None:
    message = an_instant_message("Email")
    report = StoredReport(provider=3, channel=message.channel, provider_reference=str(message.reference))
    await insert(db, report)
    sender, _ = a_sender(db, clock)
    await send(sender, message)
    (order,) = await stored(db)
    assert (order["status"], order["result"]) == ("Completed", "Delivered")
    assert len(await feed_of(db, order["id"])) == len(await log_of(db, order["id"])) == 1
