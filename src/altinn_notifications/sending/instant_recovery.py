"""What becomes of an instant message whose process stopped on the way (spec 08, 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications import events
from altinn_notifications.events import Event, Kind
from altinn_notifications.orders.instant_reservations import lock_ended, publish, release
from altinn_notifications.sending.attempts import count_unknown

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database, Row

BATCH: Final = 200


async def resolve_ended(db: Database, *, now: datetime) -> int:
    """Resolve the reservations whose lease has ended at `now` (UTC), and return their number.

    One whose provider was not called goes away, so that its id is free. One that may have been sent becomes visible:
    its message stays `Sending`, is not repeated, and ends with its report or its expiry.
    """
    resolved = 0
    while True:
        async with db.transaction() as connection:
            ended = await lock_ended(connection, now=now, limit=BATCH)
            await release(connection, [row["chain_id"] for row in ended if row["called"] is None])
            unknown = await _publish_unknown(connection, [row for row in ended if row["called"] is not None], now)
        count_unknown(row["channel"] for row in unknown)
        resolved += len(ended)
        if len(ended) < BATCH:
            return resolved


async def _publish_unknown(connection: Connection, called: list[Row], now: datetime) -> list[Row]:
    rows = await publish(connection, [row["chain_id"] for row in called], now=now, outcome_unknown=True)
    await events.record(connection, [_event(row, now) for row in rows])
    return rows


def _event(row: Row, now: datetime) -> Event:
    detail = {
        "provider": row["provider"],
        "attempt": 1,
        "started": row["called"].isoformat(),
        "reason": "process stopped during the call",
        "next": "end",
    }
    return Event(row["order_id"], row["notification_id"], now, Kind.SEND_UNKNOWN, detail)
