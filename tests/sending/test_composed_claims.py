"""Claims of email with attachments: a lane of its own, leases, crashes, pauses and stops (spec 04, 9.2 and 9.5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.channels.protocol import Accepted, Deferred, Scope
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders import storage
from support.composed import an_attachment, running_composed_service
from support.file_peer import File
from support.lanes import a_lane, drain
from support.orders import a_chain, an_order
from support.providers import ScriptedProvider
from support.times import SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.clock import FixedClock
    from support.composed import ComposedService

DOWN = Deferred(Scope.PROVIDER, "429 too many requests", retry_after=timedelta(seconds=30))


@pytest.fixture
async def composed(database_url: str, clock: FixedClock) -> AsyncIterator[ComposedService]:
    async with running_composed_service(database_url, clock) as running:
        yield running


async def test_of_a_composed_and_an_ordinary_mail_each_lane_claims_only_its_own(
    composed: ComposedService,
) -> None:
    ordinary, mixed = an_order(), an_order(type=OrderType.Composed)
    await storage.register(composed.db, [a_chain(ordinary), a_chain(mixed)])
    await composed.process()
    lane = composed.lane()
    claimed = [item[0].order_id for item in await lane.claim()]
    assert claimed == [mixed.id]
    assert (await composed.mail())["result"] == "Sending"
    others = await composed.db.fetchval("SELECT result FROM notification_states WHERE order_id = $1", ordinary.id)
    assert others == "New"


async def test_claims_go_on_until_one_is_empty(composed: ComposedService) -> None:
    await storage.register(composed.db, [a_chain(an_order(type=OrderType.Composed)) for _ in range(120)])
    await composed.process()
    lane = composed.lane()
    assert [len(await lane.claim()) for _ in range(4)] == [50, 50, 20, 0]


async def test_in_one_run_all_of_120_mails_are_sent(composed: ComposedService) -> None:
    await storage.register(composed.db, [a_chain(an_order(type=OrderType.Composed)) for _ in range(120)])
    await composed.process()
    provider = ScriptedProvider("smtp")
    await composed.send(provider)
    assert len(provider.sent) == 120
    assert len({mail.notification_id for mail in provider.sent}) == 120


async def test_while_the_provider_pauses_nothing_is_claimed_and_afterwards_the_pause_is_cleared(
    composed: ComposedService, clock: FixedClock
) -> None:
    link = composed.files.serve("a.pdf", File(b"1234"))
    await composed.ordered(an_attachment(link))
    provider = ScriptedProvider("smtp", [DOWN])

    async def is_back() -> bool:
        mail = await composed.mail()
        return mail["result"] == "New" and mail["claimed_by"] is None and bool(provider.sent)

    await composed.send(provider, done=is_back)
    assert (await composed.mail())["attachment_bytes"] == 4
    lane = composed.lane(provider)
    assert await lane.claim() == []
    clock.turn(29 * SECOND)
    assert await lane.claim() == []
    clock.turn(2 * SECOND)
    await composed.send(provider)
    assert (await composed.mail())["result"] == "Succeeded"
    assert len(provider.sent) == 2
    assert len(composed.files.requests) == 2
    assert provider.sent[1].operation_id != provider.sent[0].operation_id
    assert await composed.db.fetchval("SELECT count(*) FROM provider_pauses WHERE paused_until > $1", clock.now()) == 0


async def test_what_could_not_be_handed_over_is_new_again_and_nothing_else(composed: ComposedService) -> None:
    for _ in range(5):
        await composed.ordered()
    outcomes: list[Outcome] = [Accepted("r1"), DOWN, Accepted("r3"), DOWN, Accepted("r5")]
    provider = ScriptedProvider("smtp", outcomes)
    provider.hang = asyncio.Event()

    async def all_called() -> bool:
        if len(provider.sent) == 5 and provider.hang is not None:
            provider.hang.set()
        rows = await composed.mails()
        return len(provider.sent) == 5 and all(row["claimed_by"] is None for row in rows)

    await composed.send(provider, done=all_called)
    assert sorted(mail["result"] for mail in await composed.mails()) == ["New", "New", *["Succeeded"] * 3]


async def test_a_crash_while_downloading_leaves_no_outcome_unknown(
    composed: ComposedService, clock: FixedClock
) -> None:
    link = composed.files.serve("a.pdf", File(b"1"), File(hangs=True))
    await composed.ordered(an_attachment(link))
    lane = composed.lane(worker=1)
    work = asyncio.create_task(lane._send(*(await lane.claim())[0]))
    await asyncio.wait_for(composed.files.reached.wait(), 10)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    mail = await composed.mail()
    assert (mail["attempt_open"], mail["attempts"], mail["claimed_by"]) == (False, 0, 1)
    clock.at = mail["wake_at"]
    await composed.send()
    mail = await composed.mail()
    assert (mail["result"], mail["attempts"], mail["outcome_unknown"]) == ("Succeeded", 1, False)


async def test_the_place_in_the_retry_schedule_survives_a_crash(composed: ComposedService, clock: FixedClock) -> None:
    link = composed.files.serve("a.pdf", File(b"", status=503))
    await composed.ordered(an_attachment(link))
    await composed.send()
    clock.turn(SECOND)
    await composed.lane(worker=7).claim()  # a worker that takes it and is never heard of again
    clock.turn(300 * SECOND)
    await composed.send()
    mail = await composed.mail()
    assert (mail["download_failures"], mail["wake_at"]) == (2, clock.now() + 5 * SECOND)


async def test_the_lease_lasts_as_long_as_all_downloads_may_take(composed: ComposedService, clock: FixedClock) -> None:
    links = [composed.files.serve(f"{number}.pdf", File(hangs=True)) for number in range(11)]
    await composed.ordered(*map(an_attachment, links))
    clock.turn(200 * SECOND)
    async with composed.sending():
        await asyncio.wait_for(composed.files.reached.wait(), 10)
        assert (await composed.mail())["wake_at"] == clock.now() + (300 + 3 * 30) * SECOND


async def test_downloads_under_way_are_given_up_when_the_worker_stops(composed: ComposedService) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(hangs=True))))
    async with composed.sending():
        await asyncio.wait_for(composed.files.reached.wait(), 10)
    mail = await composed.mail()
    assert (mail["result"], mail["claimed_by"]) == ("New", None)


async def test_a_claim_that_somebody_else_has_taken_over_downloads_nothing(
    composed: ComposedService, clock: FixedClock
) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(b"1"))))
    late = composed.lane(worker=1)
    (item,) = await late.claim()
    clock.turn(301 * SECOND)
    await composed.send()
    await late._send(*item)
    assert len(composed.files.requests) == len(composed.smtp.mails) == 1


async def test_slow_downloads_hold_up_no_ordinary_mail(composed: ComposedService, clock: FixedClock) -> None:
    await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(hangs=True))))
    await storage.register(composed.db, [a_chain(an_order())])
    await composed.process()
    provider = ScriptedProvider("smtp")
    async with composed.sending():
        await asyncio.wait_for(composed.files.reached.wait(), 10)
        await drain(a_lane(composed.db, clock, provider))
    assert len(provider.sent) == 1
