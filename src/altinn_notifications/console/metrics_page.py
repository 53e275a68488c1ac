"""What the metrics page shows: the form, the figures of a month, and pictures of the year that ends with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.console.metrics_chart import chart
from altinn_notifications.tracking.monthly_metrics import Month

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altinn_notifications.console.metrics_chart import Chart
    from altinn_notifications.tracking.monthly_metrics import MonthFigures

YEARS_OFFERED: Final = 6
COLUMNS: Final = {
    "creator": "Organization",
    "orders": "Total orders",
    "emails": "Total email notifications",
    "successful_emails": "Successful email notifications",
    "sms_segments": "Total SMS notifications",
    "successful_sms": "Successful SMS notifications",
}
"""The heading of each figure, in the order of the columns (spec 07, 2.1)."""
CHARTED: Final = {"orders": "Orders", "emails": "Email notifications", "sms_segments": "SMS notifications"}


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The page of one moment; `shown` is the month that was asked for, if one was."""

    shown: MonthFigures | None
    month_names: Sequence[tuple[int, str]]
    years: Sequence[int]
    charts: Sequence[Chart]
    console: str | None
    """Where the console is, if it is served."""

    @property
    def columns(self) -> Sequence[str]:
        """The headings of the table."""
        return list(COLUMNS.values())

    @property
    def rows(self) -> list[list[str | int]]:
        """The cells of the table, in the order of the columns."""
        return cells(self.shown)

    @property
    def totals(self) -> list[int]:
        """The sum of every column but the first, when there are rows."""
        _, *figures = zip(*self.rows, strict=True)
        return [sum(map(int, figure)) for figure in figures]


def metrics_page(year: Sequence[MonthFigures], *, is_asked: bool, this_year: int, has_console: bool) -> MetricsPage:
    """The page with charts of `year`; with `is_asked` also the figures of its last month."""
    return MetricsPage(
        shown=year[-1] if is_asked else None,
        month_names=[(number, f"{Month(this_year, number).first_day:%B}") for number in range(1, 13)],
        years=[this_year - back for back in range(YEARS_OFFERED)],
        charts=[chart(name, title, year) for name, title in CHARTED.items()],
        console="/" if has_console else None,
    )


def cells(shown: MonthFigures | None) -> list[list[str | int]]:
    """One list for each owner, in the order of `COLUMNS`."""
    return [[getattr(owner, name) for name in COLUMNS] for owner in (shown.owners if shown else ())]
