"""Measured figures: percentiles, the table in which they stand, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

GIGABYTE: Final = 1024**3
MEGABYTE: Final = 1024**2
MILLISECOND: Final = 0.001


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `bare` is the bare tool's figure for the same thing, `aim` what the service is held to."""

    what: str
    value: float
    unit: str
    bare: float | None = None
    bare_tool: str = ""
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """How many pieces of work were done in how many seconds, and how long (milliseconds) one of them took."""

    count: int
    seconds: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, latencies: Sequence[float], seconds: float) -> Measurement:
        """Of pieces that took `latencies` seconds each, in `seconds` altogether."""
        p50, p95, p99 = (percentile(latencies, percent) / MILLISECOND for percent in (50, 95, 99))
        return cls(len(latencies), seconds, p50, p95, p99)

    @property
    def per_second(self) -> float:
        """Pieces of work a second."""
        return self.count / self.seconds if self.seconds else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed; 0 when there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def table(title: str, figures: Sequence[Figure]) -> Table:
    """The figures as they are printed; the ratio is ours to the bare tool's."""
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column("What")
    for column in ("Here", "Bare", "Ratio"):
        made.add_column(column, justify="right")
    made.add_column("The bare tool")
    made.add_column("Aim")
    for figure in figures:
        made.add_row(*_cells(figure))
    return made


def machine() -> str:
    """What was measured on, without anything that tells which machine it is."""
    memory = psutil.virtual_memory().total / GIGABYTE
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} on {platform.machine()}, "
        f"Python {platform.python_version()}, load before the start {load:.1f}"
    )


def _cells(figure: Figure) -> tuple[str, ...]:
    bare = "" if figure.bare is None else _number(figure.bare, figure.unit)
    ratio = f"{figure.value / figure.bare:.2f}" if figure.bare else ""
    return figure.what, _number(figure.value, figure.unit), bare, ratio, figure.bare_tool, figure.aim


def _number(value: float, unit: str) -> str:
    digits = 1 if unit == "ms" and value < 100 else 0  # noqa: PLR2004 - three digits say enough
    return f"{value:,.{digits}f} {unit}"
