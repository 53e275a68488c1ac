from __future__ import annotations

import errno
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest

from altinn_notifications.database import server_account
from altinn_notifications.database.embedded import EmbeddedServer, EmbeddedServerError
from altinn_notifications.database.server_account import MASK, NAMED_USER, with_search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_AND_DIE = """
import os, signal, sys
from pathlib import Path
from altinn_notifications.database import server_account
from altinn_notifications.database.embedded import EmbeddedServer
EmbeddedServer(Path(sys.argv[1]), durable=False).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all, since making one takes longest; below a folder that only its owner may enter."""
    folder = tmp_path_factory.mktemp("embedded server")
    folder.chmod(0o700)
    return folder / "postgresql"


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(directory, durable=False)
    server.start()
    yield server
    server.stop()


def process_of(directory: Path) -> psutil.Process:
    return psutil.Process(int((directory / "cluster" / "postmaster.pid").read_text().split()[0]))


def start_and_die(directory: Path) -> None:
    starter = subprocess.run([sys.executable, "-c", START_AND_DIE, str(directory)], check=False)
    assert starter.returncode == -signal.SIGKILL


async def value(server: EmbeddedServer, query: str, database: str = "notifications") -> object:
    connection = await asyncpg.connect(server.url(database))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_never_runs_as_root_and_keeps_what_was_stored(directory: Path) -> None:
    server = EmbeddedServer(directory)
    server.start()
    await server.ensure_database("notifications")
    await value(server, "CREATE TABLE kept AS SELECT 1 AS one")
    assert process_of(directory).uids().effective != 0
    assert await value(server, "SHOW fsync") == "on"
    server.stop()
    assert not server.is_running()
    server.start()
    assert await server.ensure_database("notifications") == server.url("notifications")
    assert await value(server, "SELECT one FROM kept") == 1
    server.stop()


async def test_text_is_utf8_and_time_is_utc(server: EmbeddedServer) -> None:
    assert await value(server, "SELECT lower('ÆØÅ') || current_setting('timezone')", "postgres") == "æøåUTC"


def test_a_url_names_its_database_as_given(server: EmbeddedServer) -> None:
    assert "/{database}?" in server.url("{database}")


def test_a_server_whose_starter_was_killed_is_found_and_can_be_stopped(directory: Path) -> None:
    start_and_die(directory)
    orphan = process_of(directory)
    heir = EmbeddedServer(directory, durable=False)
    heir.start()
    assert process_of(directory) == orphan
    heir.stop()
    assert not heir.is_running()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE  # nobody may be there to bury it


async def test_a_server_that_was_killed_recovers_at_the_next_start(directory: Path) -> None:
    server = EmbeddedServer(directory, durable=False)
    server.start()
    process_of(directory).kill()
    server.start()
    assert await value(server, "SELECT 1", "postgres") == 1
    server.stop()


def test_a_process_that_got_the_servers_old_number_is_not_taken_for_it(directory: Path) -> None:
    server = EmbeddedServer(directory, durable=False)
    server.start()
    server.stop()
    started = int(time.time())
    (directory / "cluster" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{directory}\n{started}\n5432\n.\n\n\nready\n"
    )
    assert not server.is_running()
    server.start()
    assert process_of(directory).name() == "postgres"
    server.stop()


async def test_two_starters_share_one_server_and_the_last_one_stops_it(directory: Path) -> None:
    first, second = EmbeddedServer(directory, durable=False), EmbeddedServer(directory, durable=False)
    with ThreadPoolExecutor() as threads:
        list(threads.map(EmbeddedServer.start, (first, second)))
    first.stop()
    assert await value(second, "SELECT 1", "postgres") == 1
    second.stop()
    assert not second.is_running()


@pytest.fixture
def moved(directory: Path) -> Iterator[EmbeddedServer]:
    start_and_die(directory)
    longer = directory.parent / ("x" * 120)
    directory.rename(longer)
    yield EmbeddedServer(longer, durable=False)
    longer.rename(directory)


async def test_a_path_too_long_for_a_socket_works_too(moved: EmbeddedServer) -> None:
    moved.start()
    assert await value(moved, "SELECT 1", "postgres") == 1
    moved.stop()


def test_data_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"written by PostgreSQL 17, and this is 18\. Set NOTIFICATIONS_"):
        EmbeddedServer(tmp_path).start()


def test_a_folder_that_holds_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(EmbeddedServerError, match=r"holds other things \(thesis\.txt\)"):
        EmbeddedServer(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=r"Not a directory .* Set NOTIFICATIONS_DATABASE_DIRECTORY"):
        EmbeddedServer(tmp_path / "file" / "postgresql").start()


def test_without_an_account_of_its_own_root_falls_back_on_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(server_account, "NAME", "nobody-has-this-name")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert server_account.choose_account(None).name == "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
@pytest.mark.parametrize("has_access_lists", [True, False])
def test_a_folder_of_root_is_opened_for_the_servers_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_access_lists: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    if not has_access_lists:
        monkeypatch.setattr(os, "setxattr", refuse, raising=False)
    folder = tmp_path / "closed" / "inner"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    nobody = server_account.choose_account(pwd.getpwnam("nobody").pw_uid)
    assert not server_account._enters(folder, nobody)
    server_account.let_through(folder, nobody)
    assert server_account._enters(folder, nobody)
    assert folder.parent.stat().st_mode & 0o006 == 0


def test_the_right_to_pass_leaves_all_other_rights_as_they_were() -> None:
    plain = [(0x01, 7, 0xFFFFFFFF), (0x04, 5, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)]
    once = with_search(plain, 1001)
    assert once == [plain[0], (NAMED_USER, 1, 1001), plain[1], (MASK, 5, 0xFFFFFFFF), plain[2]]
    assert with_search(once, 1001) == once
