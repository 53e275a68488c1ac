from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.channels.email.acs_signing import Account
from altinn_notifications.cli.configuration import read_settings
from altinn_notifications.run.profile import SHARED_SECRETS, local_profile
from altinn_notifications.run.welcome import Addresses, commands
from altinn_notifications.simulator.clients import CLIENTS
from altinn_notifications.simulator.keys import SigningKeys
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import Mapping


def profile(directory: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    return local_profile(given or {}, keys_directory=directory, now=NOON)


def test_local_runs_retry_soon_and_never_guess_that_mail_was_delivered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in profile(tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = read_settings(os.environ)
    assert settings.sms.gateway_retry_seconds == (2, 5, 10, 20)
    assert settings.email.delivered_without_bounce_after_seconds < 0
    assert settings.email.report_access_key is not None
    assert settings.sms.report_username != ""
    assert settings.platform.dialogporten_enabled
    assert settings.platform.dialogporten_base_url == "http://localhost:5101/dialogporten/api/v1/"


def test_every_run_has_secrets_of_its_own_and_keeps_its_keys(tmp_path: Path) -> None:
    first, second = profile(tmp_path), profile(tmp_path)
    assert all(first[name] != second[name] for name in SHARED_SECRETS)
    assert first["NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK"] == second["NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK"]


def test_the_local_platform_knows_the_service_by_the_keys_of_the_run(tmp_path: Path) -> None:
    given = profile(tmp_path)
    platform = SigningKeys(NOON, Path(given["NOTIFICATIONS_SIMULATOR_KEYS_DIRECTORY"]))
    client = CLIENTS[given["NOTIFICATIONS_PLATFORM_MASKINPORTEN_CLIENT_ID"]]
    jwk = json.loads(base64.b64decode(given["NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK"]))
    assert jwk == client.private_jwk(platform)
    key_file = Path(given["NOTIFICATIONS_PLATFORM_ACCESS_TOKEN_KEY_FILE"])
    assert platform.access_token("platform").certificate_pem in key_file.read_bytes()


def test_files_of_the_local_platform_may_be_attached(tmp_path: Path) -> None:
    name = "NOTIFICATIONS_EMAIL_ATTACHMENT_EXTRA_ORIGINS"
    assert profile(tmp_path)[name] == "http://localhost:5101"
    assert profile(tmp_path, {"notifications_simulator_port": "6101"})[name] == "http://localhost:6101"


@pytest.mark.parametrize("port", ["5101", "6101"])
def test_the_local_platform_is_where_mail_goes_if_it_is_to_go_through_azure(tmp_path: Path, port: str) -> None:
    found = profile(tmp_path, {"notifications_simulator_port": port})["NOTIFICATIONS_ACS_CONNECTION_STRING"]
    account = Account.parse(found)
    assert account.endpoint == f"http://localhost:{port}/acs"
    assert len(account.key) == 32
    assert found != profile(tmp_path)["NOTIFICATIONS_ACS_CONNECTION_STRING"]


def test_what_the_user_sets_wins(tmp_path: Path) -> None:
    given = {"NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS": "1", "notifications_sms_report_password": "x"}
    taken = {"NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS", "NOTIFICATIONS_SMS_REPORT_PASSWORD"}
    assert not taken & profile(tmp_path, given).keys()


@pytest.mark.parametrize("curl", [True, False])
@pytest.mark.parametrize("shell", [name for name in ("sh", "bash", "zsh") if shutil.which(name)])
def test_the_printed_commands_are_valid_in_every_shell_of_this_machine(shell: str, *, curl: bool) -> None:
    printed = commands(Addresses("http://localhost:5090", "http://localhost:5101"), curl=curl)
    script = "\n".join(f"# {title}\n{line}" for title, line in printed)
    assert subprocess.run([shell, "-n", "-c", script], check=False).returncode == 0


def test_a_heading_is_harmless_where_a_shell_takes_no_comments() -> None:
    titles = [title for title, _ in commands(Addresses("http://a", "http://b"), curl=True)]
    assert not set("".join(titles)) & set("()'\"`$*?&;|<>")
