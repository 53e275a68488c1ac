"""The contact check without HTTP: what is shared between chains, and what is decided (spec 02, 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.orders.contact_check import (
    MOST_SHARED_RECIPIENTS,
    ContactCheck,
    ContactMissing,
    lacks_contact,
    needs_contact_check,
)
from altinn_notifications.orders.model import NotificationChannel, Recipient
from altinn_notifications.platform.dependencies import Dependency, DependencyFailed
from altinn_notifications.recipients.contacts import Addresses, Contact, Identity, Kind
from support.orders import a_chain, an_order
from support.platform_peer import ORGANIZATIONS, PERSONS, Reply, connected, running_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.orders.model import Order
    from support.platform_peer import PlatformPeer

KARI = Recipient(national_identity_number="16069412345")
COMPANY = Recipient(organization_number="311000179")


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    async with running_peer() as peer:
        yield peer


@pytest.fixture
async def check(peer: PlatformPeer) -> AsyncIterator[ContactCheck]:
    async with connected(peer) as platform:
        yield ContactCheck(platform)


def to(recipient: Recipient, channel: NotificationChannel = NotificationChannel.EMAIL) -> Order:
    return an_order(recipients=(recipient,), channel=channel)


async def test_chains_that_arrive_together_share_one_call(check: ContactCheck, peer: PlatformPeer) -> None:
    numbers = [f"{number:011}" for number in range(60)]
    peer.persons += [{"nationalIdentityNumber": number, "email": "x@y.no"} for number in numbers[::2]]
    chains = [a_chain(to(Recipient(national_identity_number=number))) for number in numbers]
    answers = await asyncio.gather(*map(check.demand_reachable, chains), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), ContactMissing] * 30
    (call,) = peer.calls_to(PERSONS)
    assert call.json["nationalIdentityNumbers"] == numbers


async def test_one_chains_trouble_is_not_anothers(check: ContactCheck, peer: PlatformPeer) -> None:
    peer.persons.append({"nationalIdentityNumber": KARI.national_identity_number, "email": "x@y.no"})
    peer.answer_next(ORGANIZATIONS, Reply(status=503), Reply(status=503), Reply(status=503))
    chains = [a_chain(to(KARI)), a_chain(to(COMPANY))]
    reachable, failed = await asyncio.gather(*map(check.demand_reachable, chains), return_exceptions=True)
    assert reachable is None
    assert isinstance(failed, DependencyFailed)
    assert failed.dependency is Dependency.PROFILE


async def test_the_missing_contact_is_told_by_order_and_not_by_person(check: ContactCheck) -> None:
    order = to(KARI)
    with pytest.raises(ContactMissing) as missing:
        await check.demand_reachable(a_chain(order))
    assert missing.value.order_id == order.id
    assert str(KARI.national_identity_number) not in str(missing.value)


async def test_orders_of_many_recipients_ask_by_themselves_and_single_ones_together(
    check: ContactCheck, peer: PlatformPeer
) -> None:
    numbers = [f"{number:011}" for number in range(MOST_SHARED_RECIPIENTS + 1)]
    large = an_order(recipients=tuple(Recipient(national_identity_number=number) for number in numbers))
    outlooks = await asyncio.gather(*map(check.outlook, [to(KARI), large, to(KARI)]))
    asked = [call.json["nationalIdentityNumbers"] for call in peer.calls_to(PERSONS)]
    assert sorted(asked, key=len) == [[KARI.national_identity_number], numbers]
    assert [len(outlook.missing_contact) for outlook in outlooks if outlook] == [1, len(numbers), 1]


async def test_nobody_is_asked_about_an_order_to_an_address(check: ContactCheck, peer: PlatformPeer) -> None:
    assert await check.outlook(an_order()) is None
    assert peer.calls == []


def test_only_chains_with_somebody_to_look_up_are_checked() -> None:
    assert not needs_contact_check(a_chain())
    assert needs_contact_check(a_chain(to(KARI)))
    assert needs_contact_check(a_chain(an_order(), to(COMPANY)))


@given(
    channel=st.sampled_from(NotificationChannel),
    is_reserved=st.booleans(),
    emails=st.lists(st.just("x@y.no"), max_size=2),
    numbers=st.lists(st.just("+4799999999"), max_size=2),
)
def test_contact_is_lacking_only_without_usable_address_and_without_reservation(
    *, channel: NotificationChannel, is_reserved: bool, emails: list[str], numbers: list[str]
) -> None:
    identity = Identity(Kind.PERSON, str(KARI.national_identity_number))
    contact = Contact((Addresses(tuple(emails), tuple(numbers)),), is_reserved)
    usable = {NotificationChannel.EMAIL: emails, NotificationChannel.SMS: numbers}.get(channel, [*emails, *numbers])
    assert lacks_contact(to(KARI, channel), {identity: contact}) is (not usable and not is_reserved)
