"""The command that deletes the test traffic of one creator; it counts first, and refuses production."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Annotated

import typer

from altinn_notifications import logs
from altinn_notifications.cli.configuration import read_settings
from altinn_notifications.clock import SystemClock
from altinn_notifications.database.opening import opened
from altinn_notifications.database.pool import Database
from altinn_notifications.retention.test_traffic import Traffic, count_traffic, delete_traffic
from altinn_notifications.settings import DatabaseSettings, Environment

Creator = Annotated[str, typer.Option(help="Short name of the service owner whose orders go.")]
OlderThan = Annotated[int, typer.Option(min=0, max=36_500, help="Only orders registered more than so many days ago.")]
Yes = Annotated[bool, typer.Option("--yes", help="Delete; without it they are only counted.")]


def delete_test_traffic(creator: Creator, older_than: OlderThan = 90, *, yes: Yes = False) -> None:
    """Delete old orders of a creator that have ended, with everything that tells of them. Not in production."""
    settings = read_settings(os.environ)
    logs.configure("delete-test-traffic", level=settings.general.log_level, form=settings.general.log_format)
    if settings.general.environment is Environment.PRODUCTION:
        typer.secho("NOTIFICATIONS_ENVIRONMENT is production: nothing is deleted.", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)
    asyncio.run(_delete(settings.database, creator, timedelta(days=older_than), yes=yes))


async def _delete(settings: DatabaseSettings, creator: str, age: timedelta, *, yes: bool) -> None:
    before = SystemClock().now() - age
    async with opened(settings) as url:
        db = await Database.connect(url, pool_size=1)
        try:
            typer.echo(_counted(await count_traffic(db, creator, before=before)))
            if yes:
                typer.echo(f"{await delete_traffic(db, creator, before=before)} orders deleted.")
            else:
                typer.echo("Nothing is deleted without --yes.")
        finally:
            await db.close()


def _counted(traffic: Traffic) -> str:
    return f"{traffic.ended} orders have ended; {traffic.unfinished} have not, and stay."
