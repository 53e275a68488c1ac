from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass

import httpx
import pytest

from altinn_notifications.clock import FixedClock
from altinn_notifications.settings import Environment, GeneralSettings, Settings
from altinn_notifications.simulator.app import SimulatorInProduction, bound, create_simulator, public_url, serve
from altinn_notifications.simulator.archive import Archive
from support.simulator import eventually, simulator_settings
from support.times import NOON


def free_ports() -> tuple[int, int]:
    with bound("127.0.0.1", 0) as first, bound("127.0.0.1", 0) as second:
        return first.getsockname()[1], second.getsockname()[1]


def settings_for(environment: Environment) -> Settings:
    settings = simulator_settings("http://127.0.0.1:9")
    settings.general = GeneralSettings(environment=environment)
    return settings


async def test_it_refuses_to_start_beside_a_service_in_production_mode() -> None:
    with pytest.raises(SimulatorInProduction, match="NOTIFICATIONS_ENVIRONMENT"):
        await serve(settings_for(Environment.PRODUCTION))
    with pytest.raises(SimulatorInProduction):
        create_simulator(settings_for(Environment.PRODUCTION), FixedClock(NOON))


@pytest.mark.parametrize("environment", [Environment.LOCAL, Environment.TEST])
def test_it_starts_anywhere_else(environment: Environment) -> None:
    create_simulator(settings_for(environment), FixedClock(NOON))


async def test_http_and_smtp_run_until_cancelled_and_leave_their_ports_free() -> None:
    http_port, smtp_port = free_ports()
    task = asyncio.create_task(serve(simulator_settings("http://127.0.0.1:9", port=http_port, smtp_port=smtp_port)))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}") as http:
        assert (await http.get("/sim/state")).status_code == 200
        _, writer = await asyncio.open_connection("127.0.0.1", smtp_port)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    writer.close()
    for port in (http_port, smtp_port):
        bound("127.0.0.1", port).close()


PROGRAM = """
import asyncio
from altinn_notifications.settings import Settings
from altinn_notifications.simulator.app import serve
asyncio.run(serve(Settings()))
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_process_although_a_caller_waits_for_an_answer(ending: signal.Signals) -> None:
    http_port, smtp_port = free_ports()
    environment = {
        **os.environ,
        "NOTIFICATIONS_SIMULATOR_PORT": str(http_port),
        "NOTIFICATIONS_SIMULATOR_SMTP_PORT": str(smtp_port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}") as http:
            await eventually(lambda: is_answering(http))
            await http.post("/sim/faults", json={"target": "sms", "mode": "timeout"})
            waiting = asyncio.create_task(http.post("/sms/gateway", content=b"x"))
            await eventually(lambda: has_calls(http))
            process.send_signal(ending)
            await asyncio.wait_for(process.wait(), 10)
            await asyncio.gather(waiting, return_exceptions=True)
    finally:
        if process.returncode is None:
            process.kill()
    for port in (http_port, smtp_port):
        bound("127.0.0.1", port).close()


async def is_answering(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/sim/state")).is_success
    except httpx.ConnectError:
        return False


async def has_calls(http: httpx.AsyncClient) -> bool:
    return bool((await http.get("/sim/calls")).json()["calls"])


@pytest.mark.parametrize("taken", ["port", "smtp_port"])
async def test_a_taken_port_is_an_error_that_names_it(taken: str) -> None:
    free, _ = free_ports()
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        ports = {"port": free, "smtp_port": free, taken: port}
        with pytest.raises(OSError, match=str(port)):
            await serve(simulator_settings("http://127.0.0.1:9", **ports))


@pytest.mark.parametrize("host", ["127.0.0.1", "::", "::1"])
def test_callers_on_this_machine_know_it_as_localhost(host: str) -> None:
    settings = simulator_settings("", host=host, port=5101)
    assert public_url(settings.simulator) == "http://localhost:5101"


def test_callers_elsewhere_know_it_by_its_address() -> None:
    assert public_url(simulator_settings("", host="10.0.0.5", port=80).simulator) == "http://10.0.0.5:80"


@dataclass(frozen=True)
class Note:
    id: int
    address: str
    reference: str | None = None
    size: int = 1


def notes_in(archive: Archive[Note]) -> list[int]:
    return [note.id for note in archive.newest()]


def test_only_the_newest_messages_are_kept() -> None:
    archive: Archive[Note] = Archive(max_messages=3, max_bytes=1000)
    for number in range(1, 6):
        archive.add(Note(number, "abab"[number % 2], f"ref-{number}"))
    assert notes_in(archive) == [5, 4, 3]
    assert archive.find(2) is None
    assert archive.find_by_reference("ref-2") is None
    assert [note.id for note in archive.sent_to("b")] == [5, 3]


def test_large_messages_leave_sooner_but_the_newest_always_stays() -> None:
    archive: Archive[Note] = Archive(max_messages=10, max_bytes=100)
    archive.add(Note(1, "a", size=60))
    archive.add(Note(2, "a", size=30))
    assert notes_in(archive) == [2, 1]
    archive.add(Note(3, "a", size=30))
    assert notes_in(archive) == [3, 2]
    archive.add(Note(4, "a", size=500))
    assert notes_in(archive) == [4]


def test_a_reference_that_came_twice_outlives_its_first_message() -> None:
    archive: Archive[Note] = Archive(max_messages=2, max_bytes=100)
    for number in (1, 2, 3):
        archive.add(Note(number, "a", "same"))
    assert archive.find_by_reference("same") == Note(3, "a", "same")
    assert [note.id for note in archive.newest(before=3)] == [2]


def test_clearing_forgets_everything_but_never_repeats_an_id() -> None:
    archive: Archive[Note] = Archive()
    first, changes = archive.next_id(), archive.changes
    archive.add(Note(first, "a", "x"))
    archive.clear()
    assert (len(archive), archive.sent_to("a"), archive.find_by_reference("x")) == (0, [], None)
    assert archive.next_id() > first
    assert archive.changes > changes
