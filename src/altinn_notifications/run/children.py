"""A child process of `run`: started again when it dies, its lines shown under its name, stopped when told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.run import lifeline

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping

WAITS_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
STABLE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 8.0
WRONG_SETTINGS: Final = 2  # the exit code that a new attempt cannot help
CHUNK: Final = 65_536
LONGEST_LINE: Final = 1_000_000
log = structlog.get_logger()


class ChildCannotStart(Exception):
    """A child says that its settings are wrong; it has said which."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs, shown under `name` in `colour`."""

    name: str
    colour: str
    command: tuple[str, ...]

    @classmethod
    def ours(cls, name: str, colour: str) -> Program:
        """A command of this program."""
        return cls(name, colour, (sys.executable, "-P", "-m", "altinn_notifications", name))


class Child:
    """One child process and its successors. `show` is called with the name and each line it writes."""

    def __init__(self, program: Program, environment: Mapping[str, str], show: Callable[[Program, str], None]) -> None:
        self.program = program
        self._environment = {**environment, lifeline.VARIABLE: "1"}
        self._show = show
        self._process: Process | None = None
        self._stopping = False

    async def keep_alive(self) -> None:
        """Run the program until `stop` is called. Raises `ChildCannotStart`."""
        deaths = 0
        while not self._stopping:
            started = time.monotonic()
            code = await self._run_once()
            if code == WRONG_SETTINGS:
                raise ChildCannotStart(self.program.name)
            deaths = 1 if time.monotonic() - started > STABLE_SECONDS else deaths + 1
            if not self._stopping:
                wait = WAITS_SECONDS[min(deaths, len(WAITS_SECONDS)) - 1]
                log.warning("process_ended", name=self.program.name, exit_code=code, restart_in_seconds=wait)
                await asyncio.sleep(wait)

    async def stop(self) -> None:
        """Ask the process to end, and end it if it does not within `STOP_SECONDS`."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("process_killed", name=self.program.name, after_seconds=STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        # A session of its own: Ctrl-C in the terminal reaches `run` alone, which then stops the others in order.
        process = await asyncio.create_subprocess_exec(
            *self.program.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._process = process
        if process.stdout is not None:
            await self._forward(process.stdout)
        return await process.wait()

    async def _forward(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._show(self.program, line.decode(errors="replace"))
            rest = rest[-LONGEST_LINE:]
        if rest:
            self._show(self.program, rest.decode(errors="replace"))
