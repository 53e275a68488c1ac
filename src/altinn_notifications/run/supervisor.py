"""Starts everything, keeps it running, and stops it in order."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import structlog
from rich.text import Text

from altinn_notifications.clock import SystemClock
from altinn_notifications.database.migrate import migrate
from altinn_notifications.database.opening import opened
from altinn_notifications.processes import when_database_answers
from altinn_notifications.run import welcome
from altinn_notifications.run.children import Child, ChildCannotStart, Program
from altinn_notifications.run.profile import has_simulator, local_profile
from altinn_notifications.settings import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from altinn_notifications.settings import Settings

API: Final = Program.ours("api", "cyan")
WORKER: Final = Program.ours("worker", "magenta")
SIMULATOR: Final = Program.ours("simulator", "yellow")
READINESS_PATH: Final = "/health/ready"
LOOK_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 30.0
log = structlog.get_logger()


async def run(settings: Settings, environment: Mapping[str, str], console: Console, stop: asyncio.Event) -> int:
    """Everything in one terminal until `stop` is set; the exit code.

    Raises `EmbeddedServerError` and `UnsupportedServer`.
    """
    async with opened(settings.database) as url:
        await when_database_answers(lambda: _migrate(url), stop)
        if stop.is_set():
            return 0
        return await _run_children(settings, _environment(settings, environment, url), console, stop)


async def _migrate(url: str) -> None:
    for migration in await migrate(url):
        log.info("migration_applied", migration=migration.name)


def _environment(settings: Settings, given: Mapping[str, str], url: str) -> dict[str, str]:
    profile: dict[str, str] = {}
    if settings.general.environment is Environment.LOCAL:
        keys = settings.simulator.keys_directory or settings.database.directory.absolute().parent / "simulator-keys"
        profile = local_profile(given, keys_directory=keys, now=SystemClock().now())
    return {**given, **profile, "NOTIFICATIONS_DATABASE_URL": url}


async def _run_children(
    settings: Settings, environment: Mapping[str, str], console: Console, stop: asyncio.Event
) -> int:
    def show(program: Program, line: str) -> None:
        console.print(Text.assemble((f"{program.name:>9} │ ", program.colour), Text.from_ansi(line)), soft_wrap=True)

    colours = {"FORCE_COLOR": "1"} if console.is_terminal else {}
    programs = [API, WORKER, *([SIMULATOR] if has_simulator(settings) else [])]
    children = [Child(program, {**environment, **colours}, show) for program in programs]
    lives = [asyncio.create_task(child.keep_alive()) for child in children]
    greeting = asyncio.create_task(_greet_when_ready(settings, console))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *lives], return_when=asyncio.FIRST_COMPLETED)
    for task in (greeting, stopped):
        task.cancel()
    for child in children:
        await child.stop()
    results = await asyncio.gather(*lives, return_exceptions=True)
    return 2 if any(isinstance(result, ChildCannotStart) for result in results) else 0


async def _greet_when_ready(settings: Settings, console: Console) -> None:
    addresses = welcome.Addresses.of(settings)
    places = [addresses.api + READINESS_PATH, *([addresses.platform + "/"] if has_simulator(settings) else [])]
    async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
        for place in places:
            await _until_ready(http, place)
    curl = shutil.which("curl") is not None
    welcome.show(console, settings, command=how_this_is_called(), curl=curl)


async def _until_ready(http: httpx.AsyncClient, url: str) -> None:
    waited = 0.0
    while not await _is_ready(http, url):
        await asyncio.sleep(LOOK_SECONDS)
        waited += LOOK_SECONDS
        if waited >= PATIENCE_SECONDS:
            log.warning("still_waiting", url=url)
            waited = 0.0


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    with suppress(httpx.HTTPError):
        return (await http.get(url)).status_code == httpx.codes.OK
    return False


def how_this_is_called() -> str:
    """The command of this program as the user can type it in the present folder."""
    script = Path(sys.executable).parent / "altinn-notifications"
    found = shutil.which("altinn-notifications")
    if found is not None and Path(found).samefile(script):
        return "altinn-notifications"
    if not script.exists():
        return f"{sys.executable} -m altinn_notifications"
    return os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script)
