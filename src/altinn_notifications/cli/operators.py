"""Commands for operators: delivery reports that found no message, and messages that no provider has taken yet.

They work on the database alone, so that they help also when nothing else runs. They print ids and reasons, never an
address or a text, unless the content of a report is asked for.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from uuid import UUID  # noqa: TC003 - typer reads it at run time

import typer
from rich.console import Console
from rich.table import Table

from altinn_notifications import logs
from altinn_notifications.cli.configuration import read_settings
from altinn_notifications.clock import SystemClock
from altinn_notifications.database.opening import opened
from altinn_notifications.database.pool import Database
from altinn_notifications.database.turned_clock import stored_offset
from altinn_notifications.database.wakeups import NOTIFICATIONS, Wakeups
from altinn_notifications.reports.dead import LARGEST_ID, Wanted, find_dead, list_dead
from altinn_notifications.reports.model import ReportSource
from altinn_notifications.reports.replay import Outcome, dismiss, replay
from altinn_notifications.sending.waiting import Waiting, list_waiting, send_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence
    from datetime import datetime

    from altinn_notifications.reports.dead import DeadReport

Result = TypeVar("Result")
MOST: Final = 10_000
SOURCES: Final = {source.name.lower().replace("_", "-"): source for source in ReportSource}

reports_app = typer.Typer(
    help="Delivery reports that could not be applied: list, look, try again.", no_args_is_help=True
)
sends_app = typer.Typer(help="Messages that no provider has taken yet: list, try now.", no_args_is_help=True)

FromId = Annotated[int, typer.Option(min=0, help="First id.")]
ToId = Annotated[int, typer.Option(min=0, help="The id behind the last one.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason, such as RETRY_THRESHOLD_EXCEEDED.")]
Source = Annotated[str | None, typer.Option(help=f"Only from this source: {', '.join(SOURCES)}.")]
Limit = Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")]


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a command works on: the database, and the time that all processes share (UTC)."""

    db: Database
    now: datetime


@asynccontextmanager
async def workplace() -> AsyncIterator[Workplace]:
    """The database that the settings name. Raises `DatabaseUnavailable` and `EmbeddedServerError`."""
    settings = read_settings(os.environ)
    logs.configure("operator", level="error", form=settings.general.log_format)
    async with opened(settings.database) as url:
        db = await Database.connect(url, pool_size=2)
        try:
            yield Workplace(db, SystemClock().now() + await stored_offset(db))
        finally:
            await db.close()


@reports_app.command("list")
def list_reports(
    *, from_id: FromId = 0, to_id: ToId = LARGEST_ID, reason: Reason = None, source: Source = None, limit: Limit = 100
) -> None:
    """List the unresolved ones, oldest first."""
    wanted = Wanted(from_id, to_id, reason, _source(source))

    async def work() -> Sequence[DeadReport]:
        async with workplace() as place:
            return await list_dead(place.db, wanted, limit=limit)

    _print_reports(_run(work()), limit)


@reports_app.command("show")
def show_report(
    report_id: Annotated[int, typer.Argument(metavar="ID")],
    *,
    content: Annotated[bool, typer.Option(help="Print what the provider said too; it may hold addresses.")] = False,
) -> None:
    """Show one of them, resolved or not."""

    async def work() -> DeadReport | None:
        async with workplace() as place:
            return await find_dead(place.db, report_id)

    dead = _run(work())
    if dead is None:
        typer.secho(f"{report_id}: {Outcome.MISSING}", err=True)
        raise typer.Exit(1)
    for name in ("id", "reason", "message", "attempts", "first_seen", "last_attempt", "is_resolved"):
        typer.echo(f"{name.replace('_', ' ')}: {getattr(dead, name)}")
    typer.echo(f"source: {_name_of(dead.source)}")
    if content:
        typer.echo(json.dumps(dead.content, ensure_ascii=False, indent=2))


