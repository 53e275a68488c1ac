"""Every provider call is recorded before it is made and after it ended, many in one transaction (design promise 5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from altinn_notifications import events
from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import DatabaseUnavailable, columns
from altinn_notifications.events import Event, Kind
from altinn_notifications.lifecycle import Channel, is_pending
from altinn_notifications.metrics import PROVIDER_OUTCOME_UNKNOWN
from altinn_notifications.orders.completion import complete_finished
from altinn_notifications.orders.instant_reservations import publish
from altinn_notifications.reports.matching import apply_waiting, match_missed
from altinn_notifications.sending.download_notes import remember
from altinn_notifications.sending.pauses import Pause, clear_pauses, extend_pauses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.sending.claims import Claimed
    from altinn_notifications.sending.download_notes import DownloadNote
    from altinn_notifications.sending.schedules import Decision

log = structlog.get_logger()
RECORD_RETRY_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)

# The lease starts anew with the call; a claim that somebody else has taken over opens nothing.
# `|| ''`, here and in other statements about known rows, hides from the planner the indexes on what is pending: after a
# quiet night it believes them empty, and would read the whole of a campaign for each batch.
OPEN: Final = """
    UPDATE notification_states s SET attempts = s.attempts + 1, attempt_open = true, attempt_started = $4,
        wake_at = $5, provider = u.provider, provider_reference = coalesce(u.reference, s.provider_reference)
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $6::text[])
        AS u (notification_id, claim_count, provider, reference)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.result || '' = 'Sending'
        AND s.expiry >= $4
    RETURNING s.notification_id"""

# A send result replaces only what its own claim left: Sending. A report that came first stays (spec 08, 11.1), and
# still gets the reference. A message that may have arrived stays so until it is taken or refused: mail goes on under
# the same operation id.
CLOSE: Final = """
    UPDATE notification_states s SET attempt_open = false, claimed_by = NULL,
        result = CASE WHEN s.result = 'Sending' THEN coalesce(u.result, s.result) ELSE s.result END,
        result_time = CASE WHEN s.result = 'Sending' AND u.result IS NOT NULL THEN $9 ELSE s.result_time END,
        wake_at = CASE WHEN s.result = 'Sending' THEN u.wake_at END,
        poll_at = CASE WHEN s.result = 'Sending' THEN u.poll_at END,
        provider_reference = coalesce(u.reference, s.provider_reference),
        deferrals = s.deferrals + u.deferred::integer,
        outcome_unknown = u.outcome_unknown
            OR (s.outcome_unknown AND coalesce(u.result, 'New') = 'New' AND u.poll_at IS NULL)
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::text[], $6::boolean[], $7::boolean[],
                $8::timestamptz[])
        AS u (notification_id, claim_count, result, wake_at, reference, deferred, outcome_unknown, poll_at)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.expiry > $9
    RETURNING s.notification_id, s.order_id, s.result"""

# What became of it is on the timeline, so nobody is to find the call open when the message is ended.
END_LATE: Final = """
    UPDATE notification_states s SET attempt_open = false
    FROM unnest($1::uuid[], $2::integer[]) AS u (notification_id, claim_count)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.expiry <= $3"""

INSERT_EXPIRED: Final = """
    INSERT INTO dead_delivery_reports
        (channel, delivery_report, first_seen, last_attempt, attempt_count, reason, message)
    SELECT u.source, u.report, $3, $3, 1, 'NOTIFICATION_EXPIRED', u.message
    FROM unnest($1::smallint[], $2::jsonb[], $4::text[]) AS u (source, report, message)"""


@dataclass(frozen=True, slots=True)
class Opening:
    """A call that is about to be made. `reference` is our own id of it, where the channel has one."""

    claim: Claimed
    provider: str
    reference: str | None
    at: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """A call that ended, and what was decided about it."""

    claim: Claimed
    provider: str
    source: int
    """The number dead reports know this provider by (`reports.model.ReportSource`)."""
    attempt: int
    started: datetime
    decision: Decision
    reservation: UUID | None = None
    """The chain of an instant order, which becomes visible with its outcome."""
    download: DownloadNote | None = None
    """What is remembered of the attachments of a composed email."""


@dataclass(frozen=True, slots=True)
class LateResult:
    """What became of a message, known only after its time was over."""

    source: int
    notification_id: UUID
    channel: Channel
    reference: str | None
    result: str

    @property
    def document(self) -> dict[str, str]:
        """The send result that is kept."""
        reference_name = "operationId" if self.channel is Channel.EMAIL else "gatewayReference"
        names = {
            "notificationId": str(self.notification_id),
            reference_name: self.reference,
            "sendResult": self.result,
        }
        return {name: value for name, value in names.items() if value is not None}


class Attempts:
    """Records openings and outcomes, in groups."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._openings: Grouped[Opening, bool] = Grouped(self._open_group, limit=500)
        self._closings: Grouped[Closing, None] = Grouped(self._close_group, limit=500, writers=2)

    async def open(self, opening: Opening) -> bool:
        """Record that a provider is about to be called; False when the claim is no longer ours to use."""
        return await self._openings.submit(opening)

    async def close(self, closing: Closing) -> None:
        """Record an outcome. While the database is away it is kept and tried again: the provider has been called."""
        for pause in chain(RECORD_RETRY_SECONDS, repeat(RECORD_RETRY_SECONDS[-1])):
            try:
                return await self._closings.submit(closing)
            except DatabaseUnavailable:
                await asyncio.sleep(pause)
        raise AssertionError  # the pauses do not end

    async def _open_group(self, group: Sequence[Opening]) -> list[bool]:
        rows = ((o.claim.notification_id, o.claim.claim_count, o.provider, o.reference) for o in group)
        ids, counts, providers, references = columns(rows)
        last = group[-1]
        opened = await self._db.fetch(OPEN, ids, counts, providers, last.at, last.lease_until, references)
        won = {row["notification_id"] for row in opened}
        return [opening.claim.notification_id in won for opening in group]

    async def _close_group(self, group: Sequence[Closing]) -> list[None]:
        now = self._clock.now()
        try:
            made_known = await self._store(group, now)
        except asyncpg.UniqueViolationError:
            if len(group) > 1:
                raise  # each is then tried by itself
            log.error("provider_reference_taken", notification_id=str(group[0].claim.notification_id))  # noqa: TRY400 - a traceback would add nothing
            group = [_set_aside(group[0])]
            made_known = await self._store(group, now)
        count_unknown(closing.claim.channel for closing in group if closing.decision.event is Kind.SEND_UNKNOWN)
        await match_missed(self._db, made_known, now=now)
        return [None] * len(group)

    async def _store(self, group: Sequence[Closing], now: datetime) -> set[tuple[str, str]]:
        async with self._db.transaction() as connection:
            return await _store_outcomes(connection, group, now)


