from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from altinn_notifications import __version__
from altinn_notifications.clock import SystemClock
from support.rows import StoredDeadReport, a_stored_email, a_stored_order, insert
from support.times import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from altinn_notifications.database.pool import Database

    Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs a command of the program in an empty folder, with settings as `NOTIFICATIONS_*` variables and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFICATIONS_")}

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        given = {f"NOTIFICATIONS_{name.upper()}": value for name, value in settings.items()}
        call = [sys.executable, "-P", "-m", "altinn_notifications", *arguments]
        return subprocess.run(call, check=False, capture_output=True, text=True, cwd=tmp_path, env={**clean, **given})

    return run


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def test_the_version_is_the_packages(command: Command) -> None:
    assert command("--version").stdout.strip() == f"altinn-notifications {__version__}"


def test_a_wrong_setting_is_one_line_and_exit_code_2(command: Command) -> None:
    result = command("migrate", port="many")
    assert result.returncode == 2
    assert result.stderr.startswith("NOTIFICATIONS_PORT: ")
    assert "Traceback" not in result.stderr


def test_migrating_a_migrated_database_says_so(command: Command, database_url: str) -> None:
    result = command("migrate", database_url=database_url)
    assert (result.stdout, result.returncode) == ("Nothing to apply.\n", 0)


def test_migrate_tells_when_the_database_does_not_answer(command: Command) -> None:
    result = command("migrate", database_url="postgresql://user:hunter2@127.0.0.1:1/notifications")
    assert result.returncode == 1
    assert "The database cannot be used" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


def test_migrate_tells_when_the_database_does_not_exist(command: Command, database_url: str) -> None:
    result = command("migrate", database_url=database_url.replace("/test_", "/no_"))
    assert result.returncode == 1
    assert "does not exist" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_data_folder_that_cannot_be_written_is_a_sentence(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command("migrate", database_directory=str(tmp_path / "file" / "postgresql"))
    assert result.returncode == 1
    assert "Set NOTIFICATIONS_DATABASE_DIRECTORY to another folder" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["api", "run"])
def test_a_port_in_use_is_told_with_its_user_before_anything_starts(
    command: Command, name: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command(name, port=str(port))
    assert result.returncode == 1
    assert f"Port {port}, for the API, is in use by " in result.stderr
    assert f"(process {os.getpid()})" in result.stderr
    assert "NOTIFICATIONS_PORT" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_simulator_refuses_production(command: Command) -> None:
    http, smtp = free_port(), free_port()
    result = command("simulator", environment="production", simulator_port=http, simulator_smtp_port=smtp)
    assert result.returncode == 1
    assert "production" in result.stderr
    assert "Traceback" not in result.stderr


def test_send_without_a_service_says_how_to_start_one(command: Command) -> None:
    result = command("send", "email", "kari@epost.example", simulator_port="1")
    assert result.returncode == 1
    assert (
        "http://localhost:1/ does not answer (ConnectError). Is it running? `altinn-notifications run`" in result.stderr
    )


def test_settings_are_listed_with_their_meaning(command: Command) -> None:
    listed = command("settings", sms_gateway_password="hunter2").stdout
    assert "NOTIFICATIONS_PORT=5090\n    port the API listens on\n" in listed
    assert "NOTIFICATIONS_SMS_GATEWAY_PASSWORD=(hidden)" in listed


async def test_dead_reports_are_listed_shown_tried_and_dismissed(command: Command, db: Database) -> None:
    await insert(db, StoredDeadReport(delivery_report={"receiver": "+4799999001"}, message="not known"))
    database = {"database_url": db.url}
    listed = command("reports", "list", "--source", "sms-gateway", **database)
    assert "RETRY_THRESHOLD_EXCEEDED" in listed.stdout
    assert "+4799999001" not in listed.stdout
    assert "+4799999001" not in command("reports", "show", "1", **database).stdout
    assert "+4799999001" in command("reports", "show", "1", "--content", **database).stdout
    replayed = command("reports", "replay", **database)
    assert replayed.stdout == "1: it says nothing that could be applied\n0 of 1 applied.\n"
    assert command("reports", "dismiss", "1", **database).stdout == "1 dismissed.\n"
    assert "RETRY" not in command("reports", "list", **database).stdout
    assert command("reports", "show", "9", **database).returncode == 1
    assert command("reports", "list", "--source", "pigeon", **database).returncode == 2


async def test_waiting_messages_are_listed_and_tried_now(command: Command, db: Database) -> None:
    order = await insert(db, a_stored_order(status="Processed"))
    waits = {"result": "Sending", "attempts": 2, "provider": "smtp", "outcome_unknown": True}
    later = SystemClock().now() + DAY
    email = await insert(db, a_stored_email(order.id, **waits, wake_at=later, expiry=later))
    listed = command("sends", "list", database_url=db.url).stdout
    assert str(email.id) in listed
    assert "may have arrived" in listed
    tried = command("sends", "retry", str(email.id), str(order.id), database_url=db.url)
    assert tried.stdout == f"{email.id}: is tried now\n{order.id}: does not wait\n"
    assert tried.returncode == 1
    assert await db.fetchval("SELECT wake_at < $1 FROM notification_states", later - HOUR)


@pytest.mark.parametrize("arguments", [("reports", "list"), ("reports", "replay", "1"), ("sends", "list")])
def test_operators_commands_fail_when_the_database_does_not_answer(
    command: Command, arguments: tuple[str, ...]
) -> None:
    result = command(*arguments, database_url="postgresql://user:hunter2@127.0.0.1:1/notifications")
    assert result.returncode == 1
    assert "The database cannot be used" in result.stderr
    assert "hunter2" not in result.stderr


async def test_an_operator_lists_the_providers_and_has_one_tried_again(
    command: Command, database_url: str, db: Database
) -> None:
    await db.execute(
        "INSERT INTO provider_pauses (provider, paused_until, reason, misconfigured) VALUES ('smtp', $1, '535', true)",
        SystemClock().now() + DAY,
    )
    listed = command("providers", "list", database_url=database_url)
    assert listed.stdout.startswith("smtp: misconfigured, next try ")
    assert command("providers", "resume", "acs", database_url=database_url).returncode == 1
    resumed = command("providers", "resume", "smtp", database_url=database_url)
    assert (resumed.returncode, resumed.stdout) == (0, "smtp is tried with the next message.\n")
    assert await db.fetchval("SELECT paused_until <= $1 FROM provider_pauses", SystemClock().now())
