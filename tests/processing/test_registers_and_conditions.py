from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.orders.model import NotificationChannel, Recipient
from altinn_notifications.platform.check_digits import is_identity_number
from altinn_notifications.processing import processor as processing
from altinn_notifications.processing.due_orders import claim_due_orders, release_one_of_each
from altinn_notifications.recipients import lookup
from support.orders import EMAIL, SMS, an_order, feed_of, kinds_of, log_of, processor, registered, status_of
from support.platform_peer import CONDITION, DECISION, NAMES, ORGANIZATIONS, PERSONS, USERS, Reply
from support.times import MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.processing.due_orders import ClaimedOrder
    from support.platform_peer import PlatformPeer

KARI = Recipient(national_identity_number="12838530255")
FLINK = Recipient(organization_number="319900241")
ERROR = Reply(status=500)
GREETING = replace(EMAIL, subject="Hei $recipientName$")
CHANNEL = NotificationChannel


class Stage:
    """Processing with a real database and a real platform, one pass at a time."""

    def __init__(self, db: Database, clock: FixedClock, platform: Platform, peer: PlatformPeer) -> None:
        self.db, self.clock, self.peer = db, clock, peer
        self._processor = processor(db, clock, platform, worker=1)
        self.process_batch, self.settled = self._processor.process_batch, self._processor.settled
        self.renew_leases = self._processor.renew_leases

    async def run(self) -> None:
        """Process whatever is due, and wait for what goes on beside."""
        while await self._processor.process_batch():
            await self._processor.settled()

    async def has_status(self, order: Order, status: str) -> bool:
        """Whether the order has it now."""
        return await status_of(self.db, order.id) == status

    async def claimed_by_another(self) -> list[ClaimedOrder]:
        """What another worker can claim now."""
        now = self.clock.now()
        return await claim_due_orders(self.db, now=now, limit=10, lease_until=now + MINUTE, worker=2)

    async def register(self, *orders: Order) -> list[UUID]:
        return await registered(self.db, *orders)

    async def made(self, order: Order) -> list[tuple[str, str, str]]:
        """Channel, destination and result of what was made of an order."""
        rows = await self.db.fetch(
            "SELECT n.channel, n.destination, s.result FROM notifications n JOIN notification_states s"
            " ON s.notification_id = n.id WHERE n.order_id = $1 ORDER BY n.position",
            order.id,
        )
        return [tuple(row) for row in rows]

    def knows(self, **contact: Any) -> None:
        """Let Profile know Kari."""
        self.peer.persons = [{"nationalIdentityNumber": KARI.national_identity_number, "isReserved": False, **contact}]


@pytest.fixture
def stage(db: Database, clock: FixedClock, platform: Platform, peer: PlatformPeer) -> Stage:
    return Stage(db, clock, platform, peer)


def to_kari(**changes: Any) -> Order:
    return an_order(**{"recipients": (KARI,), "sms": SMS, **changes})


def conditional(stage: Stage, **changes: Any) -> Order:
    return an_order(**{"condition_endpoint": f"{stage.peer.url}{CONDITION}?seen=1", **changes})


async def test_a_person_is_written_to_at_the_registers_address(stage: Stage) -> None:
    stage.knows(email="begge@epost.example", mobileNumber="99999001")
    order = to_kari(channel=CHANNEL.EMAIL_AND_SMS)
    await stage.register(order)
    await stage.run()
    assert await stage.made(order) == [
        ("Email", "begge@epost.example", "New"),
        ("Sms", "+4799999001", "New"),
    ]


async def test_a_person_nobody_knows_ends_the_order_at_once(stage: Stage) -> None:
    order = to_kari()
    await stage.register(order)
    await stage.run()
    assert await stage.made(order) == [("Email", "", "Failed_RecipientNotIdentified")]
    assert await status_of(stage.db, order.id) == "Completed"
    assert len(await feed_of(stage.db, order.id)) == 1
    assert [row["destination"] for row in await log_of(stage.db, order.id)] == [""]


@pytest.mark.parametrize(
    ("ignore", "made"),
    [
        (False, [("Email", "", "Failed_RecipientReserved")]),
        (True, [("Email", "reservert@epost.example", "New")]),
    ],
)
async def test_a_reservation_counts_unless_the_order_ignores_it(
    stage: Stage, *, ignore: bool, made: list[tuple[str, str, str]]
) -> None:
    stage.knows(email="reservert@epost.example", isReserved=True)
    order = to_kari(channel=CHANNEL.EMAIL_PREFERRED, ignore_reservation=ignore)
    await stage.register(order)
    await stage.run()
    assert await stage.made(order) == made


