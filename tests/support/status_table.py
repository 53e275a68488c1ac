"""The table of `docs/testing.md` that tells for every status who reaches it, as values that tests can try."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "testing.md"
ROW: Final = re.compile(r"^\| `((?:Order|Email|SMS)_\w+)` \| ([^|]*) \| ([^|]*) \| ?([^|]*) \|$", re.MULTILINE)
QUOTED: Final = re.compile(r"`([^`]+)`")
ANY: Final = "any"


@dataclass(frozen=True)
class Row:
    """One way to a status. `recipients` and `persons` are as written; `ANY` alone means that it does not matter who."""

    status: str
    recipients: tuple[str, ...]
    persons: tuple[str, ...]
    how: str

    @property
    def channel(self) -> str:
        """`Order`, `Email` or `SMS`."""
        return self.status.partition("_")[0]

    @property
    def everybody(self) -> tuple[str, ...]:
        """Whoever is named."""
        return tuple(who for who in (*self.recipients, *self.persons) if who != ANY)


def rows() -> list[Row]:
    """Every row, in the order of the page."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return [Row(status, _named(recipients), _named(persons), how) for status, recipients, persons, how in found]


def _named(cell: str) -> tuple[str, ...]:
    return (ANY,) if cell == ANY else tuple(QUOTED.findall(cell))
