"""How much every owner ordered and sent, by month: read from a rollup that is exact at every moment (spec 07, 2.1).

Whatever changes a figure writes the difference to `metrics_changes` in its own transaction (migration 0007 has the
triggers). `fold` adds differences to the owner's day in `metrics_days`; readers add up both tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Database, Row

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 9998
MONTHS_OF_A_YEAR: Final = 12
FOLDED_AT_ONCE: Final = 20_000

# Additions commute, and rows that somebody else is folding are passed over: any number of workers may do this at once.
FOLD: Final = """
    WITH taken AS (
        DELETE FROM metrics_changes WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM metrics_changes LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING day, creator, orders, emails, successful_emails, sms_segments, successful_sms
    ), folded AS (
        INSERT INTO metrics_days AS known
            (day, creator, orders, emails, successful_emails, sms_segments, successful_sms)
        SELECT day, creator, sum(orders), sum(emails), sum(successful_emails), sum(sms_segments), sum(successful_sms)
        FROM taken GROUP BY day, creator ORDER BY day, creator
        ON CONFLICT (day, creator) DO UPDATE SET orders = known.orders + excluded.orders,
            emails = known.emails + excluded.emails,
            successful_emails = known.successful_emails + excluded.successful_emails,
            sms_segments = known.sms_segments + excluded.sms_segments,
            successful_sms = known.successful_sms + excluded.successful_sms
    )
    SELECT count(*) FROM taken"""

READ: Final = """
    SELECT date_trunc('month', day::timestamp)::date AS month, creator, sum(orders)::bigint AS orders,
           sum(emails)::bigint AS emails, sum(successful_emails)::bigint AS successful_emails,
           sum(sms_segments)::bigint AS sms_segments, sum(successful_sms)::bigint AS successful_sms
    FROM (SELECT * FROM metrics_days WHERE day >= $1 AND day < $2
          UNION ALL SELECT * FROM metrics_changes WHERE day >= $1 AND day < $2) AS counted
    GROUP BY 1, 2 HAVING sum(orders) > 0 ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int
    """1 to 12."""

    @classmethod
    def of(cls, moment: datetime | date) -> Month:
        """The month of a moment in UTC, or of a day."""
        return cls(moment.year, moment.month)

    def __str__(self) -> str:
        return f"{self.first_day:%B %Y}"

    @property
    def first_day(self) -> date:
        """The day it begins with."""
        return date(self.year, self.number, 1)

    def later(self, months: int) -> Month:
        """The month so many months later, or earlier."""
        year, index = divmod(self.year * MONTHS_OF_A_YEAR + self.number - 1 + months, MONTHS_OF_A_YEAR)
        return Month(year, index + 1)


@dataclass(frozen=True, slots=True)
class OwnerFigures:
    """What one owner ordered to be sent in one month, and what became of it."""

    creator: str
    orders: int
    """Whatever their status."""
    emails: int
    successful_emails: int
    """`Succeeded` or `Delivered`."""
    sms_segments: int
    """What is paid for: a long SMS counts as several."""
    successful_sms: int
    """SMS, not segments, that are `Accepted` or `Delivered`."""


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """The owners that had orders in a month, by name."""

    month: Month
    owners: tuple[OwnerFigures, ...]


async def fold(db: Database, *, limit: int = FOLDED_AT_ONCE) -> int:
    """Add at most `limit` differences to the days they belong to, and return how many."""
    return int(await db.fetchval(FOLD, limit))


async def fold_all(db: Database) -> None:
    """Fold until hardly anything is left."""
    while await fold(db) == FOLDED_AT_ONCE:
        pass


async def read_year_until(db: Database, last: Month) -> list[MonthFigures]:
    """The figures of `last` and the eleven months before it, oldest first, as they are at this moment."""
    months = [last.later(back) for back in range(1 - MONTHS_OF_A_YEAR, 1)]
    rows = await db.fetch(READ, months[0].first_day, last.later(1).first_day)
    by_month = groupby(rows, key=lambda row: Month.of(row["month"]))
    found = {month: tuple(map(_figures, group)) for month, group in by_month}
    return [MonthFigures(month, found.get(month, ())) for month in months]


def _figures(row: Row) -> OwnerFigures:
    return OwnerFigures(**{name: value for name, value in row.items() if name != "month"})