async def test_a_missing_half_of_both_channels_stands_beside_the_working_one(stage: Stage) -> None:
    stage.knows(email="bare-epost@epost.example")
    order = to_kari(channel=CHANNEL.EMAIL_AND_SMS)
    await stage.register(order)
    await stage.run()
    assert [result for _, _, result in await stage.made(order)] == ["New", "Failed_RecipientNotIdentified"]
    assert await status_of(stage.db, order.id) == "Processed"


async def test_many_orders_share_one_call(stage: Stage) -> None:
    persons = [f"{number:011d}" for number in range(300)]
    stage.peer.persons = [{"nationalIdentityNumber": nin, "email": f"p{nin}@epost.example"} for nin in persons]
    orders = [to_kari(recipients=(Recipient(national_identity_number=nin),)) for nin in persons]
    await stage.register(*orders)
    await stage.run()
    assert len(stage.peer.calls_to(PERSONS)) == 1
    for order, nin in zip(orders, persons, strict=True):
        assert await stage.made(order) == [("Email", f"p{nin}@epost.example", "New")]


async def test_users_without_the_right_are_not_written_to(stage: Stage) -> None:
    number = FLINK.organization_number
    stage.peer.organizations = [{"organizationNumber": number, "emailList": ["post@flink.example"]}]
    users = [
        {"userId": 1, "email": "anna@flink.example", "mobileNumber": None},
        {"userId": 2, "email": "bjarne@flink.example", "mobileNumber": None},
    ]
    stage.peer.users = [{"organizationNumber": number, "partyId": 51001, "userContactPoints": users}]
    stage.peer.permits = {(51001, 1)}
    order = an_order(recipients=(FLINK,), resource_id="urn:altinn:resource:ttd-demo-service")
    await stage.register(order)
    await stage.run()
    assert [address for _, address, _ in await stage.made(order)] == ["post@flink.example", "anna@flink.example"]


@pytest.mark.parametrize("failing", [PERSONS, ORGANIZATIONS, USERS, DECISION, NAMES])
async def test_whoever_fails_the_order_is_neither_lost_nor_sent_wrong(stage: Stage, failing: str) -> None:
    number = FLINK.organization_number
    stage.knows(email="begge@epost.example")
    stage.peer.names = {str(KARI.national_identity_number): "RASK BADEHETTE", str(number): "FLINK TRESKO AS"}
    stage.peer.organizations = [{"organizationNumber": number, "emailList": ["post@flink.example"]}]
    user = {"userId": 1, "email": "anna@flink.example", "mobileNumber": None}
    stage.peer.users = [{"organizationNumber": number, "partyId": 51001, "userContactPoints": [user]}]
    stage.peer.permits = {(51001, 1)}
    template = an_order().email
    assert template is not None
    order = an_order(
        recipients=(KARI, FLINK),
        resource_id="urn:altinn:resource:ttd-demo-service",
        email=type(template)(template.from_address, "Hei $recipientName$", template.body, template.content_type),
    )
    await stage.register(order)
    stage.peer.answer_next(failing, *[Reply(status=503)] * 3)
    await stage.run()
    assert await stage.made(order) == []
    assert await status_of(stage.db, order.id) == "Processing"
    stage.clock.turn(MINUTE)
    await stage.run()
    expected = ["begge@epost.example", "post@flink.example", "anna@flink.example"]
    assert [address for _, address, _ in await stage.made(order)] == expected


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=500),
        Reply(b"<html>"),
        Reply({"contactPointsList": None}),
        Reply({}, cut=True),
        Reply(drop=True),
        Reply(silent=True),
    ],
    ids=["error", "garbage", "null", "half", "dropped", "silent"],
)
async def test_every_kind_of_trouble_is_waited_out(stage: Stage, trouble: Reply) -> None:
    stage.knows(email="begge@epost.example")
    order = to_kari()
    await stage.register(order)
    stage.peer.answer_next(PERSONS, *[trouble] * 3)
    await stage.run()
    assert await stage.made(order) == []
    while stage.peer._next[PERSONS]:
        stage.peer._next[PERSONS].clear()
    stage.clock.turn(MINUTE)
    await stage.run()
    assert await stage.made(order) == [("Email", "begge@epost.example", "New")]


