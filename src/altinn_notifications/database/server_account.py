"""The account of the embedded server when this program runs as root, since PostgreSQL refuses to run as root.

The account owns the data and nothing else. What it must reach on the way there, and the wheel's binaries, may lie below
a folder that only root can enter (a home directory, a temporary folder): there it gets the right to pass through, and
no other right.
"""

from __future__ import annotations

import os
import pwd
import shutil
import struct
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "altinn-notifications"
ACL: Final = "system.posix_acl_access"
ACL_VERSION: Final = 2
OWNER, NAMED_USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20  # the tags of POSIX.1e
NOBODY_NAMED: Final = 0xFFFFFFFF
SEARCH: Final = 1
log = structlog.get_logger()


class NoAccount(Exception):
    """Root starts the server and no other account exists or can be made."""


class NoWayThrough(Exception):
    """The account cannot be let into a folder."""

    def __init__(self, folder: Path, account: Account) -> None:
        super().__init__(f"the account {account.name} cannot enter {folder}")
        self.folder, self.account = folder, account


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as."""

    name: str
    uid: int
    gid: int

    def process_arguments(self) -> dict[str, Any]:
        """What `subprocess.run` needs to become this account."""
        return {} if self.uid == os.geteuid() else {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose_account(owner_of_data: int | None) -> Account:
    """Ourselves; as root the owner of existing data, else an account made for this, else `nobody`.

    Raises `NoAccount`.
    """
    if os.geteuid() != 0:
        return Account("this user", os.geteuid(), os.getegid())
    if owner_of_data:
        return _account_of(owner_of_data)
    account = _find(NAME) or _create(NAME) or _find("nobody")
    if account is None:
        raise NoAccount(f"PostgreSQL does not run as root, and there is no account {NAME} or nobody")
    return account


def _account_of(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(f"with number {uid}", uid, uid)
    return Account(entry.pw_name, uid, entry.pw_gid)


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)


def _create(name: str) -> Account | None:
    useradd = shutil.which("useradd")
    if useradd is None:
        return None
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    subprocess.run(  # noqa: S603 - constant arguments
        [useradd, *options, "--shell", "/usr/sbin/nologin", name], check=False, capture_output=True
    )
    account = _find(name)  # also where another starter was faster
    if account is not None:
        log.info("server_account_created", account=name)
    return account


def let_through(folder: Path, account: Account) -> None:
    """Make sure that `account` can enter `folder`; parents that it cannot enter get that right for it alone.

    Raises `NoWayThrough`.
    """
    if _enters(folder, account):
        return
    for step in [*reversed(folder.parents), folder]:
        if not _enters(step, account):
            _admit(step, account)


def let_read(tree: Path) -> None:
    """Let everybody read what was installed under a umask that kept others out. The wheel's files are no secret."""
    if tree.stat().st_mode & 0o001:
        return
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _admit(folder: Path, account: Account) -> None:
    _add_to_acl(folder, account)
    if not _enters(folder, account):  # a file system without access lists
        folder.chmod(folder.stat().st_mode | 0o001)
    if not _enters(folder, account):
        raise NoWayThrough(folder, account)
    log.info("folder_opened_for_server_account", folder=str(folder), account=account.name)


def _enters(folder: Path, account: Account) -> bool:
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    return (
        subprocess.run(  # noqa: S603 - the only way to ask about another account's rights, access lists included
            command, check=False, capture_output=True, cwd="/", **account.process_arguments()
        ).returncode
        == 0
    )


def _add_to_acl(folder: Path, account: Account) -> None:
    try:
        entries = with_search(_acl_of(folder), account.uid)
        os.setxattr(folder, ACL, struct.pack("<I", ACL_VERSION) + b"".join(struct.pack("<HHI", *e) for e in entries))
    except (OSError, AttributeError):  # no access lists on this file system or operating system
        return


def _acl_of(folder: Path) -> list[tuple[int, int, int]]:
    if ACL in os.listxattr(folder):
        return list(struct.iter_unpack("<HHI", os.getxattr(folder, ACL)[4:]))
    mode = folder.stat().st_mode
    return [
        (OWNER, mode >> 6 & 7, NOBODY_NAMED),
        (GROUP, mode >> 3 & 7, NOBODY_NAMED),
        (MASK, mode >> 3 & 7, NOBODY_NAMED),
        (OTHERS, mode & 7, NOBODY_NAMED),
    ]


def with_search(entries: list[tuple[int, int, int]], uid: int) -> list[tuple[int, int, int]]:
    """Access list entries (tag, permissions, id) with the right to search for `uid`, in the order the kernel demands.

    Source: acl(5).
    """
    kept = {(tag, owner): permissions for tag, permissions, owner in entries}
    kept[NAMED_USER, uid] = kept.get((NAMED_USER, uid), 0) | SEARCH
    kept[MASK, NOBODY_NAMED] = kept.get((MASK, NOBODY_NAMED), kept[GROUP, NOBODY_NAMED]) | SEARCH
    return [(tag, permissions, owner) for (tag, owner), permissions in sorted(kept.items())]
