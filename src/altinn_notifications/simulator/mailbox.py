"""What becomes of mail: the magic words choose who is refused and what is reported (spec 13, 15)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.magic import Stage, plan_for_email
from altinn_notifications.simulator.calls import Call, Target
from altinn_notifications.simulator.outbox import Report, last_word

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.faults import Fault
    from altinn_notifications.simulator.state import SimulatorState

_OPERATION_ID: Final = re.compile(rb"^X-Notification-Operation-Id:[ \t]*([!-~]+)", re.IGNORECASE | re.MULTILINE)


class Way(StrEnum):
    """How a mail came."""

    SMTP = "SMTP"
    ACS = "ACS"


@dataclass(frozen=True, slots=True, repr=False)
class Mail:
    """One mail as one recipient has it. `reference` is the operation id that its reports carry."""

    id: int
    address: str
    recipient: str
    sender: str
    raw: bytes
    received_at: datetime
    reference: str | None
    reports: tuple[Report, ...]
    way: Way

    @property
    def size(self) -> int:
        """Bytes of the source."""
        return len(self.raw)

    @property
    def state(self) -> str:
        """What the service was last told about it."""
        return last_word(self.reports, before="Accepted")


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A mail for one recipient at the moment it comes, `at` (UTC)."""

    sender: str
    recipient: str
    raw: bytes
    reference: str | None
    way: Way
    at: datetime


def deliver(state: SimulatorState, arrival: Arrival) -> None:
    """Put a mail into the mailbox, and plan the report about it."""
    mailbox, a = state.mailbox, arrival
    reports = _planned_reports(state, arrival)
    mail = Mail(mailbox.next_id(), a.recipient.lower(), a.recipient, a.sender, a.raw, a.at, a.reference, reports, a.way)
    mailbox.add(mail)


def _planned_reports(state: SimulatorState, arrival: Arrival) -> tuple[Report, ...]:
    plan = plan_for_email(arrival.recipient)
    if plan.report is None or arrival.reference is None:
        return ()
    delay = state.behaviour.report_delay if plan.report_after is None else plan.report_after
    report = Report(arrival.reference, arrival.recipient, plan.report, arrival.at + delay, arrival.sender)
    state.email_reports.put(report, delay)
    return (report,)


@dataclass(slots=True)
class MailTransaction:
    """One mail while SMTP speaks of it."""

    sender: str
    envelope_id: str | None
    recipients: list[str]


class Reception:
    """Judges and keeps mail; the SMTP session asks it at each stage."""

    def __init__(self, state: SimulatorState, clock: Clock) -> None:
        self._state, self._clock = state, clock

    @property
    def latency(self) -> timedelta:
        """How long to think about a sender."""
        return self._state.behaviour.latency

    def fault(self, mail: MailTransaction) -> Fault | None:
        """The outage this mail meets, if any."""
        fault = self._state.faults.take(Target.SMTP)
        if fault is not None:
            self._record(mail, f"MAIL {fault.mode}", None)
        return fault

    def refuse_recipient(self, mail: MailTransaction, address: str) -> str | None:
        """The reply to a `RCPT` that is refused.

        A repeat is recognised by the recipient alone: at this stage nobody has spoken of a subject yet.
        """
        refusal = plan_for_email(address).refusal
        if refusal is None or refusal.stage is not Stage.RECIPIENT:
            return None
        if refusal.times is not None and not self._state.attempts.refuse(("email", address.lower()), refusal.times):
            return None
        self._record(mail, f"RCPT {address}", refusal.reply)
        return refusal.reply

    def take(self, mail: MailTransaction, raw: bytes) -> str:
        """Keep the mail for every recipient, or refuse it; the reply to the final dot."""
        plans = [plan_for_email(address) for address in mail.recipients]
        refusal = next((p.refusal for p in plans if p.refusal and p.refusal.stage is Stage.FINAL_DOT), None)
        reply = refusal.reply if refusal else "250 2.0.0 Accepted by the simulator"
        if refusal is None:
            for address in mail.recipients:
                self._keep(mail, address, raw)
        self._record(mail, " ".join(mail.recipients), reply)
        return reply

    def _keep(self, mail: MailTransaction, address: str, raw: bytes) -> None:
        deliver(self._state, Arrival(mail.sender, address, raw, _operation_id(raw), Way.SMTP, self._clock.now()))

    def _record(self, mail: MailTransaction, path: str, reply: str | None) -> None:
        headers = [("MAIL FROM", mail.sender), ("ENVID", mail.envelope_id or ""), ("Reply", reply or "")]
        status = int(reply[:3]) if reply else None
        self._state.calls.record(Call(self._clock.now(), Target.SMTP, "MAIL", path, status, headers))


def _operation_id(raw: bytes) -> str | None:
    header_end = raw.find(b"\r\n\r\n")
    found = _OPERATION_ID.search(raw, 0, header_end if header_end >= 0 else len(raw))
    return found[1].decode("ascii") if found else None
