"""What chapter 08's tables make of one message and of the reports about it, as plainly as it can be said.

Nothing here is taken from the service. What a provider's answer does to a message stands in two tables; the rest is who
may change what, and when. Source: spec 08, 10.4, 11 and 13; spec 09, 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

LEASE: Final = timedelta(minutes=5)
QUESTION_LEASE: Final = timedelta(seconds=30)
LIFETIME: Final = timedelta(hours=48)
OFFSET: Final = timedelta(minutes=5)
SETTLES: Final = timedelta(hours=1)
POLL_EVERY: Final = timedelta(seconds=8)
AFTER_TROUBLE: Final = timedelta(minutes=1)
PAUSES: Final = {"Email": timedelta(minutes=1), "Sms": timedelta(minutes=5)}
WAITS: Final = {"Email": (60, 300, 900, 1800, 3600), "Sms": (300, 600, 900, 1800)}
LADDER: Final = (1, 5, 10, 60, 120, 120)
PENDING: Final = frozenset({"New", "Sending", "Succeeded", "Accepted"})
TAKEN: Final = {"Email": "Succeeded", "Sms": "Accepted"}

EVENTS: Final = {
    "taken": "send-accepted",
    "taken without a name": "send-accepted",
    "taken as another": "send-accepted",
    "begun": "send-accepted",
    "begun under a new name": "send-accepted",
    "begun as another": "send-accepted",
    "refused": "send-refused",
    "busy": "send-deferred",
    "failing": "send-deferred",
    "bad sender": "send-returned",
    "down": "send-returned",
    "lost": "send-unknown",
    "outage": "send-unknown",
}
"""What a provider may do with a message, and the line of the timeline that tells it."""
ANSWERS: Final[dict[str, tuple[str | None, str | None]]] = {
    "Succeeded": ("Succeeded", "operation-succeeded"),
    "suppressed": ("Failed_SupressedRecipient", "operation-failed"),
    "canceled": ("Failed", "operation-failed"),
    "TooManyRequests": ("New", "operation-returned"),
    "Running": (None, None),
    "HTTP 503": (None, None),
    "HTTP 404": (None, None),
    "HTTP 429": (None, None),
}
"""What a provider may answer to a question: the new result, if any, and its line."""


class Hold(NamedTuple):
    """What a worker that claimed a message knows: the number of its claim, and what was so then."""

    claims: int
    deferrals: int
    attempt: int


@dataclass(slots=True)
class Message:
    """One notification."""

    id: UUID
    order_id: UUID
    channel: str
    is_held: bool
    """Whether nothing is repeated of which nobody knows whether it arrived."""
    expiry: datetime
    result: str = "New"
    wake: datetime | None = None
    poll: datetime | None = None
    claims: int = 0
    is_claimed: bool = False
    attempts: int = 0
    has_open_call: bool = False
    may_have_arrived: bool = False
    deferrals: int = 0
    provider: str | None = None
    reference: str | None = None
    last_report: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def is_pending(self) -> bool:
        return self.result in PENDING

    # --- workers

    def claim(self, now: datetime) -> Hold | None:
        """A worker takes it; None when it must not be sent, because it may have arrived."""
        hold = Hold(self.claims + 1, self.deferrals, self.attempts + 1)
        self.result, self.wake, self.claims, self.is_claimed = "Sending", now + LEASE, hold.claims, True
        if self.has_open_call:
            self.has_open_call, self.may_have_arrived = False, True
            self.lines.append("send-unknown")
            if self.is_held:
                self.wake = None
                return None
        return hold

    def open(self, hold: Hold, provider: str, operation_id: str | None, now: datetime) -> bool:
        """The worker is about to call a provider, if the message is still its own."""
        if self.claims != hold.claims or self.result != "Sending" or self.expiry < now:
            return False
        self.has_open_call, self.wake, self.attempts, self.provider = True, now + LEASE, self.attempts + 1, provider
        self.reference = operation_id or self.reference
        return True

    def give_back(self, hold: Hold, until: datetime) -> None:
        """The worker found no way for it before `until`: what was never tried is new again."""
        if self.claims != hold.claims or self.result != "Sending" or self.has_open_call:
            return
        self.is_claimed = False
        if self.may_have_arrived or self.deferrals:
            self.wake = until
        else:
            self.result, self.wake = "New", None

    def close(self, hold: Hold, fate: str, reference: str | None, now: datetime, *, is_anothers: bool) -> bool:
        """The call ended; whether its outcome still counts. `reference` is the name that the provider gave it."""
        counts = self.claims == hold.claims and self.expiry > now
        is_lie = counts and is_anothers
        self.lines.append("send-unknown" if is_lie else EVENTS[fate])
        if self.claims == hold.claims:
            self.has_open_call = False
        if not counts:
            return False
        self.is_claimed = False
        if not is_lie:
            self.reference = reference or self.reference
        was_sending, stays_in_doubt = self.result == "Sending", self.may_have_arrived
        self.may_have_arrived = fate in {"lost", "outage"} or (is_lie and not fate.startswith("begun"))
        self.deferrals += fate in {"busy", "failing", "lost"}
        self.wake = self.poll = None
        if was_sending:
            self._go_on(hold, fate, now, is_lie=is_lie)
        is_known = fate == "refused" or fate.startswith("begun") or (EVENTS[fate] == "send-accepted" and not is_lie)
        self.may_have_arrived |= stays_in_doubt and not is_known
        return True

    def _go_on(self, hold: Hold, fate: str, now: datetime, *, is_lie: bool) -> None:
        match fate:
            case "begun" | "begun under a new name" | "begun as another":
                self.poll = now + POLL_EVERY
            case "taken" | "taken without a name" | "taken as another" if not is_lie:
                self.result = TAKEN[self.channel]
                self.wake = now + SETTLES if self.channel == "Email" else None
            case "refused":
                self.result = "Failed"
            case "down" if self.channel == "Sms":
                self.wake = now + PAUSES["Sms"]
            case "down" | "bad sender" | "outage":
                self.result = "New"
            case "busy" | "failing" | "lost" if not (fate == "lost" and self.is_held):
                waits = WAITS[self.channel]
                self.wake = now + timedelta(seconds=waits[min(hold.deferrals, len(waits) - 1)])

    # --- questions to a provider that is polled

    def is_asked_about(self, now: datetime) -> bool:
        """Whether it is time to ask what became of it."""
        is_due = self.poll is not None and self.poll <= now < self.expiry
        return is_due and self.result == "Sending" and self.provider == "acs"

    def ask(self, now: datetime) -> None:
        """A worker asks."""
        self.poll, self.is_claimed = now + QUESTION_LEASE, True

    def answer(self, reference: str, answer: str, wait: timedelta, now: datetime) -> bool:
        """The provider answered a question about `reference`; whether that came too late to count."""
        result, line = ANSWERS[answer]
        if self.result != "Sending" or self.poll is None or self.reference != reference or self.expiry <= now:
            is_late = self.result == "Sending" and self.expiry <= now
            return is_late and result is not None and result != "New"
        self.is_claimed = False
        self.poll = None if result else now + wait
        self.result = result or "Sending"
        self.lines += [line] if line else []
        return False

    # --- reports, time and people

    def report(self, number: int, result: str, now: datetime) -> bool:
        """The report of this number came; whether the message had expired."""
        is_live, is_overtaken = self.expiry > now, self.last_report > number
        applies = is_live and not is_overtaken
        self.lines.append("report-applied" if applies else "report-ignored")
        if applies:
            self.result, self.wake, self.poll, self.last_report = result, None, None, number
        return not is_live

    def terminate(self, now: datetime) -> None:
        """Its time is over."""
        if self.is_pending and self.expiry < now - OFFSET:
            self.lines += [*(["send-unknown"] if self.has_open_call else []), "terminated"]
            self.result, self.wake, self.poll, self.has_open_call = "Failed_TTL", None, None, False

    def fall_silent(self, now: datetime) -> None:
        """Nobody reported on it for so long that it counts as delivered."""
        if self.result == "Succeeded" and self.wake is not None and self.wake <= now < self.expiry:
            self.result, self.wake = "Delivered", None
            self.lines.append("delivered-without-report")

    def send_now(self, now: datetime) -> bool:
        """An operator wants it tried at once; whether it waited at all."""
        was_tried = self.attempts > 0 or self.deferrals > 0
        is_idle = not self.has_open_call and self.poll is None and (not self.is_claimed or self.wake is None)
        if not (self.result == "Sending" and was_tried and is_idle and self.expiry > now):
            return False
        self.wake = now
        self.lines.append("retry-requested")
        return True

    def lose_worker(self, now: datetime) -> None:
        """Whoever worked on it was found dead."""
        if self.is_claimed and self.result == "Sending" and self.wake is not None:
            self.wake = min(self.wake, now)


@dataclass(slots=True, eq=False)
class Dead:
    """A dead report: what it says, in as far as it can be applied."""

    reason: str
    channel: str
    result: str | None
    """None when it says nothing final."""
    reference: str | None = None
    notification: UUID | None = None
    """Whom a send result is about that has no name at its provider."""
    attempts: int = 1
    is_resolved: bool = False


@dataclass(slots=True, eq=False)
class Report:
    """A report as it stands in the inbox. Its number is its place there."""

    number: int
    channel: str
    reference: str
    result: str
    wake: datetime | None
    attempts: int = 0
    is_settled: bool = False
    dead: Dead | None = None
