"""How the services we depend on answer our workers, as the workers themselves tell (spec 12, 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.database.pool import Database

WORKERS: Final = "SELECT number, dependencies FROM workers WHERE seen > $1 ORDER BY number"
WAITING: Final = """
    SELECT failing_dependency, count(*) AS orders, min(failing_since) AS since FROM order_states
    WHERE failing_dependency IS NOT NULL GROUP BY failing_dependency"""


@dataclass(frozen=True, slots=True)
class DependencyState:
    """One dependency, as all living workers together see it."""

    name: str
    answers: bool
    """False as soon as one worker has stopped asking it."""
    waiting_orders: int
    """Orders that it failed and that wait for it."""
    failing_since: datetime | None
    """When it failed the first of them, in UTC."""


async def dependency_states(db: Database, *, seen_since: datetime) -> list[DependencyState]:
    """Every dependency that a worker seen since then knows, by name."""
    workers = await db.fetch(WORKERS, seen_since)
    waiting = {row["failing_dependency"]: row for row in await db.fetch(WAITING)}
    names = sorted({name for row in workers for name in row["dependencies"]} | set(waiting))
    return [
        DependencyState(
            name,
            answers=all(row["dependencies"].get(name, "closed") == "closed" for row in workers),
            waiting_orders=waiting[name]["orders"] if name in waiting else 0,
            failing_since=waiting[name]["since"] if name in waiting else None,
        )
        for name in names
    ]