async def test_a_failed_retry_returns_the_order_to_the_beginning(stage: Stage) -> None:
    order = to_kari()
    await stage.register(order)
    for _ in range(2):
        stage.peer.answer_next(PERSONS, ERROR)
        assert await stage._processor.process_batch() == 1
        await stage._processor.settled()
        stage.clock.turn(MINUTE)
    assert await status_of(stage.db, order.id) == "Registered"
    assert await kinds_of(stage.db, order.id) == ["order-retry-scheduled", "order-returned"]
    stage.knows(email="begge@epost.example")
    await stage.run()
    assert await stage.made(order) == [("Email", "begge@epost.example", "New")]


async def test_when_a_register_answers_again_every_order_that_waits_for_it_goes_on(stage: Stage) -> None:
    stage.knows(email="begge@epost.example")
    orders = [to_kari() for _ in range(20)]
    await stage.register(*orders)
    stage.peer.answer_next(PERSONS, ERROR)
    await stage.run()
    assert {await status_of(stage.db, order.id) for order in orders} == {"Processing"}
    stage.clock.turn(4 * SECOND)
    assert await release_one_of_each(stage.db, now=stage.clock.now())
    await stage.run()
    assert {await status_of(stage.db, order.id) for order in orders} == {"Processed"}


async def test_while_a_register_is_down_only_one_order_at_a_time_asks_it(stage: Stage) -> None:
    await stage.register(*(to_kari() for _ in range(20)))
    stage.peer.answer_next(PERSONS, ERROR, ERROR)
    await stage.run()
    stage.clock.turn(4 * SECOND)
    await release_one_of_each(stage.db, now=stage.clock.now())
    assert await stage._processor.process_batch() == 1
    await stage._processor.settled()
    waiting = "SELECT count(*) FROM order_states WHERE failing_dependency = 'profile' AND wake_at > $1"
    assert await stage.db.fetchval(waiting, stage.clock.now()) == 19


async def test_orders_to_direct_addresses_do_not_wait_for_a_silent_register(stage: Stage) -> None:
    direct = an_order()
    await stage.register(to_kari(), direct)
    stage.peer.answer_next(PERSONS, Reply(silent=True))
    await stage._processor.process_batch()
    assert await status_of(stage.db, direct.id) == "Processed"
    await stage._processor.settled()


async def test_an_order_that_profile_fails_until_its_deadline_is_closed(stage: Stage) -> None:
    order = to_kari()
    await stage.register(order)
    stage.peer.answer_next(PERSONS, ERROR)
    await stage.run()
    stage.clock.turn(timedelta(hours=49))
    await stage.run()
    assert await stage.made(order) == [("Email", "", "Failed_TTL")]
    assert await status_of(stage.db, order.id) == "Completed"
    assert len(stage.peer.calls_to(PERSONS)) == 1
    assert len(await feed_of(stage.db, order.id)) == len(await log_of(stage.db, order.id)) == 1


async def test_a_condition_that_says_no_ends_the_order_before_anybody_is_looked_up(stage: Stage) -> None:
    stage.peer.answer_next(CONDITION, Reply({"sendNotification": False}))
    order = conditional(stage, recipients=(KARI,))
    await stage.register(order)
    await stage.run()
    assert await status_of(stage.db, order.id) == "SendConditionNotMet"
    (entry,) = await feed_of(stage.db, order.id)
    assert (entry["status"], entry["recipients"]) == ("Order_SendConditionNotMet", [])
    assert await log_of(stage.db, order.id) == []
    assert stage.peer.calls_to(PERSONS) == []


