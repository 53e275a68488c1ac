"""What is going on now, read so that it stays cheap with millions of rows.

Only unfinished rows are counted, through partial indexes and only up to a bound; of what is finished there is the last
hour, found by time, and PostgreSQL's own estimate of how many orders there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.orders.storage import load_orders
from altinn_notifications.presence import SILENCE
from altinn_notifications.processing.deadline import order_deadline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.processing.expiry import SendWindow

COUNTED_AT_MOST: Final = 10_000
SENT_COUNTED_AT_MOST: Final = 250_000
LANES: Final = ("email", "composed", "sms-anytime", "sms-daytime")
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
ENDING_GRACE: Final = timedelta(minutes=20)
"""What has expired is ended within this time: 300 s of grace and 15 minutes between two rounds (spec 08, 13)."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number that was counted up to a bound; `is_more` tells that there are more."""

    value: int
    is_more: bool = False

    def __str__(self) -> str:
        return f"{self.value:,}".replace(",", "\u00a0") + ("+" if self.is_more else "")

    def __bool__(self) -> bool:
        return self.value > 0


@dataclass(frozen=True, slots=True)
class OldestOrder:
    """The unfinished order that has been due for the longest time."""

    id: UUID
    status: str
    requested_send_time: datetime
    deadline: datetime
    """When it should have ended at the latest, but for the grace of the last clean-up."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The service at one moment (`at`, in UTC)."""

    at: datetime
    scheduled: Count
    """Orders whose time has not come."""
    due: Count
    """Orders whose time has come and that no worker has taken."""
    processing: Count
    sending: Count
    """Orders with messages that are not final."""
    known_orders: int
    """About how many orders there are in all."""
    lanes: Mapping[str, Count]
    """Messages that wait to be sent, by lane."""
    with_providers: Count
    """Messages that are being handed over, or were and have not been reported on."""
    oldest: OldestOrder | None
    sent_last_minute: Count
    sent_last_hour: Count
    ended_last_hour: Count
    """Orders that ended in the last hour."""
    dead_reports: Count
    workers: int

    @property
    def is_overdue(self) -> bool:
        """Whether the oldest unfinished order should have ended."""
        return self.oldest is not None and self.at > self.oldest.deadline + ENDING_GRACE

    @property
    def oldest_age(self) -> timedelta:
        """For how long the oldest unfinished order has been due; zero if its time has not come or there is none."""
        if self.oldest is None:
            return timedelta()
        return max(timedelta(), self.at - self.oldest.requested_send_time)


COUNTED_NOW: Final = ("scheduled", "due", "processing", "sending", "dead_reports")
COUNT_NOW: Final = """
    SELECT
    (SELECT count(*) FROM (SELECT FROM order_states
        WHERE status = 'Registered' AND requested_send_time > $1 LIMIT $3) AS few) AS scheduled,
    (SELECT count(*) FROM (SELECT FROM order_states
        WHERE status = 'Registered' AND requested_send_time <= $1 LIMIT $3) AS few) AS due,
    (SELECT count(*) FROM (SELECT FROM order_states WHERE status = 'Processing' LIMIT $3) AS few) AS processing,
    (SELECT count(*) FROM (SELECT FROM order_states WHERE status = 'Processed' LIMIT $3) AS few) AS sending,
    (SELECT count(*) FROM (SELECT FROM dead_delivery_reports WHERE NOT resolved LIMIT $3) AS few) AS dead_reports,
    (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'orders'::regclass) AS known_orders,
    (SELECT count(*) FROM workers WHERE seen > $2) AS workers"""

# Messages are claimed in the order of their creation, so those that are with a provider expire first: an excerpt of the
# oldest pending ones holds them.
COUNT_PENDING: Final = """
    SELECT count(*) AS pending, count(*) FILTER (WHERE result <> 'New') AS with_providers
    FROM (SELECT result FROM notification_states WHERE result IN ('New', 'Sending', 'Succeeded', 'Accepted')
          ORDER BY expiry LIMIT $1) AS oldest"""

