"""Outages on demand: the next calls to a target fail in a chosen way (spec 13, 16)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.simulator.calls import Target

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mode(StrEnum):
    """How a call fails: with an error status, without any answer, or with an answer that makes no sense."""

    ERROR = "error"
    TIMEOUT = "timeout"
    GARBAGE = "garbage"


DEFAULT_STATUS: Final[Mapping[Target, int]] = {
    Target.SMS: 503,
    Target.SMTP: 451,
    Target.ACS: 503,
    Target.PROFILE: 503,
    Target.REGISTER: 503,
    Target.AUTHORIZATION: 503,
    Target.MASKINPORTEN: 503,
    Target.CONDITION: 503,
    Target.FILES: 503,
}
"""The targets that can fail, and the status of an error nobody chose: of HTTP, and of SMTP at `MAIL`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the next `count` calls to `target` meet."""

    target: Target
    mode: Mode
    status: int
    count: int


class Faults:
    """At most one fault per target."""

    def __init__(self) -> None:
        self._active: dict[Target, Fault] = {}

    def put(self, fault: Fault) -> None:
        """Let calls to the target fail from now on; a count of zero ends what was there."""
        self._active.pop(fault.target, None)
        if fault.count > 0:
            self._active[fault.target] = fault

    def take(self, target: Target) -> Fault | None:
        """The fault this call meets, if any; counts it."""
        fault = self._active.get(target)
        if fault is not None:
            self.put(replace(fault, count=fault.count - 1))
        return fault

    def dump(self) -> list[dict[str, Any]]:
        """Every fault that is still to come."""
        return [asdict(fault) for fault in self._active.values()]

    def clear(self) -> None:
        """End every fault."""
        self._active.clear()