def _set_aside(closing: Closing) -> Closing:
    """A provider said that it took the message, and named another's reference: nobody knows what it took.

    It is not sent again by itself. Mail that has only begun is asked for under its own operation id; anything else ends
    as `Failed_TTL`, unless an operator decides otherwise. Source: spec 08, 10.4 and 11.1.
    """
    decision, is_asked_for = closing.decision, closing.decision.poll_at is not None
    detail = {"reason": "it named another message's reference", "next": "ask" if is_asked_for else "aside"}
    in_doubt = replace(
        decision,
        event=Kind.SEND_UNKNOWN,
        result=None,
        reference=None,
        wake_at=None,
        outcome_unknown=not is_asked_for,
        detail=detail,
    )
    return replace(closing, decision=in_doubt)


async def _store_outcomes(connection: Connection, group: Sequence[Closing], now: datetime) -> set[tuple[str, str]]:
    """Store what became of calls; the references, by channel, that no report could be matched with before."""
    if reserved := [closing.reservation for closing in group if closing.reservation is not None]:
        await publish(connection, reserved, now=now)
    notes = [(c.claim.notification_id, c.claim.claim_count, c.download) for c in group if c.download is not None]
    await remember(connection, notes, now=now)
    rows = await connection.fetch(CLOSE, *columns(_row(closing) for closing in group), now)
    kept: dict[UUID, Any] = {row["notification_id"]: row for row in rows}
    await events.record(connection, [_event(closing, now) for closing in group])
    await _note_expired(connection, [c for c in group if c.claim.notification_id not in kept], now)
    await clear_pauses(connection, [(c.provider, domain) for c in group for domain in c.decision.clears], now=now)
    await extend_pauses(
        connection, [pause for closing in group if (pause := pause_of(closing.provider, closing.decision))]
    )
    known = {
        (closing.claim.channel, closing.decision.reference)
        for closing in group
        if closing.decision.reference is not None and closing.claim.notification_id in kept
    }
    reported = await apply_waiting(connection, known, now=now)
    final = {row["order_id"] for row in rows if not is_pending(row["result"])}
    await complete_finished(connection, final | reported, now=now)
    return {(channel, reference) for channel, reference in known if channel != Channel.EMAIL}


def pause_of(provider: str, decision: Decision) -> Pause | None:
    """The pause that a decision asks for."""
    if decision.pause_until is None:
        return None
    reason = str(decision.detail["reason"])
    return Pause(provider, decision.pause_until, reason, decision.pause_domain, decision.misconfigured)


async def _note_expired(connection: Connection, closings: Sequence[Closing], now: datetime) -> None:
    """A result for a notification that expired meanwhile changes nothing and becomes a dead report (spec 07, 4.2)."""
    late = [closing for closing in closings if closing.claim.expiry <= now]
    if late:
        await connection.execute(END_LATE, *columns((c.claim.notification_id, c.claim.claim_count) for c in late), now)
    ended = [_late(closing) for closing in late if closing.decision.result not in (None, "New")]
    await note_expired(connection, ended, now=now)


def _late(closing: Closing) -> LateResult:
    claim, decision = closing.claim, closing.decision
    return LateResult(
        closing.source, claim.notification_id, Channel(claim.channel), decision.reference, str(decision.result)
    )


async def note_expired(connection: Connection, late: Sequence[LateResult], *, now: datetime) -> None:
    """Set results aside as dead reports, `NOTIFICATION_EXPIRED` (spec 09, 9.3). Part of the caller's transaction."""
    if late:
        rows = (
            (result.source, result.document, f"{result.channel} notification {result.notification_id} had expired")
            for result in late
        )
        sources, reports, messages = columns(rows)
        await connection.execute(INSERT_EXPIRED, sources, reports, now, messages)


def _row(closing: Closing) -> tuple[Any, ...]:
    claim, decision = closing.claim, closing.decision
    return (
        claim.notification_id,
        claim.claim_count,
        decision.result,
        decision.wake_at,
        decision.reference,
        decision.deferred,
        decision.outcome_unknown,
        decision.poll_at,
    )


def _event(closing: Closing, now: datetime) -> Event:
    common = {"provider": closing.provider, "attempt": closing.attempt, "started": closing.started.isoformat()}
    detail = {**common, **closing.decision.detail}
    return Event(closing.claim.order_id, closing.claim.notification_id, now, closing.decision.event, detail)


def count_unknown(channels: Any) -> None:
    """Count calls whose outcome nobody knows (spec 08, 10.4)."""
    for channel in channels:
        PROVIDER_OUTCOME_UNKNOWN.labels(channel=str(channel).lower()).inc()
