"""All messages of a run and every report about them, as the model has them (spec 08, 10 to 13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from support.message_model import LADDER, Dead, Message, Report

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID


@dataclass(slots=True)
class World:
    """What there is. The database says the same, or one of them is wrong."""

    messages: dict[UUID, Message] = field(default_factory=dict)
    pauses: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """Until when a provider takes nothing, by provider and sender's domain; an empty domain is everybody's."""
    inbox: list[Report] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    announced: dict[UUID, dict[UUID, str]] = field(default_factory=dict)
    """The results that feed and log keep, by order and message: those when it was completed."""
    numbers: int = 0

    def find(self, channel: str, reference: str | None) -> Message | None:
        """The message of this name at its provider."""
        owners = (m for m in self.messages.values() if (m.channel, m.reference) == (channel, reference))
        return next(owners, None) if reference else None

    def complete(self) -> None:
        """Announce the orders of which nothing is pending any more; each once."""
        for order_id in {message.order_id for message in self.messages.values()} - set(self.announced):
            ours = [message for message in self.messages.values() if message.order_id == order_id]
            if not any(message.is_pending for message in ours):
                self.announced[order_id] = {message.id: message.result for message in ours}

    # --- claims

    def claimable(self, channel: str, carriers: Iterable[str], domain: str, now: datetime) -> list[Message]:
        """What a worker takes now."""
        carriers = list(carriers)
        is_open = any(not self._is_paused(name, {""}, now) for name in carriers)
        takes_new = any(not self._is_paused(name, {"", domain}, now) for name in carriers)
        ours = [message for message in self.messages.values() if message.channel == channel and message.expiry >= now]
        return [m for m in ours if (m.result == "New" and takes_new) or (_is_waking(m, now) and is_open)]

    def pause(self, provider: str, domain: str, until: datetime) -> None:
        """Leave a provider alone, never shorter than was said before."""
        self.pauses[provider, domain] = max(until, self.pauses.get((provider, domain), until))

    def _is_paused(self, provider: str, domains: set[str], now: datetime) -> bool:
        return any(self.pauses.get((provider, domain), now) > now for domain in domains)

    # --- reports

    def receive(self, channel: str, reference: str, result: str, now: datetime) -> None:
        """A report came in and was stored."""
        self.inbox.append(Report(self._next_number(), channel, reference, result, now))

    def match(self, now: datetime) -> None:
        """Try what is due: apply it, or climb the ladder and die at its end."""
        due = [report for report in self.inbox if report.wake is not None and report.wake <= now]
        for report in self._applied(due, now):
            wait = LADDER[report.attempts] if report.attempts < len(LADDER) else None
            report.attempts += 1
            report.wake = None if wait is None else now + timedelta(seconds=wait)
            if wait is None and report.dead is None:
                self._bury(report, "RETRY_THRESHOLD_EXCEEDED")

    def match_waiting(self, channel: str, reference: str, now: datetime) -> None:
        """A name became known: apply what waited for it, the dead included."""
        waiting = [r for r in self.inbox if not r.is_settled and (r.channel, r.reference) == (channel, reference)]
        self._applied(waiting, now)

    def replay(self, dead: Dead, now: datetime) -> str:
        """An operator has a dead report tried again; what came of it."""
        if dead.is_resolved:
            return "RESOLVED"
        named = self.messages[dead.notification] if dead.notification else None
        reference = named.reference if named else dead.reference
        if dead.result is None or reference is None:
            return "NOT_UNDERSTOOD"
        dead.attempts += 1
        message = self.find(dead.channel, reference)
        if message is not None and not message.is_pending:
            return "ALREADY_FINAL"
        if message is not None and message.expiry <= now:
            return "EXPIRED"
        report = self._waiting_or_new(dead, reference, dead.result)
        return "NOT_KNOWN" if self._applied([report], now) else "APPLIED"

    def _waiting_or_new(self, dead: Dead, reference: str, result: str) -> Report:
        for report in self.inbox:
            if report.dead is dead and not report.is_settled and report.reference == reference:
                return report
        self.inbox.append(Report(self._next_number(), dead.channel, reference, result, None, dead.attempts, dead=dead))
        return self.inbox[-1]

    def _applied(self, reports: list[Report], now: datetime) -> list[Report]:
        """Apply each report whose message is known, in order of arrival; those that are left."""
        left = []
        for report in sorted(reports, key=lambda each: each.number):
            message = self.find(report.channel, report.reference)
            if message is None:
                left.append(report)
                continue
            report.is_settled, report.wake, report.attempts = True, None, report.attempts + 1
            if message.report(report.number, report.result, now):
                if report.dead is None:
                    self._bury(report, "NOTIFICATION_EXPIRED")
            elif report.dead is not None:
                report.dead.is_resolved = True
        return left

    def _bury(self, report: Report, reason: str) -> None:
        report.dead = Dead(reason, report.channel, report.result, report.reference, attempts=report.attempts)
        self.dead.append(report.dead)

    def _next_number(self) -> int:
        self.numbers += 1
        return self.numbers


def _is_waking(message: Message, now: datetime) -> bool:
    return message.result == "Sending" and message.wake is not None and message.wake <= now
