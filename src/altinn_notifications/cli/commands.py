"""The commands. Each reads the settings, starts one thing, and turns what can go wrong into a sentence."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import asyncpg
import httpx
import structlog
import typer
from rich.console import Console
from rich.text import Text

from altinn_notifications import __version__, logs, processes
from altinn_notifications.channels.email.dkim_signing import DkimUnavailable
from altinn_notifications.cli import operators, providers, send
from altinn_notifications.cli.configuration import WrongSettings, all_settings, read_settings
from altinn_notifications.cli.test_traffic import delete_test_traffic
from altinn_notifications.clock import SystemClock, TurnableClock
from altinn_notifications.database.embedded import EmbeddedServerError
from altinn_notifications.database.migrate import UnsupportedServer, migrate
from altinn_notifications.database.opening import opened
from altinn_notifications.database.partitions import make_ahead
from altinn_notifications.database.pool import Database, DatabaseUnavailable, describe
from altinn_notifications.run import lifeline, ports, supervisor
from altinn_notifications.run.profile import has_simulator
from altinn_notifications.run.welcome import Addresses
from altinn_notifications.settings import Contradiction, Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import Settings

    Serve = Callable[[Settings, Clock, str, asyncio.Event], Coroutine[Any, Any, None]]

WRONG_SETTINGS: Final = 2
log = structlog.get_logger()
SETTINGS_PAGE: Final = "docs/settings.md"
app = typer.Typer(
    help="Email and SMS from public agencies: order, send at the right time, follow to the end.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show the values of variables
)
send_app = typer.Typer(help="Send one message and watch it arrive.", no_args_is_help=True)
app.add_typer(send_app, name="send")
app.add_typer(providers.app, name="providers")
app.add_typer(operators.reports_app, name="reports")
app.add_typer(operators.sends_app, name="sends")

Org = Annotated[str, typer.Option(help="Short name of the service owner who sends.")]
Wait = Annotated[bool, typer.Option(help="Follow the message until its status is final.")]


def main() -> None:
    """The console command. Ends the process: 0 is success, 1 a failure in the world, 2 a mistake in the settings."""
    logs.configure("altinn-notifications")
    try:
        app()
    except WrongSettings as error:
        _say(*error.mistakes, f"All settings: {SETTINGS_PAGE}")
        sys.exit(WRONG_SETTINGS)
    except Contradiction as error:
        _say(str(error), f"All settings: {SETTINGS_PAGE}")
        sys.exit(WRONG_SETTINGS)
    except (EmbeddedServerError, UnsupportedServer, DkimUnavailable, send.SendFailed) as error:
        _give_up(str(error))
    except (DatabaseUnavailable, asyncpg.PostgresError) as error:
        reason = describe(error.__cause__ or error)
        _give_up(f"The database cannot be used: {reason}", "NOTIFICATIONS_DATABASE_URL says which one it is.")
    except OSError as error:
        _give_up(f"{error.strerror or type(error).__name__}: {error.filename or 'see above'}")
    except Exception as error:
        log.exception("unexpected_error", error=type(error).__name__)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,  # noqa: FBT002 - typer
) -> None:
    """What comes before every command."""
    if version:
        typer.echo(f"altinn-notifications {__version__}")
        raise typer.Exit


@app.command()
def run() -> None:
    """Start database, API, worker and local platform in this terminal."""
    settings = _settings("run")
    _demand(ports.of_api(settings) + (ports.of_simulator(settings) if has_simulator(settings) else []))
    console = Console(highlight=False)

    def everything(stop: asyncio.Event) -> Coroutine[Any, Any, int]:
        return supervisor.run(settings, os.environ, console, stop)

    raise typer.Exit(processes.run_until_stopped(everything))


@app.command()
def api() -> None:
    """Start an API process. While the database is away it answers that orders cannot be taken."""
    from altinn_notifications.server import serve_api  # noqa: PLC0415 - a process loads only what it runs

    settings = _settings("api")
    _demand(ports.of_api(settings))
    _serve(settings, serve_api)


@app.command()
def worker() -> None:
    """Start a worker process. Waits for the database if it is away."""
    from altinn_notifications.worker import run_worker  # noqa: PLC0415 - a process loads only what it runs

    _serve(_settings("worker"), run_worker)


@app.command()
def simulator() -> None:
    """Start the local platform: tokens, registers, SMS gateway, mailbox. Not in production."""
    from altinn_notifications.simulator.app import (  # noqa: PLC0415 - a process loads only what it runs
        SimulatorInProduction,
        serve,
    )

    settings = _settings("simulator")
    _demand(ports.of_simulator(settings))
    lifeline.hold()
    try:
        asyncio.run(serve(settings))
    except SimulatorInProduction as error:
        _give_up(str(error))


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database to this version's schema. Several may do so at once."""
    settings = _settings("migrate")

    async def work() -> None:
        async with opened(settings.database) as url:
            applied = await migrate(url)
            db = await Database.connect(url, pool_size=1)
            await make_ahead(db, SystemClock().now())
            await db.close()
        typer.echo("\n".join(f"Applied {migration.name}" for migration in applied) or "Nothing to apply.")

    asyncio.run(work())


