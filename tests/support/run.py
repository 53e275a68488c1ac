"""`altinn-notifications run` as a person starts it, on free ports and in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from altinn_notifications.run.welcome import Addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PROGRAM = (sys.executable, "-P", "-m", "altinn_notifications")
SECONDS = 60


def until(condition: Callable[[], object], what: str, run: Run) -> None:
    """Wait at most a minute for something to happen."""
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


@contextmanager
def prepared_run(folder: Path) -> Iterator[Run]:
    """Free ports and an empty folder; the processes that are started there end with the block."""
    api, simulator, smtp = free_ports(3)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFICATIONS_")}
    ports = {
        "NOTIFICATIONS_PORT": api,
        "NOTIFICATIONS_SIMULATOR_PORT": simulator,
        "NOTIFICATIONS_SIMULATOR_SMTP_PORT": smtp,
    }
    run = Run({**clean, **ports}, folder)
    yield run
    if run.is_running():
        run.end(signal.SIGTERM)
