"""Mail through Azure from claim to result: submitted, polled, and never twice (spec 09, 3 to 5 and 12)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from altinn_notifications.channels.protocol import Accepted, Unfinished
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.lifecycle import Channel
from altinn_notifications.presence import SILENCE, Presence
from altinn_notifications.reports import matching
from altinn_notifications.sending import polling as polling_module
from altinn_notifications.sending.attempts import Attempts, Opening
from altinn_notifications.sending.instant import InstantSender
from altinn_notifications.sending.pauses import read_pauses
from altinn_notifications.sending.polling import LEASE, Poller
from altinn_notifications.sending.termination import settle_silent_mail, terminate_expired
from altinn_notifications.settings import Settings
from support.acs import AcsPeer, an_acs_peer, provider_at
from support.composed import an_attachment, running_composed_service
from support.file_peer import File
from support.gateway_peer import DROP, Answer
from support.instant import STORED, an_instant_message
from support.lanes import a_lane, drain
from support.orders import an_order, feed_of, kinds_of, log_of, processed, result_of, status_of
from support.providers import ScriptedProvider
from support.rows import StoredReport, insert
from support.times import DAY, HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta
    from uuid import UUID

    from altinn_notifications.channels.email.acs import AcsProvider
    from altinn_notifications.channels.protocol import PolledEmailProvider, PollOutcome
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.sending.lanes import Lane

POLL_SECONDS = 8 * SECOND
STATE = "SELECT * FROM notification_states WHERE notification_id = $1"
COUNT = "SELECT count(*) FROM notification_states WHERE result = $1"
DEAD = "SELECT channel, delivery_report, reason, attempt_count FROM dead_delivery_reports"
REFUSE_RESULTS = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'going away' USING ERRCODE = '57P01'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON notification_states FOR EACH ROW WHEN (NEW.result = 'Succeeded')
        EXECUTE FUNCTION refuse()"""
SUPPRESSED = {"status": "Failed", "error": {"code": "EmailDroppedAllRecipientsSuppressed", "message": ""}}
INVALID = {"status": "Failed", "error": {"code": "Bad", "message": "Invalid format for email address: kari@"}}


@pytest.fixture
async def peer() -> AsyncIterator[AcsPeer]:
    async with an_acs_peer() as listening:
        yield listening


@dataclass(frozen=True, slots=True)
class Site:
    """The provider, and the peer that it talks to."""

    peer: AcsPeer
    acs: AcsProvider


@pytest.fixture
def site(peer: AcsPeer, acs: AcsProvider) -> Site:
    return Site(peer, acs)


@pytest.fixture
async def acs(peer: AcsPeer, clock: FixedClock) -> AsyncIterator[AcsProvider]:
    async with provider_at(peer.endpoint, clock) as provider:
        yield provider


def a_poller(db: Database, clock: FixedClock, provider: PolledEmailProvider, *, worker: int = 1) -> Poller:
    return Poller(db, clock, provider, interval=POLL_SECONDS, wake=asyncio.Event(), worker=worker)


async def poll(db: Database, clock: FixedClock, provider: PolledEmailProvider) -> int:
    """Ask about everything that is due; the number of questions."""
    poller = a_poller(db, clock, provider)
    questions = await poller.claim()
    await asyncio.gather(*map(poller.settle, questions))
    return len(questions)


async def polled_after(db: Database, clock: FixedClock, provider: PolledEmailProvider, wait: timedelta) -> int:
    clock.turn(wait)
    return await poll(db, clock, provider)


async def state_of(db: Database, notification_id: UUID) -> Any:
    return await db.fetchrow(STATE, notification_id)


async def taken(db: Database, clock: FixedClock, provider: AcsProvider, **order: Any) -> tuple[UUID, UUID]:
    """An order and its mail, which the provider has taken."""
    ordered = an_order(**order)
    (email,) = await processed(db, clock, ordered)
    await drain(a_lane(db, clock, provider))
    return ordered.id, email


