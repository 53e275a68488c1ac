"""What should become of orders and their messages, as simply as it can be said: no database, no processes.

One class for each thing that has a state, one method for each thing that can happen to it. Source: spec 08, 5.4 and
10 to 17.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

GRACE = timedelta(minutes=1)
NOTICE = timedelta(minutes=5)
LIFETIME = timedelta(hours=48)
LEASE = timedelta(minutes=5)
RETRY = timedelta(minutes=1)
OFFSET = timedelta(minutes=5)
SETTLES = timedelta(hours=1)
PAUSES = {"Email": timedelta(minutes=1), "Sms": timedelta(minutes=5)}
WAITS = {"Email": (60, 300, 900, 1800, 3600), "Sms": (300, 600, 900, 1800)}
PENDING = {"New", "Sending", "Succeeded", "Accepted"}
ACCEPTED = {"Email": "Succeeded", "Sms": "Accepted"}


@dataclass(slots=True)
class Message:
    """One notification."""

    id: UUID
    channel: str
    is_held_when_unknown: bool
    expiry: datetime
    result: str = "New"
    wake: datetime | None = None
    """The end of its lease or the time of its retry while `Sending`; of the silence that means success afterwards."""
    claims: int = 0
    has_open_call: bool = False
    may_have_arrived: bool = False
    deferrals: int = 0
    reference: str | None = None
    unknowns: int = 0
    """How often the timeline says that nobody knows what became of a call."""

    @property
    def is_pending(self) -> bool:
        """Whether it may still change by itself."""
        return self.result in PENDING

    def is_claimable(self, now: datetime) -> bool:
        """Whether a worker may take it."""
        is_due = self.result == "New" or (self.result == "Sending" and self.wake is not None and self.wake <= now)
        return is_due and self.expiry >= now

    def claim(self, now: datetime) -> bool:
        """A worker takes it; False when it must not be sent because it may have arrived already."""
        self.result, self.wake, self.claims = "Sending", now + LEASE, self.claims + 1
        if self.has_open_call:
            self.has_open_call, self.may_have_arrived = False, True
            self.unknowns += 1
            if self.is_held_when_unknown:
                self.wake = None
                return False
        return True

    def open_call(self, claims: int, now: datetime) -> bool:
        """The worker whose claim was this one wants to call the provider."""
        if self.claims != claims or self.result != "Sending" or self.expiry < now:
            return False
        self.has_open_call, self.wake = True, now + LEASE
        return True

    def give_back(self, until: datetime) -> None:
        """The worker cannot call the provider before `until`; what was never tried is new again."""
        if self.may_have_arrived or self.deferrals:
            self.wake = until
        else:
            self.result, self.wake = "New", None

    def end_call(self, claims: int, outcome: str, now: datetime) -> None:
        """The call ended: `accepted`, `busy`, `down`, `unknown`, or the final result of a refusal."""
        self.unknowns += outcome == "unknown"
        if self.claims != claims:
            return
        self.has_open_call = False
        if self.expiry <= now:
            return
        if self.result != "Sending":
            return
        if outcome in {"busy", "unknown"}:
            self._wait(outcome, now)
        elif outcome == "down":
            is_mail = self.channel == "Email"
            self.result, self.wake = ("New", None) if is_mail else ("Sending", now + PAUSES[self.channel])
        else:
            self._settle(outcome, now)

    def _wait(self, outcome: str, now: datetime) -> None:
        waits = WAITS[self.channel]
        seconds = waits[min(self.deferrals, len(waits) - 1)]
        is_held = outcome == "unknown" and self.is_held_when_unknown
        self.wake = None if is_held else now + timedelta(seconds=seconds)
        self.deferrals += 1
        self.may_have_arrived = self.may_have_arrived or outcome == "unknown"

    def _settle(self, outcome: str, now: datetime) -> None:
        self.may_have_arrived = False
        self.result = ACCEPTED[self.channel] if outcome == "accepted" else outcome
        self.wake = now + SETTLES if self.result == "Succeeded" else None

    def report(self, result: str, now: datetime) -> None:
        """The provider says what became of it; before it expires that is always believed."""
        if self.expiry > now:
            self.result, self.wake = result, None

    def terminate(self, now: datetime) -> None:
        """It did not end in its time."""
        if self.is_pending and self.expiry < now - OFFSET:
            self.unknowns += self.has_open_call  # nobody is left who could tell, or repeat it
            self.result, self.wake, self.has_open_call = "Failed_TTL", None, False

    def fall_silent(self, now: datetime) -> None:
        """Nobody reported on an accepted mail for so long that it counts as delivered."""
        if self.result == "Succeeded" and self.wake is not None and self.wake <= now < self.expiry:
            self.result, self.wake = "Delivered", None


@dataclass(frozen=True, slots=True)
class Party:
    """What a register knows of a person or an organisation."""

    emails: int = 0
    numbers: int = 0
    is_reserved: bool = False


def drafted(channel: str, party: Party) -> list[tuple[str, str]]:
    """The messages of an order of this channel schema to one party: channel and first result. Source: spec 08, 8, 9."""
    preferred = {"EmailPreferred": ("Email", "Sms"), "SmsPreferred": ("Sms", "Email")}
    known = {"Email": party.emails, "Sms": party.numbers}
    if channel == "EmailAndSms":
        used = ["Email", "Sms"]
    elif channel in preferred:
        first, second = preferred[channel]
        used = [first if known[first] or not known[second] else second]
    else:
        used = [channel]
    return [(each, result) for each in used for result in _results(known[each], is_reserved=party.is_reserved)]


def _results(addresses: int, *, is_reserved: bool) -> list[str]:
    if is_reserved:
        return ["Failed_RecipientReserved"]
    return ["New"] * addresses or ["Failed_RecipientNotIdentified"]


@dataclass(slots=True)
class OrderModel:
    """One order and its messages, in the order of their creation."""

    id: UUID
    creator: str
    due: datetime
    channels: tuple[str, ...]
    """One for each message that it is to become."""
    status: str = "Registered"
    wake: datetime | None = None
    claims: int = 0
    messages: list[Message] = field(default_factory=list)
    announced: list[str] | None = None
    """The results that feed and log keep: those at the moment the order ended."""
    is_retry: bool = False
    """Whether it waits for its second look at registers that failed it; `second_look` when that is under way."""
    second_look: bool = False
    is_failed: bool = False
    """Whether registers failed it the last time."""

    @property
    def deadline(self) -> datetime:
        """When everything that it could become has expired."""
        return self.due + LIFETIME

    def is_claimable(self, now: datetime) -> bool:
        """Whether a worker may take it."""
        if self.status == "Registered":
            return self.due - GRACE <= now
        return self.status == "Processing" and self.wake is not None and self.wake <= now

    def claim(self, now: datetime) -> None:
        """A worker takes it."""
        self.status, self.wake, self.claims = "Processing", now + LEASE, self.claims + 1
        self.second_look, self.is_retry = self.is_retry, False

    def wait_for_registers(self, now: datetime) -> None:
        """Nobody could say who is reached: once more in a minute, and after that from the beginning."""
        self.is_failed = True
        if self.second_look:
            self.status, self.wake = "Registered", None
        else:
            self.wake, self.is_retry = now + RETRY, True

    def go_on(self, now: datetime) -> None:
        """The registers answer again, so there is nothing more to wait for."""
        if self.is_retry:
            self.wake = now

    def is_late(self, now: datetime) -> bool:
        """Whether it is only closed when it is claimed now, having been claimed before."""
        return self.claims > 1 and now > self.deadline + OFFSET

    def process(self, claims: int, messages: list[Message], now: datetime) -> None:
        """The worker whose claim was this one stores what it made, or closes an order whose time is over."""
        if self.status != "Processing" or self.claims != claims:
            return
        self.status, self.messages = "Processed", messages
        if self.is_late(now):
            for message in messages:
                message.result = "Failed_TTL"
        self.complete_if_finished()

    def complete_if_finished(self) -> None:
        """An order ends once, when nothing of it is pending; what comes later is not announced."""
        if self.status == "Processed" and not any(message.is_pending for message in self.messages):
            self.status, self.announced = "Completed", [message.result for message in self.messages]

    def cancel(self, now: datetime) -> str:
        """Its owner does not want it any more."""
        if self.status == "Cancelled":
            return "BEFORE"
        if self.status != "Registered" or self.due <= now + NOTICE:
            return "PROHIBITED"
        self.status = "Cancelled"
        return "NOW"
