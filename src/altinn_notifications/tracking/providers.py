"""How the providers are: what the database knows of their pauses, and how fast they answer the workers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from altinn_notifications.sending.pauses import Pause, read_pauses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from altinn_notifications.database.pool import Database

SPEEDS: Final = "SELECT providers FROM workers WHERE seen > $1"


class Condition(StrEnum):
    """What is the matter with a provider, if anything."""

    OK = "ok"
    SLOW = "slow"
    """It answers most calls of some worker slowly; others are preferred, if there are any."""
    PAUSED = "paused"
    PROBING = "probing"
    """Its pause is over, and one message at a time finds out whether it is well."""
    MISCONFIGURED = "misconfigured"
    """Somebody must mend something; one message tries it now and then."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One provider, as all living workers together see it."""

    name: str
    condition: Condition
    pause: Pause | None = None
    """Its pause, also one that is over and waits for an answer."""
    domains: tuple[Pause, ...] = ()
    """The pauses that concern one sender domain each."""

    @property
    def is_misconfigured(self) -> bool:
        """Whether somebody must mend something, for all senders or for one."""
        return any(pause.misconfigured for pause in (*self.domains, *filter(None, [self.pause])))


async def provider_states(db: Database, *, now: datetime, seen_since: datetime) -> list[ProviderState]:
    """Every provider that has a pause or that a worker seen since then uses, by name."""
    speeds: dict[str, set[str]] = {}
    for row in await db.fetch(SPEEDS, seen_since):
        for name, speed in row["providers"].items():
            speeds.setdefault(name, set()).add(speed)
    pauses = await read_pauses(db)
    names = sorted(speeds.keys() | {pause.provider for pause in pauses})
    return [_state(name, speeds.get(name, set()), [p for p in pauses if p.provider == name], now) for name in names]


def _state(name: str, speeds: set[str], pauses: Sequence[Pause], now: datetime) -> ProviderState:
    whole = next((pause for pause in pauses if not pause.domain), None)
    domains = tuple(sorted((pause for pause in pauses if pause.domain), key=lambda pause: pause.domain))
    return ProviderState(name, _condition(whole, speeds, now), whole, domains)


def _condition(pause: Pause | None, speeds: set[str], now: datetime) -> Condition:
    if pause is None:
        return Condition.SLOW if "slow" in speeds else Condition.OK
    if pause.misconfigured:
        return Condition.MISCONFIGURED
    return Condition.PAUSED if pause.until > now else Condition.PROBING
