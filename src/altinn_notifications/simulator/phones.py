"""The phones: every SMS the gateway took over, as a handset would show it (spec 13, 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.channels.sms.segments import segmentation
from altinn_notifications.simulator.outbox import Report, last_word
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from altinn_notifications.simulator.state import SimulatorState

_LONGEST_ALPHANUMERIC_SENDER: Final = 11


@dataclass(slots=True, eq=False, repr=False)
class Sms:
    """One SMS on one phone. `reference` is the gateway's `REF`, `address` the number as `+` and digits."""

    id: int
    address: str
    reference: str
    sender: str
    text: str
    time_to_live_minutes: int | None
    received_at: datetime
    reports: Sequence[Report] = ()

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return len(self.text.encode("utf-8", "surrogatepass"))

    @property
    def state(self) -> str:
        """What the gateway last said about it."""
        return last_word(self.reports, before="ACCEPTED")

    @property
    def shown_sender(self) -> str:
        """The sender on the handset: names are cut to eleven characters, numbers are not. Source: spec 10, 4."""
        is_number = self.sender.removeprefix("+").isdecimal()
        return self.sender if is_number else self.sender[:_LONGEST_ALPHANUMERIC_SENDER]


def report_on(state: SimulatorState, sms: Sms, word: str, *, now: datetime, delay: timedelta) -> Report:
    """Let the gateway say `word` about `sms` once `delay` has passed."""
    report = Report(sms.reference, sms.address, word, now + delay)
    sms.reports = (*sms.reports, report)
    state.sms_reports.put(report, delay)
    return report


def message_json(sms: Sms, allow_list: frozenset[str]) -> dict[str, Any]:
    """One SMS for people and programs."""
    segments = segmentation(sms.text)
    return {
        "reference": sms.reference,
        "number": sms.address,
        "sender": sms.shown_sender,
        "text": sms.text,
        "encoding": segments.encoding,
        "units": segments.units,
        "segments": segments.segments,
        "isCut": segments.is_cut,
        "timeToLiveMinutes": sms.time_to_live_minutes,
        "state": sms.state,
        "isSimulated": sms.address not in allow_list,
        "receivedAt": to_wire(sms.received_at),
        "reports": [report_json(report) for report in sms.reports],
    }


def report_json(report: Report) -> dict[str, Any]:
    """One delivery report: `sentAt` is null while it waits."""
    return {
        "state": report.state,
        "dueAt": to_wire(report.due_at),
        "sentAt": to_wire(report.sent_at) if report.sent_at else None,
    }