async def test_a_mail_that_was_taken_is_being_sent_until_its_operation_has_ended(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    order, email = await taken(db, clock, acs)
    state = await state_of(db, email)
    assert (state["result"], state["poll_at"], state["wake_at"]) == ("Sending", NOON + POLL_SECONDS, None)
    assert [state["provider_reference"]] == peer.taken
    assert await polled_after(db, clock, acs, 7 * SECOND) == 0
    assert await polled_after(db, clock, acs, SECOND) == 1
    assert await result_of(db, email) == "Succeeded"
    assert (await state_of(db, email))["poll_at"] is None
    assert (await kinds_of(db, order))[1:] == ["send-accepted", "operation-succeeded"]
    assert await status_of(db, order) == "Processed"


async def test_a_running_operation_is_asked_about_every_eight_seconds_and_has_one_result(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    order, email = await taken(db, clock, acs)
    peer.statuses.extend([{"status": "NotStarted"}, {"status": "Running"}, {"status": "Teleported"}])
    for asked in range(1, 5):
        assert await result_of(db, email) == "Sending"
        assert await polled_after(db, clock, acs, 7 * SECOND) == 0
        assert await polled_after(db, clock, acs, SECOND) == 1
        assert peer.questions == asked
    assert await result_of(db, email) == "Succeeded"
    assert (await kinds_of(db, order)).count("operation-succeeded") == 1


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (SUPPRESSED, ("Failed_SupressedRecipient", "Email_Failed_SuppressedRecipient")),
        (INVALID, ("Failed_InvalidEmailFormat", "Email_Failed_InvalidFormat")),
        ({"status": "Canceled", "error": {"code": "EmailDropped"}}, ("Failed", "Email_Failed")),
    ],
)
async def test_a_failed_operation_ends_the_mail_and_its_order(
    db: Database, clock: FixedClock, site: Site, end: dict[str, Any], words: tuple[str, str]
) -> None:
    stored, shown = words
    order, email = await taken(db, clock, site.acs)
    site.peer.statuses.append(end)
    await polled_after(db, clock, site.acs, POLL_SECONDS)
    assert await result_of(db, email) == stored
    assert await status_of(db, order) == "Completed"
    (entry,) = await feed_of(db, order)
    assert entry["recipients"][0]["status"] == shown
    assert [row["status"] for row in await log_of(db, order)] == [stored]


