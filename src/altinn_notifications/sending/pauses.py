"""Until when a provider is left alone (spec 08, 10.3). A pause is only ever prolonged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database

EXTEND: Final = """
    INSERT INTO provider_pauses (provider, paused_until, reason) VALUES ($1, $2, $3)
    ON CONFLICT (provider) DO UPDATE SET paused_until = excluded.paused_until, reason = excluded.reason
    WHERE provider_pauses.paused_until < excluded.paused_until"""
UNTIL: Final = "SELECT paused_until FROM provider_pauses WHERE provider = $1"
CLEAR: Final = "DELETE FROM provider_pauses WHERE provider = $1 AND paused_until <= $2"


async def extend_pause(connection: Connection, provider: str, until: datetime, reason: str) -> None:
    """Pause `provider` until `until` (UTC), unless it is paused for longer already."""
    await connection.execute(EXTEND, provider, until, reason)


async def paused_until(db: Database, provider: str, *, now: datetime) -> datetime | None:
    """The end of the present pause; None when there is none. A pause that is over is cleared."""
    until: datetime | None = await db.fetchval(UNTIL, provider)
    if until is not None and until <= now:
        await db.execute(CLEAR, provider, now)
        return None
    return until
