"""A year as a picture: a column for each month, made of a piece for each owner. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from altinn_notifications.tracking.monthly_metrics import Month, MonthFigures

OWNERS_SHOWN: Final = 5
OTHERS: Final = "all others"
WIDTH: Final = 720
HEIGHT: Final = 240
LEFT: Final = 92
TOP: Final = 12
BOTTOM: Final = 40
PLOT_HEIGHT: Final = HEIGHT - TOP - BOTTOM
STEP: Final = (WIDTH - LEFT) / 12
BAR: Final = 32.0
ROUND_STEPS: Final = (1, 2, 5, 10)
MOST_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """One owner's part of a month's column. `place` is the owner's in the legend, and so its colour."""

    owner: str
    place: int
    value: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One month, from the bottom up."""

    month: Month
    x: float
    pieces: tuple[Piece, ...]

    @property
    def total(self) -> int:
        """All owners together."""
        return sum(piece.value for piece in self.pieces)

    @property
    def middle(self) -> float:
        """Where its name stands."""
        return self.x + BAR / 2

    @property
    def names_its_year(self) -> bool:
        """Whether the year stands below: in January and below the first column."""
        return self.month.number == 1 or self.x < LEFT + STEP


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of every owner through a year."""

    name: str
    title: str
    owners: tuple[str, ...]
    """The legend, largest first; the others come together at its end."""
    columns: tuple[Column, ...]
    lines: tuple[tuple[int, float], ...]
    """Horizontal lines: the value each stands for, and its place."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.owners

    @property
    def summary(self) -> str:
        """What a person sees at a glance, in a sentence."""
        first, last = self.columns[0].month, self.columns[-1].month
        highest = max(self.columns, key=lambda column: column.total)
        return f"{self.title} by month and owner, {first} to {last}; most in {highest.month}: {spaced(highest.total)}."


def chart(name: str, title: str, year: Sequence[MonthFigures]) -> Chart:
    """The figure `name` of `OwnerFigures` through the months of `year`, which come oldest first."""
    values = [(figures.month, {owner.creator: getattr(owner, name) for owner in figures.owners}) for figures in year]
    owners = _legend([by_owner for _, by_owner in values])
    top, lines = _scale(max((sum(by_owner.values()) for _, by_owner in values), default=0))
    columns = tuple(
        Column(month, LEFT + STEP * index + (STEP - BAR) / 2, tuple(_pieces(by_owner, owners, top)))
        for index, (month, by_owner) in enumerate(values)
    )
    return Chart(name, title, owners, columns, lines)


def spaced(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", "\u00a0")


def _legend(months: Sequence[dict[str, int]]) -> tuple[str, ...]:
    totals: dict[str, int] = {}
    for month in months:
        for owner, value in month.items():
            totals[owner] = totals.get(owner, 0) + value
    largest = sorted((owner for owner, total in totals.items() if total), key=lambda owner: (-totals[owner], owner))
    if len(largest) <= OWNERS_SHOWN + 1:
        return tuple(largest)
    return (*largest[:OWNERS_SHOWN], OTHERS)


def _scale(highest: int) -> tuple[int, tuple[tuple[int, float], ...]]:
    """The value at the top of the plot, and round values below it with their lines."""
    power = 1
    while power * ROUND_STEPS[-1] * MOST_LINES < highest:
        power *= ROUND_STEPS[-1]
    step = next(power * step for step in ROUND_STEPS if power * step * MOST_LINES >= highest)
    top = max(step, -(-highest // step) * step)
    return top, tuple((value, _y(value, top)) for value in range(0, top + 1, step))


def _y(value: int, top: int) -> float:
    return round(TOP + PLOT_HEIGHT * (1 - value / top), 1)


def _pieces(by_owner: dict[str, int], owners: Sequence[str], top: int) -> Iterator[Piece]:
    shown = {owner: by_owner.get(owner, 0) for owner in owners if owner != OTHERS}
    if OTHERS in owners:
        shown[OTHERS] = sum(by_owner.values()) - sum(shown.values())
    below = 0
    for place, (owner, value) in enumerate(shown.items()):
        if value:
            y = _y(below + value, top)
            yield Piece(owner, place, value, y, round(_y(below, top) - y, 1))
        below += value
