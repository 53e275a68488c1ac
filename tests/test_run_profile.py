from __future__ import annotations

import shutil
import subprocess

import pytest

from altinn_notifications.run.profile import SHARED_SECRETS, local_profile
from altinn_notifications.run.welcome import Addresses, commands
from altinn_notifications.settings import EmailSettings, SmsSettings


def test_local_runs_retry_soon_and_never_guess_that_mail_was_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in local_profile({}).items():
        monkeypatch.setenv(name, value)
    assert SmsSettings().gateway_retry_seconds == (2, 5, 10, 20)
    assert EmailSettings().delivered_without_bounce_after_seconds < 0
    assert EmailSettings().report_access_key is not None
    assert SmsSettings().report_username != ""


def test_every_run_has_secrets_of_its_own() -> None:
    first, second = local_profile({}), local_profile({})
    assert all(first[name] != second[name] for name in SHARED_SECRETS)


def test_what_the_user_sets_wins() -> None:
    given = {"NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS": "1", "notifications_sms_report_password": "x"}
    profile = local_profile(given)
    assert not {"NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS", "NOTIFICATIONS_SMS_REPORT_PASSWORD"} & profile.keys()


@pytest.mark.parametrize("curl", [True, False])
@pytest.mark.parametrize("shell", [name for name in ("sh", "bash", "zsh") if shutil.which(name)])
def test_the_printed_commands_are_valid_in_every_shell_of_this_machine(shell: str, *, curl: bool) -> None:
    printed = commands(Addresses("http://localhost:5090", "http://localhost:5101"), curl=curl)
    script = "\n".join(f"# {title}\n{line}" for title, line in printed)
    assert subprocess.run([shell, "-n", "-c", script], check=False).returncode == 0


def test_a_heading_is_harmless_where_a_shell_takes_no_comments() -> None:
    titles = [title for title, _ in commands(Addresses("http://a", "http://b"), curl=True)]
    assert not set("".join(titles)) & set("()'\"`$*?&;|<>")
