"""A local mailbox that collects bounces: a Maildir into which a mail server delivers them (spec 09, 8.3).

A file is moved from `new` to `cur` after its report is stored, and which files were stored is known to the database:
a process that dies in between, or two that read the same folder, bring no report twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.database.wakeups import REPORTS
from altinn_notifications.reports.dsn import Dropped, NotADeliveryStatus, parse_dsn
from altinn_notifications.reports.inbox import store_within
from altinn_notifications.reports.model import InvalidReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from altinn_notifications.database.pool import Database
    from altinn_notifications.database.wakeups import Wakeups
    from altinn_notifications.reports.model import IncomingReport

log = structlog.get_logger()

_SEEN: Final = ":2,S"
_OTHER: Final = ".Other"
_LARGEST_BYTES: Final = 10_000_000  # a report holds our headers, or at most our mail

NOTE_COLLECTED: Final = """
    INSERT INTO collected_bounces (file, collected) SELECT file, $2 FROM unnest($1::bytea[]) AS file
    ON CONFLICT DO NOTHING RETURNING file"""
FORGET_COLLECTED: Final = "DELETE FROM collected_bounces WHERE collected < $1"


@dataclass(frozen=True, slots=True, repr=False)
class BounceFile:
    """One file of the mailbox. `content` is what it says: None if it is mail of another kind, for a person to read."""

    path: Path
    digest: bytes
    content: IncomingReport | Dropped | None


class BounceMailbox:
    """Brings reports from the Maildir `directory` into the inbox. Other mail is set apart in its subfolder `Other`."""

    def __init__(self, directory: Path, db: Database, wakeups: Wakeups) -> None:
        self._directory = directory
        self._db = db
        self._wakeups = wakeups

    async def collect(self, *, now: datetime, limit: int = 20) -> int:
        """Take one batch of new files, received at `now` (UTC), and return how many were dealt with.

        A batch is small because each file may be large.

        Raises `DatabaseUnavailable`; the files then stay where they are.
        """
        files = await asyncio.to_thread(lambda: list(islice(self._new_files(), limit)))
        await self._store([file for file in files if file.content is not None], now)
        return await asyncio.to_thread(self._move, files)

    def _new_files(self) -> Iterator[BounceFile]:
        """What was delivered and can be read, the oldest name first."""
        try:
            paths = sorted(path for path in (self._directory / "new").iterdir() if path.is_file())
        except OSError as error:
            log.error("bounce_mailbox_unreadable", error=type(error).__name__)  # noqa: TRY400 - a traceback would add nothing
            return
        for path in paths:
            try:
                yield _read(path)
            except FileNotFoundError:
                continue  # another process was quicker
            except OSError as error:
                log.error("bounce_unreadable", file=path.name, error=type(error).__name__)  # noqa: TRY400 - the same

    async def _store(self, files: Sequence[BounceFile], now: datetime) -> None:
        async with self._db.transaction() as connection:
            rows = await connection.fetch(NOTE_COLLECTED, sorted({file.digest for file in files}), now)
            unknown = {row["file"] for row in rows}
            fresh = [file.content for file in files if file.digest in unknown]
            reports = [content for content in fresh if content is not None and not isinstance(content, Dropped)]
            await store_within(connection, [(report, now) for report in reports])
        _tell(fresh)
        if reports:
            self._wakeups.wake(REPORTS)

    def _move(self, files: Sequence[BounceFile]) -> int:
        moved = 0
        for file in files:
            try:
                file.path.rename(self._place_of(file))
            except FileNotFoundError:
                continue
            except OSError as error:
                log.error("bounce_not_moved", file=file.path.name, error=type(error).__name__)  # noqa: TRY400 - the same
            else:
                moved += 1
        return moved

    def _place_of(self, file: BounceFile) -> Path:
        """Read mail in `cur`; what a person has to look at is new in the subfolder (Maildir++)."""
        if file.content is not None:
            return self._folder(self._directory, "cur") / f"{file.path.name.partition(':')[0]}{_SEEN}"
        other = self._directory / _OTHER
        for name in ("cur", "tmp"):
            self._folder(other, name)
        return self._folder(other, "new") / file.path.name

    @staticmethod
    def _folder(parent: Path, name: str) -> Path:
        folder = parent / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


async def forget_collected(db: Database, *, before: datetime) -> None:
    """Forget the files that were collected earlier than `before` (UTC); they have long been moved."""
    await db.execute(FORGET_COLLECTED, before)


def _read(path: Path) -> BounceFile:
    with path.open("rb") as opened:
        raw = opened.read(_LARGEST_BYTES + 1)
    digest = hashlib.sha256(path.name.encode("utf-8", "surrogateescape") + b"\0" + raw).digest()
    return BounceFile(path, digest, None if len(raw) > _LARGEST_BYTES else _content(raw))


def _content(raw: bytes) -> IncomingReport | Dropped | None:
    try:
        return parse_dsn(raw)
    except NotADeliveryStatus:
        return None


def _tell(contents: Sequence[IncomingReport | Dropped | None]) -> None:
    for content in contents:
        if isinstance(content, Dropped):
            log.info("delivery_status_dropped", reason=content.reason, operation_id=content.operation_id)
        elif isinstance(content, InvalidReport):
            log.warning("delivery_report_invalid", provider=content.source.name, reason=content.message)
