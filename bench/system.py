"""The whole service as a measurement sees it: the embedded database, `api`, `worker`, tokens, and a mail server."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import httpx
import psutil

from altinn_notifications.database.embedded import EmbeddedServer
from altinn_notifications.database.migrate import migrate
from altinn_notifications.run.welcome import TOKEN_PATH
from bench.children import Child, ChildFailed, clean_environment, peak_memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

HOST: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 60.0
PROGRAM: Final = "altinn_notifications"


@dataclass(slots=True)
class System:
    """What runs, and how to reach it."""

    folder: Path
    server: EmbeddedServer
    database_url: str
    environment: Mapping[str, str]
    api_port: int
    token: str
    sink: Child
    memory: dict[str, int] = field(default_factory=dict)
    """The most memory that processes have held so far, in bytes, by name."""

    @asynccontextmanager
    async def workers(self, count: int) -> AsyncIterator[None]:
        """That many worker processes, ready for work."""
        async with AsyncExitStack() as stack:
            for number in range(count):
                child = await Child.start(
                    f"worker-{count}-{number}",
                    PROGRAM,
                    "worker",
                    environment=self.environment,
                    folder=self.folder,
                )
                stack.push_async_callback(child.stop)
                await until_said(child, "worker_started")
                stack.callback(self.note_memory, "worker", child.process.pid)
            yield
            self.note_database_memory()

    def note_memory(self, name: str, pid: int) -> None:
        """Remember the most memory that a process of this name has held."""
        self.memory[name] = max(self.memory.get(name, 0), peak_memory(pid))

    def note_database_memory(self) -> None:
        """Remember what the database's processes hold together; memory that they share counts once."""
        held = [process.memory_full_info() for process in self._database_processes()]
        total = sum(getattr(info, "pss", info.uss) for info in held)
        self.memory["database"] = max(self.memory.get("database", 0), total)

    def _database_processes(self) -> list[psutil.Process]:
        main = psutil.Process(int((self.server.directory / "cluster" / "postmaster.pid").read_text().split()[0]))
        return [main, *main.children(recursive=True)]

    async def run(self, module: str, **plan: Any) -> Any:
        """The result of one of this package's programs."""
        child = await Child.start(module, f"bench.{module}", environment=self.environment, folder=self.folder)
        try:
            return await child.ask(**plan)
        finally:
            await child.stop()

    async def load(self, *, port: int, connections: int, seconds: float, **plan: Any) -> Any:
        """The result of loading a server on `port` with orders."""
        defaults = {"host": HOST, "token": self.token, "rate": None, "due": None, "expected_status": 201}
        return await self.run("http_load", port=port, connections=connections, seconds=seconds, **{**defaults, **plan})

    async def mails(self) -> list[float]:
        """When mails arrived since the last question, in monotonic seconds."""
        times: list[float] = await self.sink.ask()
        return times

    async def new_database(self, name: str) -> str:
        """The URL of an empty database with the service's tables."""
        url = await self.server.ensure_database(name)
        await migrate(url)
        return url

    async def postgresql_version(self) -> str:
        """The version of the database server."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[System]:
    """Database, token issuer, mail server and one API process; workers are started where they are measured."""
    async with AsyncExitStack() as stack:
        server = EmbeddedServer(folder / "postgresql")
        await asyncio.to_thread(server.start)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        url = await server.ensure_database("bench")
        await migrate(url)
        clean = clean_environment()
        sink = await Child.start("sink", "bench.smtp_sink", environment=clean, folder=folder)
        stack.push_async_callback(sink.stop)
        api_port, platform_port, mailbox_port = free_ports(3)
        environment = {**clean, **_settings(url, await sink.answer(), api_port, platform_port, mailbox_port)}
        for name in ("simulator", "api"):
            child = await Child.start(name, PROGRAM, name, environment=environment, folder=folder)
            stack.push_async_callback(child.stop)
            if name == "simulator":
                token = await _when_it_answers(child, f"http://{HOST}:{platform_port}{TOKEN_PATH}")
        await _when_it_answers(child, f"http://{HOST}:{api_port}/health/ready")
        system = System(folder, server, url, environment, api_port, token, sink)
        yield system
        system.note_memory("api", child.process.pid)


def _settings(url: str, sink_port: int, api_port: int, platform_port: int, mailbox_port: int) -> dict[str, str]:
    platform = f"http://{HOST}:{platform_port}"
    return {
        "NOTIFICATIONS_DATABASE_URL": url,
        "NOTIFICATIONS_HOST": HOST,
        "NOTIFICATIONS_PORT": str(api_port),
        "NOTIFICATIONS_BASE_URI": f"http://{HOST}:{api_port}",
        "NOTIFICATIONS_AUTHENTICATION_OPENID_BASE_URL": f"{platform}/authentication/api/v1/openid/",
        "NOTIFICATIONS_AUTHENTICATION_CERTIFICATE_URL": f"{platform}/sim/keys/",
        "NOTIFICATIONS_SIMULATOR_HOST": HOST,
        "NOTIFICATIONS_SIMULATOR_PORT": str(platform_port),
        "NOTIFICATIONS_SIMULATOR_SMTP_PORT": str(mailbox_port),
        "NOTIFICATIONS_EMAIL_SMTP_HOST": HOST,
        "NOTIFICATIONS_EMAIL_SMTP_PORT": str(sink_port),
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


async def until_said(child: Child, text: str) -> None:
    """Wait until `child` has logged `text`. Raises `ChildFailed`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not child.has_said(text):
        _check(child, deadline)
        await asyncio.sleep(0.05)


async def _when_it_answers(child: Child, url: str) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        while True:
            try:
                response = await http.get(url)
            except httpx.TransportError:
                response = None
            if response is not None and response.is_success:
                return response.text
            _check(child, deadline)
            await asyncio.sleep(0.1)


def _check(child: Child, deadline: float) -> None:
    if child.process.returncode is not None or time.monotonic() > deadline:
        raise ChildFailed(f"{child.name} did not start: {child.last_words()}")


@asynccontextmanager
async def bare_api(system: System, *, grouped: bool) -> AsyncIterator[int]:
    """The port of the bare web application, on a table of its own in the same database."""
    (port,) = free_ports(1)
    child = await Child.start("bare-api", "bench.bare_api", environment=system.environment, folder=system.folder)
    try:
        await child.ask(database_url=system.database_url, grouped=grouped, port=port)
        yield port
    finally:
        await child.stop()
