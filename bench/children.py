"""Processes of a measurement: our own commands, and small programs of this package that talk in lines of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from altinn_notifications.run import lifeline

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

STOP_SECONDS: Final = 15.0
LONGEST_LINE: Final = 64 * 1024 * 1024
_HIGH_WATER_MARK: Final = "VmHWM:"


class ChildFailed(Exception):
    """A process of the measurement ended; the message holds what it said last."""


class Child:
    """One process, stopped by closing its standard input or by SIGTERM."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name, self.process, self._log = name, process, log

    @classmethod
    async def start(cls, name: str, *command: str, environment: Mapping[str, str], folder: Path) -> Child:
        """Start `python -m <command>`; its standard error goes to a file in `folder`."""
        log = folder / f"{name}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**environment, lifeline.VARIABLE: "1"},
                limit=LONGEST_LINE,
            )
        return cls(name, process, log)

    async def tell(self, **what: Any) -> None:
        """Write one line of JSON to it."""
        assert self.process.stdin is not None  # noqa: S101 - started with a pipe
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        await self.process.stdin.drain()

    async def answer(self) -> Any:
        """The next line of JSON it writes. Raises `ChildFailed` when it ends instead."""
        assert self.process.stdout is not None  # noqa: S101 - started with a pipe
        line = await self.process.stdout.readline()
        if not line:
            raise ChildFailed(f"{self.name} ended: {self.last_words()}")
        return json.loads(line)

    async def ask(self, **what: Any) -> Any:
        """Write one line and read the next."""
        await self.tell(**what)
        return await self.answer()

    def last_words(self) -> str:
        """The end of what it wrote to its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def has_said(self, text: str) -> bool:
        """Whether its log holds `text`."""
        return text in self._log.read_text(errors="replace")

    def peak_memory(self) -> int:
        """The most memory (bytes, resident) that it has held; where the system does not tell, what it holds now."""
        return peak_memory(self.process.pid)

    async def stop(self) -> None:
        """End it in order; one that does not end is killed."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def peak_memory(pid: int) -> int:
    """The most memory (bytes, resident) that a process has held; where the system does not tell, what it holds now."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return int(psutil.Process(pid).memory_info().rss)
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(_HIGH_WATER_MARK))


def clean_environment() -> dict[str, str]:
    """The environment without settings of the service: a measurement uses the defaults."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("NOTIFICATIONS_")}