async def test_a_condition_that_says_yes_lets_the_order_go(stage: Stage) -> None:
    order = conditional(stage)
    await stage.register(order)
    await stage.run()
    assert await status_of(stage.db, order.id) == "Processed"
    (call,) = stage.peer.calls_to(CONDITION)
    assert call.target == f"{CONDITION}?seen=1"
    assert call.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    "answer",
    [
        Reply(status=204),
        Reply({}),
        Reply({"SendNotification": True}),
        Reply({"sendNotification": "true"}),
        Reply(status=500),
        Reply(silent=True),
    ],
    ids=["204", "empty", "case", "text", "500", "silent"],
)
async def test_an_answer_that_decides_nothing_is_asked_for_once_more_and_then_means_yes(
    stage: Stage, answer: Reply
) -> None:
    order = conditional(stage)
    await stage.register(order)
    stage.peer.answer_next(CONDITION, answer, answer)
    await stage.run()
    assert await status_of(stage.db, order.id) == "Processing"
    stage.clock.turn(59 * SECOND)
    await stage.run()
    assert len(stage.peer.calls_to(CONDITION)) == 1
    stage.clock.turn(SECOND)
    await stage.run()
    assert len(stage.peer.calls_to(CONDITION)) == 2
    assert await status_of(stage.db, order.id) == "Processed"


async def test_a_no_at_the_second_asking_counts(stage: Stage) -> None:
    order = conditional(stage)
    await stage.register(order)
    stage.peer.answer_next(CONDITION, Reply(status=404), Reply({"sendNotification": False}))
    await stage.run()
    stage.clock.turn(MINUTE)
    await stage.run()
    assert await status_of(stage.db, order.id) == "SendConditionNotMet"


async def test_a_slow_condition_holds_up_no_other_order(stage: Stage) -> None:
    slow, quick = conditional(stage), an_order()
    await stage.register(slow, quick)
    stage.peer.answer_next(CONDITION, Reply(silent=True))
    await stage._processor.process_batch()
    assert await status_of(stage.db, quick.id) == "Processed"
    assert await status_of(stage.db, slow.id) == "Processing"
    await stage._processor.settled()


async def test_each_order_of_many_is_asked_about_once(stage: Stage) -> None:
    orders = [conditional(stage) for _ in range(40)]
    await stage.register(*orders)
    await stage.run()
    assert len(stage.peer.calls_to(CONDITION)) == 40
    assert {await status_of(stage.db, order.id) for order in orders} == {"Processed"}


async def test_a_reminder_asks_its_own_condition_at_its_own_time(stage: Stage) -> None:
    reminder = conditional(stage, requested_send_time=NOON + timedelta(days=7))
    await stage.register(reminder)
    await stage.run()
    assert stage.peer.calls_to(CONDITION) == []
    stage.clock.turn(timedelta(days=7))
    await asyncio.sleep(0)
    await stage.run()
    assert len(stage.peer.calls_to(CONDITION)) == 1
    assert await status_of(stage.db, reminder.id) == "Processed"


async def test_who_is_not_named_does_not_wait_for_a_silent_register(stage: Stage) -> None:
    stage.knows(email="begge@epost.example")
    plain, named = to_kari(), to_kari(email=GREETING)
    await stage.register(plain, named)
    stage.peer.answer_next(NAMES, Reply(silent=True))
    await stage.process_batch()
    await until(lambda: stage.has_status(plain, "Processed"), "the order without a name is processed")
    assert await status_of(stage.db, named.id) == "Processing"
    await stage.settled()


@pytest.mark.parametrize("silent", [ORGANIZATIONS, USERS, DECISION])
async def test_persons_do_not_wait_for_what_concerns_organisations(stage: Stage, silent: str) -> None:
    stage.knows(email="begge@epost.example")
    user = {"userId": 1, "email": "anna@flink.example", "mobileNumber": None}
    number = FLINK.organization_number
    stage.peer.users = [{"organizationNumber": number, "partyId": 51001, "userContactPoints": [user]}]
    person = to_kari()
    organization = an_order(recipients=(FLINK,), resource_id="urn:altinn:resource:ttd-demo-service")
    await stage.register(person, organization)
    stage.peer.answer_next(silent, Reply(silent=True))
    await stage.process_batch()
    await until(lambda: stage.has_status(person, "Processed"), "the person's order is processed")
    assert await status_of(stage.db, organization.id) == "Processing"
    await stage.settled()


async def test_the_lease_of_an_order_lasts_while_its_answer_is_waited_for(stage: Stage) -> None:
    await stage.register(to_kari())
    stage.peer.answer_next(PERSONS, Reply(silent=True))
    await stage.process_batch()
    for _ in range(3):
        stage.clock.turn(4 * MINUTE)
        await stage.renew_leases()
    assert await stage.claimed_by_another() == []
    await stage.settled()
    await stage.renew_leases()
    stage.clock.turn(MINUTE)
    assert len(await stage.claimed_by_another()) == 1


