"""Commands for operators: how the providers are, and trying one at once that was mended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from altinn_notifications.cli.operators import workplace
from altinn_notifications.database.wakeups import NOTIFICATIONS, Wakeups
from altinn_notifications.presence import SILENCE
from altinn_notifications.sending.pauses import resume
from altinn_notifications.tracking.providers import provider_states

if TYPE_CHECKING:
    from altinn_notifications.sending.pauses import Pause
    from altinn_notifications.tracking.providers import ProviderState

app = typer.Typer(help="Who carries messages: how they are, and trying one again now.", no_args_is_help=True)


@app.command("list")
def list_providers() -> None:
    """List the providers of the running workers, and those that pause."""

    async def work() -> list[ProviderState]:
        async with workplace() as place:
            return await provider_states(place.db, now=place.now, seen_since=place.now - SILENCE)

    states = asyncio.run(work())
    for state in states:
        typer.echo(f"{state.name}: {state.condition}{_explained(state.pause)}")
        for pause in state.domains:
            typer.echo(f"  {pause.domain}: {'misconfigured' if pause.misconfigured else 'paused'}{_explained(pause)}")
    if not states:
        typer.echo("No worker runs, and nothing pauses.")


@app.command("resume")
def resume_provider(name: str) -> None:
    """Let one message try NAME now, and all others follow if it is taken."""

    async def work() -> bool:
        async with workplace() as place:
            resumed = await resume(place.db, name, now=place.now)
            if resumed:
                wakeups = Wakeups(place.db)
                wakeups.wake(NOTIFICATIONS)
                await wakeups.sent()
            return resumed

    if not asyncio.run(work()):
        typer.secho(f"Nothing of {name} pauses.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{name} is tried with the next message.")


def _explained(pause: Pause | None) -> str:
    return "" if pause is None else f", next try {pause.until:%Y-%m-%d %H:%M:%SZ} or later: {pause.reason}"
