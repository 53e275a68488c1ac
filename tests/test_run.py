"""The real command, from start to delivered messages, on free ports and in a folder of its own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from altinn_notifications.run.welcome import commands
from support.run import SECONDS, Run, prepared_run, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
SCOPE = "altinn:serviceowner/notifications.create"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with prepared_run(tmp_path_factory.mktemp("run")) as run:
        yield run


@pytest.fixture
def run(prepared: Run) -> Run:
    if not prepared.is_running():
        prepared.start()
    return prepared


def test_an_email_sent_from_the_command_line_is_delivered_and_can_be_seen(run: Run) -> None:
    result = run.call("send", "email", "kari@epost.example", "--subject", "Skattemelding", "--body", "Klar")
    assert result.returncode == 0, result.stdout + result.stderr + run.output
    assert "Order_Completed Email_Delivered" in result.stdout
    inbox = re.search(r"http://\S+", result.stdout)
    assert inbox is not None
    assert "Skattemelding" in httpx.get(inbox[0], headers={"Accept": "text/html"}, follow_redirects=True).text


def test_an_sms_sent_from_the_command_line_is_delivered_at_any_hour(run: Run) -> None:
    result = run.call("send", "sms", "+4799999001", "--body", "Klar")
    assert result.returncode == 0, result.stdout + result.stderr + run.output
    assert "Order_Completed SMS_Delivered" in result.stdout


def test_a_message_that_cannot_be_delivered_ends_with_exit_code_1(run: Run) -> None:
    result = run.call("send", "email", "bounced@epost.example")
    assert result.returncode == 1
    assert "Order_Completed Email_Failed_Bounced" in result.stdout, result.stderr + run.output


def test_a_message_that_the_api_refuses_is_explained(run: Run) -> None:
    result = run.call("send", "sms", "12345678")
    assert result.returncode == 1
    assert "PhoneNumber" in result.stderr, result.stderr + run.output
    assert "Traceback" not in result.stderr


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


@pytest.mark.parametrize("curl", [pytest.param(True, marks=needs_curl), False], ids=["curl", "python"])
def test_the_printed_commands_send_both_messages_and_show_them_delivered(run: Run, *, curl: bool) -> None:
    script = "\n".join(line for _, line in commands(run.addresses, curl=curl))
    result = subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, text=True)
    assert "Email_Delivered" in result.stdout
    assert "SMS_Delivered" in result.stdout
    assert run.addresses.api in run.output


def test_a_process_that_is_killed_is_started_again(run: Run) -> None:
    before = run.children()["worker"]
    before.kill()
    until(lambda: run.children().get("worker", before) != before, "a new worker", run)
    assert run.call("send", "sms", "+4799999002").returncode == 0


def test_a_database_that_is_killed_comes_back_and_messages_flow_again(run: Run) -> None:
    postmaster = run.folder / "data" / "postgresql" / "cluster" / "postmaster.pid"
    before = int(postmaster.read_text().split()[0])
    psutil.Process(before).kill()
    until(lambda: postmaster.exists() and int(postmaster.read_text().split()[0]) != before, "a new server", run)
    until(lambda: run.call("send", "sms", "+4799999004").returncode == 0, "a delivered message", run)
    assert "Traceback" not in run.output


def test_after_kill_9_the_children_are_gone_and_the_next_run_goes_on_with_the_same_data(run: Run) -> None:
    children = list(run.children().values())
    assert len(children) == 3
    shipment = run.call("send", "email", "kari@epost.example").stdout.split()[1]
    run.end(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, SECONDS)
    assert alive == []
    run.start()
    token = httpx.get(f"{run.addresses.platform}/api/GetEnterpriseToken?scopes={SCOPE}&org=ttd").text
    url = f"{run.addresses.api}/notifications/api/v1/future/shipment/{shipment}"
    assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).json()["status"] == "Order_Completed"
    assert run.call("send", "sms", "+4799999003").returncode == 0


def test_ctrl_c_stops_everything(run: Run) -> None:
    children = list(run.children().values())
    started = time.monotonic()
    assert run.end(signal.SIGINT) == 0
    assert time.monotonic() - started < 10
    assert not any(child.is_running() for child in children)
    assert not (run.folder / "data" / "postgresql" / "cluster" / "postmaster.pid").exists()
    assert "Traceback" not in run.output
