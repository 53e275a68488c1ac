"""The real command, from start to delivered messages, on free ports and in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from altinn_notifications.run.welcome import Addresses, commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = pytest.mark.slow
PROGRAM = (sys.executable, "-P", "-m", "altinn_notifications")
ROOT = Path(__file__).parents[1]
SECONDS = 60
SCOPE = "altinn:serviceowner/notifications.create"


def until(condition: Callable[[], object], what: str, run: Run) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {SECONDS} s\n{run.output}"
        time.sleep(0.05)


@dataclass
class Run:
    """One `altinn-notifications run` and what it printed."""

    environment: Mapping[str, str]
    folder: Path
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.lines.clear()
        process = self.process = subprocess.Popen(
            [*PROGRAM, "run"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )
        self._reader = threading.Thread(target=self._read, args=(process,))
        self._reader.start()
        until(lambda: process.poll() is not None or "is ready" in self.output, "the welcome", self)
        assert process.poll() is None, self.output

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.lines.extend(iter(process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def addresses(self) -> Addresses:
        return Addresses(
            f"http://localhost:{self.environment['NOTIFICATIONS_PORT']}",
            f"http://localhost:{self.environment['NOTIFICATIONS_SIMULATOR_PORT']}",
        )

    def children(self) -> dict[str, psutil.Process]:
        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess, IndexError):  # it ended this moment
                found[child.cmdline()[-1]] = child
        return found

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*PROGRAM, *arguments],
                check=False,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                cwd=self.folder,
                env=self.environment,
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{error}\n{error.stdout!r}\n{self.output}") from None


def free_ports(count: int) -> list[str]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Ports and an empty folder; the processes that `run` starts there are ended after the last test."""
    api, simulator, smtp = free_ports(3)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFICATIONS_")}
    ports = {
        "NOTIFICATIONS_PORT": api,
        "NOTIFICATIONS_SIMULATOR_PORT": simulator,
        "NOTIFICATIONS_SIMULATOR_SMTP_PORT": smtp,
    }
    run = Run({**clean, **ports}, tmp_path_factory.mktemp("run"))
    yield run
    if run.is_running():
        run.end(signal.SIGTERM)


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


@needs_curl
@pytest.mark.parametrize("page", ["README.md", "docs/integrating.md"])
def test_the_documented_requests_are_answered_as_they_stand(run: Run, page: str) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    script = "\n".join(block for block in blocks if "curl" in block)
    moved = script.replace("http://localhost:5090", run.addresses.api)
    moved = moved.replace("http://localhost:5101", run.addresses.platform).replace("curl -sS", "curl -sS --fail")
    shipment = run.call("send", "email", "kari@epost.example").stdout.split()[1]
    environment = {**os.environ, "SHIPMENT_ID": shipment}
    result = subprocess.run(["/bin/sh", "-ec", moved], check=False, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert "shipmentId" in result.stdout


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
