from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from altinn_notifications import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
