"""Everything the simulator remembers. Each part can be put back to what it was at the start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.magic import Attempts
from altinn_notifications.simulator.archive import Archive
from altinn_notifications.simulator.calls import CallLog
from altinn_notifications.simulator.conditions import Conditions
from altinn_notifications.simulator.faults import Faults
from altinn_notifications.simulator.files import Files
from altinn_notifications.simulator.operations import Operations
from altinn_notifications.simulator.outbox import Outbox
from altinn_notifications.simulator.registers import Registers

if TYPE_CHECKING:
    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.mailbox import Mail
    from altinn_notifications.simulator.phones import Sms


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What `PUT /sim/settings` changes."""

    report_delay: timedelta
    """From acceptance of a message to its delivery report."""
    operation_delay: timedelta = timedelta(milliseconds=500)
    """From acceptance of a mail by the provider that is polled to the end of its operation."""
    latency: timedelta = timedelta()
    """How long every target takes to answer."""
    allow_list: frozenset[str] = frozenset()
    """Numbers, as `+` and digits, that would reach a real handset in the shared test environment."""

    contact_delay: timedelta = timedelta()
    """From an edit of contact data to its effect in the look-ups; ten minutes in the shared test environment."""

    def dump(self) -> dict[str, Any]:
        """The settings as the control endpoints speak of them."""
        return {
            "reportDelayMs": _milliseconds(self.report_delay),
            "operationDelayMs": _milliseconds(self.operation_delay),
            "latencyMs": _milliseconds(self.latency),
            "allowList": sorted(self.allow_list),
            "contactDelaySeconds": self.contact_delay // timedelta(seconds=1),
        }


class SimulatorState:
    """The whole memory, shared by every target of one simulator."""

    def __init__(self, behaviour: Behaviour, clock: Clock) -> None:
        self._behaviour_at_start = behaviour
        self.behaviour = behaviour
        self.mailbox: Archive[Mail] = Archive()
        self.phones: Archive[Sms] = Archive()
        self.email_reports = Outbox()
        self.sms_reports = Outbox()
        self.attempts = Attempts()
        self.operations = Operations()
        self.calls = CallLog()
        self.faults = Faults()
        self.registers = Registers(clock)
        self.conditions = Conditions()
        self.files = Files()

    def reset(self) -> None:
        """Back to the start: default settings, the seed, no messages, calls, faults, or reports on their way.

        The clock stays as it is turned: the service's own orders are of that time.
        """
        self.behaviour = self._behaviour_at_start
        for messages in (self.mailbox, self.phones):
            messages.clear()
        for part in (self.email_reports, self.sms_reports, self.attempts, self.operations, self.calls, self.faults):
            part.clear()
        self.registers.clear()
        self.conditions.clear()
        self.files.clear()

    def dump(self) -> dict[str, Any]:
        """A summary of everything, as `GET /sim/state` shows it."""
        return {
            "faults": self.faults.dump(),
            "mailbox": {"messages": len(self.mailbox), "reportsWaiting": len(self.email_reports)},
            "phones": {"messages": len(self.phones), "reportsWaiting": len(self.sms_reports)},
            "registers": self.registers.dump(),
            "conditions": len(self.conditions.by_name),
            "files": len(self.files.by_name),
        }


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