async def test_the_last_of_several_mails_completes_their_order_once(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    ordered = an_order(recipients=an_order().recipients * 20)
    await processed(db, clock, ordered)
    await drain(a_lane(db, clock, acs))
    peer.statuses.extend([SUPPRESSED] * 20)
    clock.turn(POLL_SECONDS)
    pollers = [a_poller(db, clock, acs, worker=number) for number in range(2)]
    claimed = [await poller.claim(limit=10) for poller in pollers]
    await asyncio.gather(*(p.settle(q) for p, questions in zip(pollers, claimed, strict=True) for q in questions))
    assert await status_of(db, ordered.id) == "Completed"
    assert len(await feed_of(db, ordered.id)) == 1
    assert len(await log_of(db, ordered.id)) == 20


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
async def test_an_http_error_on_a_poll_changes_nothing_and_is_asked_again_after_a_minute(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider, status: int
) -> None:
    _, email = await taken(db, clock, acs)
    peer.listening.next(*[Answer("", status)] * (4 if status == 503 else 1))
    with capture_logs() as lines:
        await polled_after(db, clock, acs, POLL_SECONDS)
    assert await result_of(db, email) == "Sending"
    assert [line["log_level"] for line in lines] == ["error" if status in {401, 403} else "warning"]
    assert await polled_after(db, clock, acs, 59 * SECOND) == 0
    assert await polled_after(db, clock, acs, SECOND) == 1
    assert await result_of(db, email) == "Succeeded"
    assert len(peer.submissions) == 1


async def test_a_poll_without_answer_is_repeated_after_a_minute_or_when_it_is_told(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    peer.listening.next(*[DROP] * 4, Answer("", 429, headers={"Retry-After": "300"}))
    await polled_after(db, clock, acs, POLL_SECONDS)
    assert await polled_after(db, clock, acs, MINUTE) == 1
    assert await polled_after(db, clock, acs, 299 * SECOND) == 0
    assert await polled_after(db, clock, acs, SECOND) == 1
    assert await result_of(db, email) == "Succeeded"


async def test_an_operation_that_was_throttled_returns_its_mail_and_pauses_nobody(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    order, email = await taken(db, clock, acs)
    peer.statuses.append({"status": "Failed", "error": {"code": "TooManyRequests"}})
    await polled_after(db, clock, acs, POLL_SECONDS)
    assert await result_of(db, email) == "New"
    assert await read_pauses(db) == []
    await drain(a_lane(db, clock, acs))
    assert len(set(peer.taken)) == 2
    await polled_after(db, clock, acs, POLL_SECONDS)
    assert await result_of(db, email) == "Succeeded"
    assert (await kinds_of(db, order))[1:] == [
        "send-accepted",
        "operation-returned",
        "send-accepted",
        "operation-succeeded",
    ]


async def test_a_throttled_submission_pauses_all_email_and_has_another_id_afterwards(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    first, second = await processed(db, clock, an_order(), an_order())
    peer.listening.next(Answer("", 429, headers={"Retry-After": "120"}))
    await drain(a_lane(db, clock, acs, concurrency=1))
    assert [await result_of(db, email) for email in (first, second)] == ["New", "New"]
    assert [(pause.provider, pause.until) for pause in await read_pauses(db)] == [("acs", NOON + 2 * MINUTE)]
    clock.turn(119 * SECOND)
    await drain(a_lane(db, clock, acs))
    assert len(peer.submissions) == 1
    clock.turn(SECOND)
    await drain(a_lane(db, clock, acs))
    assert len(peer.taken) == 2
    assert len(set(peer.submissions)) == 3
    assert peer.questions == 0


@pytest.mark.parametrize("step", [Answer("", 503), DROP])
async def test_trouble_through_all_repeats_returns_the_mail_which_is_asked_for_first_afterwards(
    db: Database, clock: FixedClock, site: Site, step: object
) -> None:
    order = an_order()
    (email,) = await processed(db, clock, order)
    site.peer.listening.next(*[step] * 4)
    await drain(a_lane(db, clock, site.acs))
    state = await state_of(db, email)
    assert (state["result"], state["outcome_unknown"], len(site.peer.submissions)) == ("New", True, 4)
    assert [pause.until for pause in await read_pauses(db)] == [NOON + MINUTE]
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, site.acs))
    state = await state_of(db, email)
    assert (state["result"], state["outcome_unknown"], site.peer.questions) == ("Sending", False, 1)
    assert set(site.peer.submissions) == set(site.peer.taken) == {state["provider_reference"]}
    assert (await kinds_of(db, order.id))[1:] == ["send-unknown", "send-accepted"]


# A process that dies around a submission.


async def opened(db: Database, clock: FixedClock, lane: Lane[Any]) -> Any:
    """A claimed mail whose call is recorded as begun; its worker gets no further."""
    ((claim, email, reference),) = await lane.claim()
    opening = Opening(claim, "acs", reference, clock.now(), clock.now() + 5 * MINUTE)
    assert await Attempts(db, clock).open(opening)
    return email


async def test_a_mail_whose_worker_died_after_the_submission_is_asked_for_and_polled_on(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    order = an_order()
    (notification,) = await processed(db, clock, order)
    await acs.send(await opened(db, clock, a_lane(db, clock, acs)))
    clock.turn(5 * MINUTE)
    await drain(a_lane(db, clock, acs, worker=2))
    assert (len(peer.submissions), peer.questions) == (1, 1)
    assert (await kinds_of(db, order.id))[1:] == ["send-unknown", "send-accepted"]
    await polled_after(db, clock, acs, POLL_SECONDS)
    assert await result_of(db, notification) == "Succeeded"
    assert len(peer.submissions) == 1


async def test_a_mail_whose_worker_died_before_the_submission_is_submitted_under_the_stored_id(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    await processed(db, clock, an_order())
    email = await opened(db, clock, a_lane(db, clock, acs))
    clock.turn(5 * MINUTE)
    await drain(a_lane(db, clock, acs, worker=2))
    assert peer.questions == 1
    assert peer.submissions == peer.taken == [str(email.operation_id)]


async def test_no_lane_takes_a_polled_mail_for_a_lost_call(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    clock.turn(DAY)
    await a_poller(db, clock, acs, worker=1).claim()
    clock.turn(HOUR)
    await drain(a_lane(db, clock, acs, worker=2))
    assert (len(peer.submissions), peer.questions) == (1, 0)
    assert (await state_of(db, email))["result"] == "Sending"


async def test_a_question_whose_worker_died_is_asked_by_another_when_the_lease_ends(
    db: Database, clock: FixedClock, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    clock.turn(POLL_SECONDS)
    assert len(await a_poller(db, clock, acs).claim()) == 1
    assert await polled_after(db, clock, acs, LEASE - SECOND) == 0
    assert await polled_after(db, clock, acs, SECOND) == 1
    assert await result_of(db, email) == "Succeeded"


async def test_the_questions_of_a_dead_worker_are_free_as_soon_as_it_is_found_dead(
    db: Database, clock: FixedClock, acs: AcsProvider
) -> None:
    dead, witness = [Presence(db, clock, Wakeups(db), dependencies=dict, providers=dict) for _ in range(2)]
    await dead.register()
    await witness.register()
    await taken(db, clock, acs)
    clock.turn(POLL_SECONDS)
    assert len(await a_poller(db, clock, acs, worker=dead.number).claim()) == 1
    await witness.end_leases_of_the_dead()
    clock.turn(SILENCE)
    await witness.end_leases_of_the_dead()
    assert await poll(db, clock, acs) == 1


async def test_pollers_at_the_same_time_never_ask_about_the_same_mail(
    db: Database, clock: FixedClock, acs: AcsProvider
) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 60))
    await drain(a_lane(db, clock, acs))
    clock.turn(POLL_SECONDS)
    claims = await asyncio.gather(*(a_poller(db, clock, acs, worker=n).claim(limit=40) for n in range(3)))
    ids = [question.notification_id for claim in claims for question in claim]
    assert len(ids) == len(set(ids)) == 60


async def test_an_answer_that_cannot_be_stored_is_asked_for_again(
    db: Database, clock: FixedClock, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    await db.execute(REFUSE_RESULTS)
    await polled_after(db, clock, acs, POLL_SECONDS)
    assert await result_of(db, email) == "Sending"
    await db.execute("DROP TRIGGER refuse ON notification_states")
    assert await polled_after(db, clock, acs, LEASE) == 1
    assert await result_of(db, email) == "Succeeded"


# Reports and expiry.


async def reported(db: Database, clock: FixedClock, reference: str, result: str = "Delivered") -> None:
    report = {"messageId": reference, "status": result}
    row = StoredReport(
        provider=1,
        channel=Channel.EMAIL,
        provider_reference=reference,
        result=result,
        report=report,
        attempts=0,
        wake_at=clock.now(),
    )
    await insert(db, row)
    while await matching.match_due(db, now=clock.now()):
        pass


async def test_a_report_may_come_before_the_first_poll_which_then_says_nothing_new(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    order, email = await taken(db, clock, acs)
    await reported(db, clock, peer.taken[0])
    assert await result_of(db, email) == "Delivered"
    assert await status_of(db, order) == "Completed"
    assert await polled_after(db, clock, acs, POLL_SECONDS) == 0


@pytest.mark.parametrize("late", [{"status": "Succeeded"}, SUPPRESSED, {"status": "Running"}])
async def test_an_answer_that_comes_after_a_report_does_not_undo_it(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider, late: dict[str, Any]
) -> None:
    order, email = await taken(db, clock, acs)
    peer.statuses.append(late)
    clock.turn(POLL_SECONDS)
    poller = a_poller(db, clock, acs)
    (question,) = await poller.claim()
    await reported(db, clock, peer.taken[0])
    await poller.settle(question)
    state = await state_of(db, email)
    assert (state["result"], state["poll_at"]) == ("Delivered", None)
    assert len(await feed_of(db, order)) == 1
    assert await db.fetch(DEAD) == []


async def test_the_answer_about_an_earlier_submission_changes_nothing(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    peer.statuses.append({"status": "Failed", "error": {"code": "TooManyRequests"}})
    clock.turn(POLL_SECONDS)
    slow, quick = a_poller(db, clock, acs), a_poller(db, clock, acs)
    (old,) = await slow.claim()
    clock.turn(LEASE)
    (same,) = await quick.claim()
    await quick.settle(same)
    await drain(a_lane(db, clock, acs))
    peer.statuses.append(SUPPRESSED)
    await slow.settle(old)
    assert await result_of(db, email) == "Sending"
    assert (await state_of(db, email))["provider_reference"] == peer.taken[1] != old.reference


async def test_polling_stops_when_the_mail_expires(db: Database, clock: FixedClock, acs: AcsProvider) -> None:
    order, email = await taken(db, clock, acs)
    assert await polled_after(db, clock, acs, 2 * DAY) == 0
    clock.turn(301 * SECOND)
    await terminate_expired(db, now=clock.now(), offset=300 * SECOND, batch_size=100)
    state = await state_of(db, email)
    assert (state["result"], state["poll_at"]) == ("Failed_TTL", None)
    assert await status_of(db, order) == "Completed"


async def test_an_end_that_is_told_after_the_expiry_becomes_a_dead_report(
    db: Database, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    clock.turn(2 * DAY - SECOND)
    poller = a_poller(db, clock, acs)
    (question,) = await poller.claim()
    clock.turn(SECOND)
    await poller.settle(question)
    assert await result_of(db, email) == "Sending"
    (dead,) = await db.fetch(DEAD)
    assert (dead["channel"], dead["reason"], dead["attempt_count"]) == (1, "NOTIFICATION_EXPIRED", 1)
    assert dead["delivery_report"] == {
        "notificationId": str(email),
        "operationId": peer.taken[0],
        "sendResult": "Succeeded",
    }


async def test_no_time_without_bounce_counts_a_mail_of_this_provider_as_delivered(
    db: Database, clock: FixedClock, acs: AcsProvider
) -> None:
    _, email = await taken(db, clock, acs)
    await polled_after(db, clock, acs, POLL_SECONDS)
    clock.turn(DAY)
    assert await settle_silent_mail(db, now=clock.now(), batch_size=100) == 0
    assert await result_of(db, email) == "Succeeded"


# Composed email, whose size is stored with whatever becomes of it.


async def test_the_size_of_attachments_stays_through_poll_and_report(
    database_url: str, clock: FixedClock, peer: AcsPeer, acs: AcsProvider
) -> None:
    async with running_composed_service(database_url, clock) as composed:
        link = composed.files.serve("a.pdf", File(bytes(158_304)))
        await composed.ordered(an_attachment(link))
        await composed.send(acs)
        assert await polled_after(composed.db, clock, acs, POLL_SECONDS) == 1
        assert (await composed.mail())["result"] == "Succeeded"
        await reported(composed.db, clock, peer.taken[0])
        mail = await composed.mail()
        assert (mail["result"], mail["attachment_bytes"]) == ("Delivered", 158_304)


@pytest.mark.parametrize(("status", "result"), [(413, "Failed_PayloadTooLarge"), (429, "New")])
async def test_a_submission_that_is_not_taken_stores_the_size_too(
    database_url: str, clock: FixedClock, site: Site, status: int, result: str
) -> None:
    size = 12_534_336
    async with running_composed_service(database_url, clock) as composed:
        await composed.ordered(an_attachment(composed.files.serve("a.pdf", File(bytes(size)))))
        site.peer.listening.next(Answer("", status))

        async def has_answered() -> bool:
            return bool((await composed.mail())["attachment_bytes"] == size)

        await composed.send(site.acs, done=has_answered)
        assert (await composed.mail())["result"] == result
        assert len(site.peer.submissions) == 1


# Instant email.


@pytest.mark.parametrize(
    ("steps", "stored_as"),
    [
        ([], ("Sending", False)),
        ([Answer("", 429)], ("New", False)),
        ([Answer("", 401)], ("New", False)),
        ([Answer("", 503)] * 4, ("New", True)),
        ([Answer("", 400)], ("Failed", False)),
    ],
)
async def test_an_instant_mail_is_stored_with_whatever_its_submission_came_to(
    db: Database, clock: FixedClock, site: Site, steps: list[object], stored_as: tuple[str, bool]
) -> None:
    site.peer.listening.next(*steps)
    sender = InstantSender(db, clock, Settings(), email=[site.acs], sms=[ScriptedProvider("link")])
    _, is_new = await sender.send(an_instant_message("Email"), check_caller=lambda: None)
    (stored,) = await db.fetch(STORED)
    assert is_new
    assert (stored["result"], stored["outcome_unknown"]) == stored_as
    clock.turn(MINUTE)
    await drain(a_lane(db, clock, site.acs))
    await polled_after(db, clock, site.acs, POLL_SECONDS)
    assert await result_of(db, stored["notification_id"]) == ("Failed" if stored_as[0] == "Failed" else "Succeeded")
    assert len(site.peer.taken) == (stored_as[0] != "Failed")


# The loop.


class Polled(ScriptedProvider):
    """A provider that takes everything, and says what became of it when a test lets it."""

    def __init__(self) -> None:
        super().__init__("acs")
        self.asked: list[str] = []
        self.hanging: dict[str, asyncio.Event] = {}

    async def send(self, message: Any) -> Any:
        return Accepted(str(message.operation_id), is_final=False)

    async def poll(self, reference: str) -> PollOutcome:
        self.asked.append(reference)
        if (hang := self.hanging.get(reference)) is not None:
            await hang.wait()
            return Unfinished()
        return Accepted(reference)


@asynccontextmanager
async def polling(db: Database, clock: FixedClock, provider: Polled) -> AsyncIterator[None]:
    """The loop works while the block lasts."""
    stop = asyncio.Event()
    work = asyncio.create_task(a_poller(db, clock, provider).run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(work, 10)


async def count(db: Database, result: str) -> int:
    return int(await db.fetchval(COUNT, result))


async def test_the_loop_asks_about_hundreds_and_waits_for_none_that_hangs(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 700))
    acs = Polled()
    await drain(a_lane(db, clock, acs, batch_size=700, concurrency=64))
    references = [row[0] for row in await db.fetch("SELECT provider_reference FROM notification_states")]
    acs.hanging = {reference: asyncio.Event() for reference in references[:3]}
    clock.turn(POLL_SECONDS)
    async with polling(db, clock, acs):

        async def all_but_three() -> bool:
            return await count(db, "Succeeded") == 697

        await until(all_but_three, "all but those that hang have their result", seconds=30)
        assert sorted(acs.asked) == sorted(references)
    assert await count(db, "Sending") == 3


async def test_a_stop_does_not_wait_for_an_answer_that_does_not_come(
    db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling_module, "STOP_SECONDS", 0.1)
    (email,) = await processed(db, clock, an_order())
    acs = Polled()
    await drain(a_lane(db, clock, acs))
    reference = (await state_of(db, email))["provider_reference"]
    acs.hanging = {reference: asyncio.Event()}
    clock.turn(POLL_SECONDS)
    async with polling(db, clock, acs):
        await until(lambda: asyncio.sleep(0, bool(acs.asked)), "it is asked about")
    acs.hanging.clear()
    assert await polled_after(db, clock, acs, LEASE) == 1
    assert await result_of(db, email) == "Succeeded"


async def test_the_loop_passes_on_that_the_database_is_away(clock: FixedClock, db: Database) -> None:
    poller = a_poller(db, clock, Polled())
    await db.close()
    with pytest.raises(DatabaseUnavailable):
        await poller.run(asyncio.Event())
