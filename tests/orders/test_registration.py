from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.model import AttachedFile, NotificationChannel, Recipient, SendingTimePolicy
from altinn_notifications.orders.registration import Registrar
from altinn_notifications.orders.storage import load_orders
from support.orders import EMAIL, SMS, a_chain, an_order
from support.times import DAY, NOON

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import OrderChain


def registrar(db: Database) -> Registrar:
    return Registrar(db, Wakeups(db))


def same_id(chain: OrderChain) -> OrderChain:
    """Another chain under the idempotency id of `chain`."""
    return a_chain(an_order(creator=chain.main.creator), idempotency_id=chain.idempotency_id)


async def test_of_simultaneous_registrations_with_one_id_exactly_one_wins(db: Database) -> None:
    first = a_chain()
    chains = [first, *(same_id(first) for _ in range(19))]
    processes = [registrar(db), registrar(db)]
    answers = await asyncio.gather(*(processes[n % 2].register(chain) for n, chain in enumerate(chains)))
    assert sum(created for _, created in answers) == 1
    assert len({receipt for receipt, _ in answers}) == 1
    assert await db.fetchval("SELECT count(*) FROM orders") == 1


async def test_groups_that_share_ids_in_opposite_order_do_not_deadlock(db: Database) -> None:
    chains = [a_chain() for _ in range(30)]
    repeats = [same_id(chain) for chain in reversed(chains)]
    one, other = registrar(db), registrar(db)
    answers = await asyncio.gather(*map(one.register, chains), *map(other.register, repeats))
    assert sum(created for _, created in answers) == len(chains)


async def test_the_same_id_is_free_for_another_creator_and_another_type(db: Database) -> None:
    chain = a_chain()
    composed = replace(chain, id=an_order().id, main=an_order(type=OrderType.Composed))
    other = replace(chain, id=an_order().id, main=an_order(creator="digdir"))
    assert [(await registrar(db).register(each))[1] for each in (chain, composed, other)] == [True, True, True]


async def test_ids_that_differ_in_case_or_blanks_are_different(db: Database) -> None:
    chains = [a_chain(idempotency_id=id_) for id_ in ("a", "A", "a ", "å" * 4000)]
    assert [(await registrar(db).register(chain))[1] for chain in chains] == [True] * 4


async def test_the_receipt_of_a_repeat_lists_reminders_in_order(db: Database) -> None:
    reminders = [an_order(type=OrderType.Reminder, senders_reference=ref) for ref in ("b", None, "")]
    chain = a_chain(an_order(senders_reference="a"), *reminders)
    first, _ = await registrar(db).register(chain)
    again, created = await registrar(db).register(same_id(chain))
    assert not created
    assert again == first
    assert [reminder.senders_reference for reminder in again.reminders] == ["b", None, ""]


async def test_an_order_is_read_back_as_it_was_stored(db: Database) -> None:
    order = an_order(
        channel=NotificationChannel.EMAIL_AND_SMS,
        recipients=(Recipient(national_identity_number="16069412345"), Recipient(mobile_number="+4799999999")),
        sms=SMS,
        sms_policy=SendingTimePolicy.DAYTIME,
        senders_reference="",
        condition_endpoint="https://vilkar.example.no/",
        ignore_reservation=False,
        use_stale_contact_information=True,
        resource_id="urn:altinn:resource:x",
        resource_action="read",
        attachments=(AttachedFile("a.pdf", "application/pdf"),),
    )
    await registrar(db).register(a_chain(order))
    assert await load_orders(db, [order.id]) == {order.id: order}


async def test_a_blank_reference_is_kept_but_not_searchable(db: Database) -> None:
    await registrar(db).register(a_chain(an_order(senders_reference="  ")))
    assert await db.fetchval("SELECT senders_reference FROM orders") is None


async def test_everything_that_is_secret_or_personal_stays_out_of_representations() -> None:
    order = an_order(recipients=(Recipient(email_address="kari@example.no"),), email=EMAIL)
    shown = repr([order, a_chain(order), order.recipients[0], EMAIL])
    assert "kari" not in shown
    assert "melding" not in shown


async def test_an_order_becomes_claimable_a_minute_before_its_time(db: Database) -> None:
    await registrar(db).register(a_chain(an_order(requested_send_time=NOON + DAY)))
    wake = await db.fetchval("SELECT wake_at FROM order_states")
    assert (NOON + DAY - wake).total_seconds() == 60
