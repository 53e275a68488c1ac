"""What a worker learns after its lease changes nothing: another one has processed the order (spec 08, 5.3 and 5.4)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.orders.model import Recipient
from support.orders import an_order, feed_of, kinds_of, log_of, processor, registered, status_of
from support.platform_peer import CONDITION, PERSONS, Reply, connected, encoded_jwk
from support.times import MINUTE
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

KARI = Recipient(national_identity_number="12838530255")
KNOWN = {"nationalIdentityNumber": KARI.national_identity_number, "isReserved": False, "email": "kari@epost.example"}
MADE = """
    SELECT n.destination, s.result FROM notifications n JOIN notification_states s ON s.notification_id = n.id"""


@pytest.fixture
async def platform(peer: PlatformPeer) -> AsyncIterator[Platform]:
    """Clients that wait longer than any of these tests lasts."""
    async with connected(peer, maskinporten_jwk=encoded_jwk(), timeout_seconds=60) as clients:
        yield clients


@dataclass
class Race:
    """A worker whose answer comes when its lease has ended, and another that is quick."""

    db: Database
    clock: FixedClock
    platform: Platform
    peer: PlatformPeer

    async def run(self, order: Order, path: str, late: Reply) -> None:
        """Process the order by the second worker while the first waits at `path` for its answer, which comes then."""
        answer = asyncio.Event()
        self.peer.wait_next(path, answer)
        self.peer.answer_next(path, late)
        await registered(self.db, order)
        slow, quick = (processor(self.db, self.clock, self.platform, worker=number) for number in (1, 2))
        await slow.process_batch()
        await until(lambda: self._is_asked(path), "the first worker asks")
        self.clock.turn(5 * MINUTE)
        assert await quick.process_batch() == 1
        await quick.settled()
        answer.set()
        await slow.settled()

    async def _is_asked(self, path: str) -> bool:
        return bool(self.peer.calls_to(path))

    async def made(self) -> list[tuple[str, str]]:
        """Destination and result of everything that was made."""
        return [tuple(row) for row in await self.db.fetch(MADE)]


@pytest.fixture
def race(db: Database, clock: FixedClock, platform: Platform, peer: PlatformPeer) -> Race:
    return Race(db, clock, platform, peer)


@pytest.mark.parametrize("late", [Reply({"contactPointsList": []}), Reply(status=403)], ids=["nobody", "failure"])
async def test_what_profile_says_after_the_lease_changes_nothing(race: Race, late: Reply) -> None:
    order = an_order(recipients=(KARI,))
    race.peer.persons = [KNOWN]
    await race.run(order, PERSONS, late)
    assert await race.made() == [("kari@epost.example", "New")]
    assert await status_of(race.db, order.id) == "Processed"
    assert await feed_of(race.db, order.id) == []
    assert await kinds_of(race.db, order.id) == ["order-taken-over", "order-processed"]


async def test_an_order_that_ended_meanwhile_ends_once(race: Race) -> None:
    order = an_order(recipients=(KARI,))
    await race.run(order, PERSONS, Reply({"contactPointsList": []}))
    assert await race.made() == [("", "Failed_RecipientNotIdentified")]
    assert await status_of(race.db, order.id) == "Completed"
    assert len(await feed_of(race.db, order.id)) == len(await log_of(race.db, order.id)) == 1


@pytest.mark.parametrize("late", [Reply({"sendNotification": False}), Reply(status=500)], ids=["no", "inconclusive"])
async def test_what_a_condition_says_after_the_lease_changes_nothing(race: Race, late: Reply) -> None:
    order = an_order(condition_endpoint=f"{race.peer.url}{CONDITION}")
    await race.run(order, CONDITION, late)
    assert await race.made() == [("kari@example.no", "New")]
    assert await status_of(race.db, order.id) == "Processed"
    assert await feed_of(race.db, order.id) == []