@reports_app.command("replay")
def replay_reports(  # noqa: PLR0913 - one parameter per option
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
    *,
    from_id: FromId = 0,
    to_id: ToId = LARGEST_ID,
    reason: Reason = None,
    source: Source = None,
    limit: Limit = 1000,
) -> None:
    """Try these again, or without ids all that the options choose. Can be repeated without harm."""
    wanted = Wanted(from_id, to_id, reason, _source(source))

    async def work() -> dict[int, Outcome]:
        async with workplace() as place:
            chosen = ids or [dead.id for dead in await list_dead(place.db, wanted, limit=limit)]
            return await replay(place.db, chosen, now=place.now)

    outcomes = _run(work())
    for report_id, outcome in outcomes.items():
        typer.echo(f"{report_id}: {outcome}")
    applied = sum(outcome is Outcome.APPLIED for outcome in outcomes.values())
    typer.echo(f"{applied} of {len(outcomes)} applied.")


@reports_app.command("dismiss")
def dismiss_reports(ids: Annotated[list[int], typer.Argument(metavar="ID...")]) -> None:
    """Call these resolved without applying them."""

    async def work() -> int:
        async with workplace() as place:
            return await dismiss(place.db, ids)

    typer.echo(f"{_run(work())} dismissed.")


@sends_app.command("list")
def list_sends(*, limit: Limit = 100) -> None:
    """List the messages that wait for another try, and those that are held because their outcome is unknown."""

    async def work() -> list[Waiting]:
        async with workplace() as place:
            return await list_waiting(place.db, now=place.now, limit=limit)

    table = Table("Message", "Order", "Owner", "Lane", "Provider", "Tries", "Next try", "Why")
    for one in _run(work()):
        why = f"{one.reason or ''}{' (may have arrived)' if one.outcome_unknown else ''}"
        when = "held" if one.next_try is None else f"{one.next_try:%Y-%m-%d %H:%M:%SZ}"
        ids = str(one.notification_id), str(one.order_id)
        table.add_row(*ids, one.creator, one.lane, one.provider or "", str(one.attempts), when, why)
    _print(table)


@sends_app.command("retry")
def retry_sends(ids: Annotated[list[UUID], typer.Argument(metavar="MESSAGE...")]) -> None:
    """Try these at once instead of at their time. One whose outcome is unknown may then arrive twice."""

    async def work() -> list[UUID]:
        async with workplace() as place:
            chosen = await send_now(place.db, ids, now=place.now)
            if chosen:
                wakeups = Wakeups(place.db)
                wakeups.wake(NOTIFICATIONS)
                await wakeups.sent()
            return chosen

    chosen = _run(work())
    for one in ids:
        typer.echo(f"{one}: {'is tried now' if one in chosen else 'does not wait'}")
    if len(chosen) < len(set(ids)):
        raise typer.Exit(1)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)


def _source(name: str | None) -> ReportSource | None:
    if name is None:
        return None
    if name.lower() not in SOURCES:
        raise typer.BadParameter(f"'{name}' is none of {', '.join(SOURCES)}.", param_hint="--source")
    return SOURCES[name.lower()]


def _name_of(source: ReportSource) -> str:
    return source.name.lower().replace("_", "-")


def _print_reports(found: Sequence[DeadReport], limit: int) -> None:
    table = Table("Id", "Source", "Reason", "Since", "Tries", "What")
    for dead in found:
        since = f"{dead.first_seen:%Y-%m-%d %H:%M:%SZ}"
        table.add_row(
            str(dead.id), _name_of(dead.source), dead.reason or "", since, str(dead.attempts), dead.message or ""
        )
    _print(table)
    if len(found) == limit:
        typer.echo(f"The first {limit}; there may be more.")


def _print(table: Table) -> None:
    console = Console(highlight=False)
    # In a pipe a table is as wide as its content: ids that are cut are of no use to anybody.
    console.print(table, soft_wrap=True) if console.is_terminal else Console(width=400, highlight=False).print(table)
