"""Submissions that the mail provider has taken, and how far it is with each."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import timedelta

    from altinn_notifications.channels.magic import EmailPlan

_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One submission that was taken; its times are seconds of the monotonic clock."""

    id: str
    plan: EmailPlan
    begun: float
    ends: float

    def dump(self) -> dict[str, Any]:
        """What is known of it now, as the provider says it."""
        status = self._status(time.monotonic())
        if status != "Failed":
            return {"id": self.id, "status": status}
        error = {"code": "EmailDroppedAllRecipientsSuppressed", "message": "All recipients are suppressed"}
        return {"id": self.id, "status": status, "error": error}

    def _status(self, now: float) -> str:
        if now < (self.begun + self.ends) / 2:
            return "NotStarted"
        if now < self.ends or self.plan.is_endless:
            return "Running"
        return "Failed" if self.is_suppressed else "Succeeded"

    @property
    def is_suppressed(self) -> bool:
        """Whether it ends without a mail, because nobody may be written to."""
        return self.plan.report == "Suppressed"


class Operations:
    """The newest operations by their ids."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Operation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    def begin(self, id_: str, plan: EmailPlan, *, lasting: timedelta) -> Operation:
        """Begin an operation, and forget the oldest one if there are too many."""
        now = time.monotonic()
        operation = self._by_id[id_] = Operation(id_, plan, now, now + lasting.total_seconds())
        if len(self._by_id) > _REMEMBERED:
            self._by_id.popitem(last=False)
        return operation

    def find(self, id_: str) -> Operation | None:
        """The operation with this id."""
        return self._by_id.get(id_)

    def clear(self) -> None:
        """Forget every operation."""
        self._by_id.clear()
