"""What follows an outcome: a pure decision (spec 08, 10.4 and 11.1; spec 09, 3.5 and 8; spec 10, 9.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.protocol import Accepted, Deferred, Outcome, Refused, Scope, Unknown
from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import Channel, EmailResult, SmsResult
from altinn_notifications.processing.expiry import SendWindow, in_send_window, next_opening

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from altinn_notifications.sending.claims import Claimed


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a channel tries again."""

    waits: Sequence[int]
    """Seconds before each further try of one message; the last value repeats."""
    provider_pause: timedelta
    """How long everything to a provider, or from a domain, waits when the provider named no time of its own."""
    window: SendWindow
    hold_creators: Collection[str] = ()
    """Creators whose messages are not repeated when nobody knows what became of them."""
    hold_by_default: bool = False
    settle_after: timedelta | None = None
    """When accepted mail without a report counts as delivered; None: never (spec 09, 8.1)."""
    probe: timedelta = timedelta(seconds=60)
    """How often one message finds out whether somebody has mended what was misconfigured."""
    stays_sending: bool = False
    """Whether a message that waits for its provider keeps its result, or is `New` again (spec 10, 5.2; 08, 11.3)."""
    moves_after: timedelta = timedelta()
    """How long a message of unknown outcome waits for its own provider before another may repeat it."""
    poll_interval: timedelta = timedelta(seconds=8)
    """How long a provider that is polled is left alone between two questions about a mail (spec 09, 4)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to store for one outcome, and what to tell the timeline."""

    event: Kind
    result: str | None = None
    """The new result, None when it stays `Sending`."""
    reference: str | None = None
    wake_at: datetime | None = None
    poll_at: datetime | None = None
    """When to ask the provider what became of the message; only while it stays `Sending`."""
    deferred: bool = False
    outcome_unknown: bool = False
    pause_until: datetime | None = None
    """Until when the provider is left alone, or `pause_domain` at it if that is not empty."""
    pause_domain: str = ""
    misconfigured: bool = False
    clears: tuple[str, ...] = ()
    """The pauses of the provider that are over because it answered: domains, or the empty text for its own."""
    detail: dict[str, Any] = field(default_factory=dict)


def decide(claim: Claimed, outcome: Outcome, policy: RetryPolicy, *, now: datetime) -> Decision:
    """What follows `outcome` of the attempt that `claim` made, at `now` (UTC)."""
    match outcome:
        case Accepted():
            return _taken(claim, outcome, policy, now)
        case Refused(result, reason):
            return Decision(Kind.SEND_REFUSED, result, detail={"result": result, "reason": reason})
        case Unknown(_, Scope.PROVIDER) if not _is_held(claim, policy):
            return _in_doubt(outcome, policy, now)
        case Unknown(reason, _, wish):
            return unknown(claim, reason, policy, now=now, wish=wish)
        case Deferred(Scope.PROVIDER | Scope.DOMAIN as scope) if scope is Scope.PROVIDER or claim.sender_domain:
            return _returned(outcome, claim.sender_domain if scope is Scope.DOMAIN else "", policy, now)
        case Deferred(_, reason, wish):
            again = retry_time(claim, policy, now=now, wish=wish)
            detail = {"reason": reason, "at": again.isoformat()}
            return Decision(Kind.SEND_DEFERRED, wake_at=again, deferred=True, detail=detail)


def _returned(outcome: Deferred, domain: str, policy: RetryPolicy, now: datetime) -> Decision:
    """Nothing was wrong with the message: it waits with all the others, and loses no place in its own schedule."""
    pause = now + (outcome.retry_after or (policy.probe if outcome.misconfigured else policy.provider_pause))
    return Decision(
        Kind.SEND_RETURNED,
        None if policy.stays_sending else "New",
        wake_at=pause if policy.stays_sending else None,
        pause_until=pause,
        pause_domain=domain,
        misconfigured=outcome.misconfigured,
        detail={"reason": outcome.detail, "pausedUntil": pause.isoformat()},
    )


def _taken(claim: Claimed, outcome: Accepted, policy: RetryPolicy, now: datetime) -> Decision:
    detail = {} if outcome.reference is None else {"reference": outcome.reference}
    if not outcome.is_final:
        again = now + policy.poll_interval
        return Decision(Kind.SEND_ACCEPTED, None, outcome.reference, poll_at=again, detail=detail)
    settles = None if policy.settle_after is None else now + policy.settle_after
    return Decision(Kind.SEND_ACCEPTED, _accepted(claim), outcome.reference, settles, detail=detail)


def _in_doubt(outcome: Unknown, policy: RetryPolicy, now: datetime) -> Decision:
    """The whole provider gave no answer: mail waits until it does, and keeps the id under which it may have arrived."""
    pause = now + (outcome.retry_after or (policy.probe if outcome.misconfigured else policy.provider_pause))
    return Decision(
        Kind.SEND_UNKNOWN,
        "New",
        outcome_unknown=True,
        pause_until=pause,
        misconfigured=outcome.misconfigured,
        detail={"reason": outcome.detail, "next": "retry", "at": pause.isoformat()},
    )


def unknown(
    claim: Claimed, reason: str, policy: RetryPolicy, *, now: datetime, wish: timedelta | None = None
) -> Decision:
    """What follows an attempt of which nobody knows whether the provider took it.

    Mail is repeated under the same operation id, so that a receiver can recognise it. An SMS is repeated or held, as
    its owner decided; a held one ends as `Failed_TTL`. Source: spec 08, 10.4.
    """
    held = _is_held(claim, policy)
    again = None if held else retry_time(claim, policy, now=now, wish=wish)
    detail: dict[str, Any] = {"reason": reason, "next": "hold" if held else "retry"}
    if again is not None:
        detail["at"] = again.isoformat()
    return Decision(Kind.SEND_UNKNOWN, wake_at=again, deferred=True, outcome_unknown=True, detail=detail)


def _is_held(claim: Claimed, policy: RetryPolicy) -> bool:
    """Whether a message that may have been sent is not sent again."""
    return claim.channel == Channel.SMS and (policy.hold_by_default or claim.creator in policy.hold_creators)


def retry_time(claim: Claimed, policy: RetryPolicy, *, now: datetime, wish: timedelta | None) -> datetime:
    """When to try this message again, in UTC; a daytime SMS never outside its window (spec 10, 9.1)."""
    wait = wish or timedelta(seconds=policy.waits[min(claim.deferrals, len(policy.waits) - 1)])
    again = now + wait
    if claim.lane == "sms-daytime" and not in_send_window(again, policy.window):
        return next_opening(again, policy.window)
    return again


def _accepted(claim: Claimed) -> str:
    return EmailResult.SUCCEEDED if claim.channel == Channel.EMAIL else SmsResult.ACCEPTED
