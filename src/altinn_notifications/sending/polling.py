"""Asking providers what became of the mail they took (spec 09, 4).

A mail that waits to be asked about is `Sending` with a `poll_at`, and nobody's to send. It is claimed by moving that
time ahead: whoever dies while it asks costs one more question. Mails whose time is over are not asked about any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from altinn_notifications import events
from altinn_notifications.channels.protocol import Accepted, NotSent, Refused, Unfinished
from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import DatabaseUnavailable, columns
from altinn_notifications.events import Event, Kind
from altinn_notifications.lifecycle import Channel, EmailResult, is_pending
from altinn_notifications.orders.completion import complete_finished
from altinn_notifications.reports.model import PROVIDER_SOURCES
from altinn_notifications.sending.attempts import LateResult, note_expired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.channels.protocol import PolledEmailProvider, PollOutcome
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Connection, Database

log = structlog.get_logger()
CLAIM_LIMIT: Final = 500
CONCURRENCY: Final = 64
LEASE: Final = timedelta(seconds=30)
"""How long one question may take, its turn among the others included."""
AFTER_TROUBLE: Final = timedelta(seconds=60)
"""The wait after a question that got no answer, unless the provider names another (spec 09, 4)."""
STOP_SECONDS: Final = 3.0
LONGEST_SLEEP: Final = timedelta(seconds=15)

CLAIM: Final = """
    WITH due AS MATERIALIZED (
        SELECT notification_id FROM notification_states
        WHERE provider = $1 AND poll_at <= $2 AND expiry > $2 AND result = 'Sending'
        ORDER BY poll_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE notification_states s SET poll_at = $4, claimed_by = $5
    FROM due WHERE s.notification_id = due.notification_id
    RETURNING s.notification_id, s.order_id, s.provider_reference"""

# The reference is our guard: after a submission under another one, what the former came to is of no interest.
RECORD: Final = """
    UPDATE notification_states s SET result = coalesce(u.result, s.result), poll_at = u.poll_at, claimed_by = NULL,
        result_time = CASE WHEN u.result IS NULL THEN s.result_time ELSE $5 END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
        AS u (notification_id, reference, result, poll_at)
    WHERE s.notification_id = u.notification_id AND coalesce(s.provider_reference, '') = u.reference
        AND s.result || '' = 'Sending' AND coalesce(s.poll_at, '-infinity') > '-infinity' AND s.expiry > $5
    RETURNING s.notification_id, s.order_id, s.result"""

EXPIRED: Final = """
    SELECT notification_id FROM notification_states
    WHERE notification_id = ANY($1::uuid[]) AND result || '' = 'Sending' AND expiry <= $2"""

NEXT: Final = "SELECT min(poll_at) FROM notification_states WHERE provider = $1 AND poll_at IS NOT NULL AND expiry > $2"


@dataclass(frozen=True, slots=True)
class Question:
    """One mail to ask about, until `until` (UTC)."""

    notification_id: UUID
    order_id: UUID
    reference: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What to store for one question: a result, or when to ask again."""

    question: Question
    result: str | None
    """The new result; None while it stays `Sending`."""
    poll_at: datetime | None = None
    event: Kind | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def answer(question: Question, outcome: PollOutcome, *, interval: timedelta, now: datetime) -> Answer:
    """What follows from `outcome` at `now` (UTC). Source: spec 09, 4."""
    match outcome:
        case Accepted():
            return Answer(question, EmailResult.SUCCEEDED, event=Kind.OPERATION_SUCCEEDED)
        case Refused(result, reason):
            detail = {"result": result, "reason": reason}
            return Answer(question, result, event=Kind.OPERATION_FAILED, detail=detail)
        case NotSent(reason):
            return Answer(question, EmailResult.NEW, event=Kind.OPERATION_RETURNED, detail={"reason": reason})
        case Unfinished(wish, trouble):
            return Answer(question, None, now + (wish or (AFTER_TROUBLE if trouble else interval)))


class Poller:
    """Asks one provider about its mail, many questions at the same time."""

    def __init__(  # noqa: PLR0913 - everything a poller is made of
        self,
        db: Database,
        clock: Clock,
        provider: PolledEmailProvider,
        *,
        interval: timedelta,
        wake: asyncio.Event,
        worker: int,
    ) -> None:
        self._db = db
        self._clock = clock
        self._provider = provider
        self._interval = interval
        self._wake = wake
        self._worker = worker
        self._turns = asyncio.Semaphore(CONCURRENCY)
        self._asking: set[asyncio.Task[None]] = set()
        self._answers: Grouped[Answer, None] = Grouped(self._record_group, limit=CLAIM_LIMIT, writers=2)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask about whatever is due until `stop` is set. Raises `DatabaseUnavailable`."""
        try:
            while not stop.is_set():
                self._wake.clear()
                questions = await self.claim(limit=CLAIM_LIMIT - len(self._asking))
                for question in questions:
                    self._begin(question)
                if questions:
                    await self._until_few_are_open()
                else:
                    await self._sleep(stop)
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Wait a moment for open questions. The others are given up: whoever asks next gets the same answer."""
        if self._asking:
            _, late = await asyncio.wait(self._asking, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def claim(self, *, limit: int = CLAIM_LIMIT) -> list[Question]:
        """Take up to `limit` mails that are due; nobody else asks about them before the lease ends."""
        now = self._clock.now()
        until = now + LEASE
        rows = await self._db.fetch(CLAIM, self._provider.name, now, limit, until, self._worker)
        return [Question(row["notification_id"], row["order_id"], row["provider_reference"], until) for row in rows]

    def _begin(self, question: Question) -> None:
        task = asyncio.create_task(self.settle(question))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _until_few_are_open(self) -> None:
        """Wait until there is room for half a claim, so that claims stay few and large."""
        while len(self._asking) > CLAIM_LIMIT // 2:
            await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)

    async def _sleep(self, stop: asyncio.Event) -> None:
        """Sleep until a mail is due, and never so long that one that is taken meanwhile would be late."""
        now = self._clock.now()
        due = await self._db.fetchval(NEXT, self._provider.name, now)
        longest = min(self._interval, LONGEST_SLEEP)
        wait = longest if due is None else min(longest, due - now)
        stopping = asyncio.ensure_future(stop.wait())
        waking = asyncio.ensure_future(self._wake.wait())
        seconds = max(0.01, wait.total_seconds())
        await asyncio.wait([stopping, waking], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, waking):
            task.cancel()

    async def settle(self, question: Question) -> None:
        """Ask one question and store what follows; what goes wrong meanwhile is left to the end of the lease."""
        try:
            outcome = await self._ask(question)
            self._tell_trouble(question, outcome)
            await self._answers.submit(answer(question, outcome, interval=self._interval, now=self._clock.now()))
        except DatabaseUnavailable:
            log.warning("poll_not_recorded", notification_id=str(question.notification_id))  # its lease ends
        except Exception as error:
            log.exception("poll_failed", notification_id=str(question.notification_id), error=type(error).__name__)

    def _tell_trouble(self, question: Question, outcome: PollOutcome) -> None:
        if isinstance(outcome, Unfinished) and outcome.trouble is not None:
            tell = log.error if outcome.misconfigured else log.warning
            notification, provider = str(question.notification_id), self._provider.name
            tell("poll_postponed", notification_id=notification, provider=provider, reason=outcome.trouble)

    async def _ask(self, question: Question) -> PollOutcome:
        """One question, which ends before its lease does."""
        try:
            async with asyncio.timeout((question.until - self._clock.now()).total_seconds()), self._turns:
                return await self._provider.poll(question.reference)
        except TimeoutError:
            return Unfinished(trouble="no answer in time")

    async def _record_group(self, group: Sequence[Answer]) -> list[None]:
        now = self._clock.now()
        async with self._db.transaction() as connection:
            await self._store(connection, sorted(group, key=lambda given: given.question.notification_id), now)
        return [None] * len(group)

    async def _store(self, connection: Connection, group: Sequence[Answer], now: datetime) -> None:
        rows = await connection.fetch(RECORD, *columns(_row(given) for given in group), now)
        stored = {row["notification_id"] for row in rows}
        taken = [given for given in group if given.question.notification_id in stored]
        await events.record(connection, [self._event(given, kind, now) for given in taken if (kind := given.event)])
        missed = [given for given in group if given.question.notification_id not in stored]
        await self._set_late_ones_aside(connection, missed, now)
        await complete_finished(connection, {row["order_id"] for row in rows if not is_pending(row["result"])}, now=now)

    async def _set_late_ones_aside(self, connection: Connection, missed: Sequence[Answer], now: datetime) -> None:
        ended = {given.question.notification_id: given for given in missed if given.result not in {None, "New"}}
        if ended:
            expired = [row["notification_id"] for row in await connection.fetch(EXPIRED, list(ended), now)]
            await note_expired(connection, [self._late(ended[id_]) for id_ in expired], now=now)

    def _late(self, given: Answer) -> LateResult:
        source, question = PROVIDER_SOURCES[self._provider.name], given.question
        return LateResult(source, question.notification_id, Channel.EMAIL, question.reference, str(given.result))

    def _event(self, given: Answer, kind: Kind, now: datetime) -> Event:
        detail = {"provider": self._provider.name, **given.detail}
        return Event(given.question.order_id, given.question.notification_id, now, kind, detail)


def _row(given: Answer) -> tuple[Any, ...]:
    question = given.question
    return question.notification_id, question.reference, given.result, given.poll_at