async def test_only_so_many_orders_are_held_while_nobody_answers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("altinn_notifications.processing.processor.BESIDE_LIMIT", 3)
    stage.knows(email="begge@epost.example")
    await stage.register(*(to_kari() for _ in range(3)))
    stage.peer.answer_next(PERSONS, Reply(silent=True))
    await stage.process_batch()
    more = to_kari()
    await stage.register(more)
    held = asyncio.create_task(stage.process_batch())
    await until(lambda: stage.has_status(more, "Processing"), "the order is claimed")
    assert not held.done()
    await held
    await stage.settled()
    assert await status_of(stage.db, more.id) == "Processed"


async def test_a_user_whose_email_is_an_official_one_is_reached_at_the_number(stage: Stage) -> None:
    number = FLINK.organization_number
    stage.peer.organizations = [
        {"organizationNumber": number, "emailList": ["post@flink.example"], "mobileNumberList": ["+4799999101"]}
    ]
    user = {"userId": 1, "email": "POST@flink.example", "mobileNumber": "+4799999201"}
    stage.peer.users = [{"organizationNumber": number, "partyId": 51001, "userContactPoints": [user]}]
    stage.peer.permits = {(51001, 1)}
    order = to_kari(recipients=(FLINK,), channel=CHANNEL.EMAIL_PREFERRED, resource_id="urn:altinn:resource:demo")
    await stage.register(order)
    await stage.run()
    assert await stage.made(order) == [("Email", "post@flink.example", "New"), ("Sms", "+4799999201", "New")]


async def test_a_thousand_and_one_persons_are_named_in_two_calls(stage: Stage) -> None:
    candidates = (f"{base:09}{digits:02}" for base in range(10_000_000, 10_002_000) for digits in range(100))
    persons = list(islice(filter(is_identity_number, candidates), 1001))
    stage.peer.persons = [{"nationalIdentityNumber": nin, "email": f"p{nin}@epost.example"} for nin in persons]
    stage.peer.names = {nin: f"NAVN {nin}" for nin in persons}
    recipients = tuple(Recipient(national_identity_number=nin) for nin in persons)
    await stage.register(to_kari(recipients=recipients, email=GREETING))
    await stage.run()
    assert len(stage.peer.calls_to(NAMES)) == 2
    rows = await stage.db.fetch("SELECT national_identity_number AS nin, subject FROM notifications")
    assert {row["nin"]: row["subject"] for row in rows} == {nin: f"Hei NAVN {nin}" for nin in persons}


def stumbling_over(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the look-up of this order, alone or among others, end in an error that nobody foresaw."""

    async def resolve_or_stumble(orders: Sequence[Order], *args: Any, **options: Any) -> Any:
        if order.id in {one.id for one in orders}:
            raise LookupError("nobody foresaw this")
        return await lookup.resolve(orders, *args, **options)

    monkeypatch.setattr(processing, "resolve", resolve_or_stumble)


async def test_an_error_nobody_foresaw_in_a_look_up_holds_up_its_own_order_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.knows(email="kari@epost.example")
    odd, *others = [to_kari() for _ in range(5)]
    await stage.register(odd, *others)
    stumbling_over(odd, monkeypatch)
    await stage.run()
    for order in others:
        assert await stage.made(order) == [("Email", "kari@epost.example", "New")]
    assert await stage.made(odd) == []
    assert await kinds_of(stage.db, odd.id) == ["order-failed"]
    monkeypatch.undo()
    stage.clock.turn(30 * MINUTE)
    await stage.run()
    assert await stage.made(odd) == [("Email", "kari@epost.example", "New")]


async def test_an_error_nobody_foresaw_after_a_condition_does_not_pass_the_condition_by(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.knows(email="kari@epost.example")
    order = conditional(stage, recipients=(KARI,))
    await stage.register(order)
    stumbling_over(order, monkeypatch)
    await stage.run()
    assert await kinds_of(stage.db, order.id) == ["order-failed"]
    monkeypatch.undo()
    stage.peer.answer_next(CONDITION, Reply({"sendNotification": False}))
    stage.clock.turn(30 * MINUTE)
    await stage.run()
    assert await status_of(stage.db, order.id) == "SendConditionNotMet"
