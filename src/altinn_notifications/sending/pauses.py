"""Until when a provider is left alone, or one sender's domain at it (spec 07, 5 and spec 08, 10.3).

A pause is only ever prolonged, except by an operator. Its row outlives its end: it goes away when the provider has
answered, and until then one message at a time finds out. Who made the call writes it with the outcome: there is no
message between parts of the service that asks for a pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.pool import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database

EXTEND: Final = """
    INSERT INTO provider_pauses AS p (provider, domain, paused_until, reason, misconfigured)
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::boolean[])
    ON CONFLICT (provider, domain) DO UPDATE SET paused_until = greatest(p.paused_until, excluded.paused_until),
        reason = excluded.reason, misconfigured = p.misconfigured OR excluded.misconfigured
    WHERE p.paused_until < excluded.paused_until OR (excluded.misconfigured AND NOT p.misconfigured)"""
READ: Final = "SELECT provider, domain, paused_until AS until, reason, misconfigured FROM provider_pauses"
CLEAR: Final = """
    DELETE FROM provider_pauses p USING unnest($1::text[], $2::text[]) AS u (provider, domain)
    WHERE p.provider = u.provider AND p.domain = u.domain AND p.paused_until <= $3"""
RESUME: Final = "UPDATE provider_pauses SET paused_until = $2 WHERE provider = $1 AND paused_until > $2"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is handed to `provider` before `until` (UTC), or nothing from `domain` unless that is empty."""

    provider: str
    until: datetime
    reason: str
    domain: str = ""
    misconfigured: bool = False
    """Whether somebody must mend something."""


async def extend_pauses(connection: Connection, pauses: Iterable[Pause]) -> None:
    """Pause what `pauses` name, unless it is paused for longer already."""
    longest = {(pause.provider, pause.domain): pause for pause in sorted(pauses, key=lambda pause: pause.until)}
    if longest:
        # In one order everywhere, so that two groups that pause the same cannot wait for each other.
        rows = ((p.provider, p.domain, p.until, p.reason, p.misconfigured) for _, p in sorted(longest.items()))
        await connection.execute(EXTEND, *columns(rows))


async def read_pauses(db: Connection | Database) -> list[Pause]:
    """Every pause, also those that are over and wait for an answer."""
    return [Pause(**row) for row in await db.fetch(READ)]


async def clear_pauses(connection: Connection, answered: Sequence[tuple[str, str]], *, now: datetime) -> None:
    """End the pauses of these pairs of provider and domain that are over at `now`: there was an answer."""
    if answered:
        await connection.execute(CLEAR, *columns(sorted(set(answered))), now)


async def resume(db: Database, provider: str, *, now: datetime) -> bool:
    """Let `provider` be tried at once, with one message; False when nothing of it pauses."""
    return await db.execute(RESUME, provider, now) != "UPDATE 0"
