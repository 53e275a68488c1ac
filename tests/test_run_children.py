from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.processes import when_database_answers
from altinn_notifications.run import lifeline
from altinn_notifications.run.children import CHUNK, Child, ChildCannotStart, Program

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 10


def child_of(code: str, lines: list[str], *, when_shown: Callable[[], object] = lambda: None) -> Child:
    def show(_program: Program, line: str) -> None:
        lines.append(line)
        when_shown()

    return Child(Program("child", "cyan", (sys.executable, "-c", code)), os.environ, show)


async def test_a_process_that_dies_is_started_again() -> None:
    lines: list[str] = []
    shown = asyncio.Semaphore(0)
    child = child_of("import os; print(os.getpid())", lines, when_shown=shown.release)
    life = asyncio.create_task(child.keep_alive())
    for _ in range(2):
        await asyncio.wait_for(shown.acquire(), SECONDS)
    await child.stop()
    await asyncio.wait_for(life, SECONDS)
    assert lines[0] != lines[1]


async def test_a_process_whose_settings_are_wrong_is_not_started_again() -> None:
    lines: list[str] = []
    with pytest.raises(ChildCannotStart):
        await child_of(
            "import sys; sys.exit('NOTIFICATIONS_PORT: no') if 0 else (print('no'), sys.exit(2))", lines
        ).keep_alive()
    assert lines == ["no"]


async def test_a_process_that_does_not_stop_by_itself_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("altinn_notifications.run.children.STOP_SECONDS", 0.2)
    lines: list[str] = []
    ready = asyncio.Event()
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
    child = child_of(stubborn, lines, when_shown=ready.set)
    life = asyncio.create_task(child.keep_alive())
    await asyncio.wait_for(ready.wait(), SECONDS)
    await child.stop()
    await asyncio.wait_for(life, SECONDS)


async def test_a_line_is_shown_whole_however_long() -> None:
    lines: list[str] = []
    length = 3 * CHUNK
    with pytest.raises(ChildCannotStart):
        await child_of(f"print('x' * {length}); print('æ', end=''); raise SystemExit(2)", lines).keep_alive()
    assert lines == ["x" * length, "æ"]


def test_a_child_whose_parent_is_gone_stops() -> None:
    code = (
        "from altinn_notifications.run import lifeline; import time;"
        "lifeline.hold(); print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, lifeline.VARIABLE: "1"}
    call = [sys.executable, "-c", code]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(SECONDS) != 0


async def test_a_process_waits_for_a_database_that_is_away() -> None:
    attempts: list[int] = []

    async def work() -> None:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise DatabaseUnavailable("not yet")

    await when_database_answers(work, asyncio.Event(), first_wait=0.001)
    assert attempts == [0, 1, 2]


async def test_a_process_that_waits_for_the_database_can_be_stopped() -> None:
    stop = asyncio.Event()

    async def work() -> None:
        stop.set()
        raise DatabaseUnavailable("never")

    await asyncio.wait_for(when_database_answers(work, stop, first_wait=60), SECONDS)