COUNT_LANES: Final = """
    SELECT lane, (SELECT count(*) FROM (SELECT FROM notification_states n
        WHERE n.result = 'New' AND n.lane = lanes.lane LIMIT $2) AS few) AS waiting
    FROM unnest($1::text[]) AS lanes (lane)"""

COUNT_SENT: Final = """
    SELECT count(*) FROM (SELECT FROM events WHERE at > $1 AND kind = 'send-accepted' LIMIT $2) AS few"""

COUNT_ENDED: Final = """
    SELECT (SELECT count(*) FROM (SELECT FROM status_feed WHERE created > $1 LIMIT $2) AS few)
         + (SELECT count(*) FROM (SELECT FROM status_feed_outbox WHERE created > $1 LIMIT $2) AS few)"""

FIND_OLDEST: Final = """
    SELECT oldest.* FROM unnest(ARRAY['Registered', 'Processing', 'Processed']) AS wanted (status)
    CROSS JOIN LATERAL (
        SELECT order_id AS id, s.status, requested_send_time FROM order_states s
        WHERE s.status = wanted.status AND s.status IN ('Registered', 'Processing', 'Processed')
        ORDER BY requested_send_time, order_id LIMIT 1) AS oldest
    ORDER BY requested_send_time, id LIMIT 1"""


async def read_overview(db: Database, *, now: datetime, window: SendWindow) -> Overview:
    """The service at `now` (UTC); `window` is when daytime SMS may leave. Raises `DatabaseUnavailable`."""
    async with db.connection() as connection:
        counted = await _row(connection, COUNT_NOW, now, now - SILENCE, COUNTED_AT_MOST + 1)
        return Overview(
            at=now,
            **{name: _count(counted[name], COUNTED_AT_MOST) for name in COUNTED_NOW},
            known_orders=counted["known_orders"],
            workers=counted["workers"],
            lanes=await _count_lanes(connection),
            with_providers=await _count_with_providers(connection),
            oldest=await _find_oldest(connection, window),
            sent_last_minute=await _count_sent(connection, now - MINUTE),
            sent_last_hour=await _count_sent(connection, now - HOUR),
            ended_last_hour=await _count_ended(connection, now - HOUR),
        )


def _count(number: int, bound: int) -> Count:
    return Count(min(number, bound), is_more=number > bound)


async def _count_lanes(connection: Connection) -> dict[str, Count]:
    rows = await connection.fetch(COUNT_LANES, LANES, COUNTED_AT_MOST + 1)
    return {row["lane"]: _count(row["waiting"], COUNTED_AT_MOST) for row in rows}


async def _count_with_providers(connection: Connection) -> Count:
    row = await _row(connection, COUNT_PENDING, COUNTED_AT_MOST + 1)
    return Count(row["with_providers"], is_more=row["pending"] > COUNTED_AT_MOST)


async def _count_ended(connection: Connection, since: datetime) -> Count:
    return _count(await connection.fetchval(COUNT_ENDED, since, COUNTED_AT_MOST + 1), COUNTED_AT_MOST)


async def _count_sent(connection: Connection, since: datetime) -> Count:
    number = await connection.fetchval(COUNT_SENT, since, SENT_COUNTED_AT_MOST + 1)
    return _count(number, SENT_COUNTED_AT_MOST)


async def _row(connection: Connection, query: str, *args: Any) -> asyncpg.Record:
    row = await connection.fetchrow(query, *args)
    if row is None:
        raise RuntimeError("a statement that always gives one row gave none")
    return row


async def _find_oldest(connection: Connection, window: SendWindow) -> OldestOrder | None:
    row = await connection.fetchrow(FIND_OLDEST)
    if row is None:
        return None
    orders = await load_orders(connection, [row["id"]])
    return OldestOrder(**row, deadline=order_deadline(orders[row["id"]], window))