app.command("delete-test-traffic")(delete_test_traffic)


@app.command("settings")
def settings_command() -> None:
    """List every setting with its value. Secrets are not shown."""
    console = Console(highlight=False)
    for setting in all_settings(read_settings(os.environ)):
        style = "" if setting.value == setting.default else "bold green"
        console.print(Text.assemble((setting.variable, "cyan"), "=", (setting.value, style)), soft_wrap=True)
        console.print(Text(f"    {setting.meaning}", style="dim"), soft_wrap=True)
    console.print(f"More: {SETTINGS_PAGE}")


@send_app.command("email")
def send_email(  # noqa: PLR0913 - one parameter per option
    address: str,
    *,
    subject: str = "Hello",
    body: str = "You have a new letter in Altinn.",
    org: Org = "ttd",
    sender: Annotated[str | None, typer.Option(help="From-address; unset: the service's own.")] = None,
    wait: Wait = True,
) -> None:
    """Send an email to ADDRESS."""
    _send(send.email_to(address, subject=subject, body=body, sender=sender), org=org, wait=wait)


@send_app.command("sms")
def send_sms(
    number: str,
    *,
    body: str = "You have a new letter in Altinn.",
    org: Org = "ttd",
    sender: Annotated[str | None, typer.Option(help="Sender on the handset; unset: the service's own.")] = None,
    wait: Wait = True,
) -> None:
    """Send an SMS to NUMBER, for example +4799999001, whatever the hour."""
    _send(send.sms_to(number, body=body, sender=sender), org=org, wait=wait)


def _settings(process: str) -> Settings:
    settings = read_settings(os.environ)
    logs.configure(process, level=settings.general.log_level, form=settings.general.log_format)
    return settings


def _demand(wanted: list[ports.Port]) -> None:
    obstacles = ports.obstacles(wanted)
    if obstacles:
        _give_up(*obstacles)


def _serve(settings: Settings, serve: Serve) -> None:
    lifeline.hold()

    async def until_stopped(stop: asyncio.Event) -> int:
        async with opened(settings.database) as url:
            await processes.when_database_answers(lambda: serve(settings, _clock(settings), url, stop), stop)
        return 0

    raise typer.Exit(processes.run_until_stopped(until_stopped))


def _clock(settings: Settings) -> Clock:
    machine = SystemClock()
    return TurnableClock(machine) if settings.general.environment is Environment.LOCAL else machine


def _send(message: send.Message, *, org: str, wait: bool) -> None:
    addresses = Addresses.of(read_settings(os.environ))
    with httpx.Client(timeout=10, trust_env=False) as http:
        client = send.Client(addresses, http)
        client.log_in(org)
        shipment_id = client.order(message)
        typer.echo(f"Shipment {shipment_id}")
        delivered = _watch(client, shipment_id) if wait else True
    typer.echo(f"What arrived: {addresses.platform}{message.inbox_path}")
    raise typer.Exit(0 if delivered else 1)


def _watch(client: send.Client, shipment_id: str) -> bool:
    console = Console(highlight=False)
    delivered = False
    with console.status("on its way; Ctrl-C stops watching"):
        for change in client.follow(shipment_id):
            delivered = send.is_delivered(change)
            colour = ("green" if delivered else "red") if change.is_final else "yellow"
            console.print(f"{change.seconds:7.2f} s  [{colour}]{change.status}[/]")
    return delivered


def _give_up(*lines: str) -> NoReturn:
    _say(*lines)
    sys.exit(1)


def _say(*lines: str) -> None:
    for line in lines:
        typer.secho(line, err=True, fg=typer.colors.RED)
