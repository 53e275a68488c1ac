"""A Maildir that collects bounces (spec 09, 8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.database.wakeups import REPORTS, Wakeups
from altinn_notifications.reports.bounce_mailbox import BounceMailbox, forget_collected
from support.emails import OPERATION_ID
from support.mails import a_dsn, an_automatic_reply
from support.times import DAY, NOON

if TYPE_CHECKING:
    from pathlib import Path

    from altinn_notifications.database.pool import Database

STORED = "SELECT provider_reference, result FROM delivery_reports ORDER BY id"
DEAD = "SELECT count(*) FROM dead_delivery_reports WHERE reason = 'INVALID_DELIVERY_REPORT'"
PERSONAL_MAIL = b"From: kari@example.com\r\nTo: bounce@altinn.cloud\r\nSubject: Hva er dette?\r\n\r\nHei\r\n"


class Maildir:
    """The folder as a mail server fills it and a person looks at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("new", "cur", "tmp"):
            (path / name).mkdir()

    def deliver(self, raw: bytes, name: str = "1772452800.M1P1.mx") -> None:
        """Put one mail into `new`."""
        (self.path / "new" / name).write_bytes(raw)

    def put_back(self) -> None:
        """Undo every move, as if a process had died before it."""
        for path in (self.path / "cur").iterdir():
            path.rename(self.path / "new" / path.name.partition(":")[0])

    def take_away(self) -> None:
        """Remove `new`."""
        (self.path / "new").rmdir()

    def names(self, folder: str) -> list[str]:
        """What is in a folder."""
        return sorted(path.name for path in (self.path / folder).iterdir())


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    return Maildir(tmp_path)


@pytest.fixture
def wakeups(db: Database) -> Wakeups:
    return Wakeups(db)


@pytest.fixture
def mailbox(maildir: Maildir, db: Database, wakeups: Wakeups) -> BounceMailbox:
    return BounceMailbox(maildir.path, db, wakeups)


async def test_a_bounce_is_stored_and_then_moved(
    maildir: Maildir, mailbox: BounceMailbox, db: Database, wakeups: Wakeups
) -> None:
    woken = wakeups.subscribe(REPORTS)
    maildir.deliver(a_dsn())
    assert await mailbox.collect(now=NOON) == 1
    assert [tuple(row) for row in await db.fetch(STORED)] == [(str(OPERATION_ID), "Failed_Bounced")]
    assert (maildir.names("new"), maildir.names("cur")) == ([], ["1772452800.M1P1.mx:2,S"])
    assert woken.is_set()
    assert await mailbox.collect(now=NOON) == 0


async def test_a_bounce_is_known_by_the_address_it_came_to_alone(
    maildir: Maildir, mailbox: BounceMailbox, db: Database
) -> None:
    to = f"bounce+{OPERATION_ID}@bounce.altinn.cloud"
    maildir.deliver(a_dsn(to=to, envelope_id=None, returned_id=None, returned_message_id=None))
    await mailbox.collect(now=NOON)
    assert await db.fetchval("SELECT provider_reference FROM delivery_reports") == str(OPERATION_ID)


async def test_a_process_that_dies_before_the_move_reports_once(
    maildir: Maildir, mailbox: BounceMailbox, db: Database
) -> None:
    maildir.deliver(a_dsn())
    await mailbox.collect(now=NOON)
    maildir.put_back()
    assert await mailbox.collect(now=NOON) == 1
    assert len(await db.fetch(STORED)) == 1
    assert maildir.names("new") == []


async def test_nothing_is_moved_that_could_not_be_stored(
    maildir: Maildir, mailbox: BounceMailbox, db: Database
) -> None:
    maildir.deliver(a_dsn())
    await db.close()
    with pytest.raises(DatabaseUnavailable):
        await mailbox.collect(now=NOON)
    assert maildir.names("new") == ["1772452800.M1P1.mx"]


async def test_mail_from_people_is_kept_apart_and_unread(
    maildir: Maildir, mailbox: BounceMailbox, db: Database
) -> None:
    maildir.deliver(PERSONAL_MAIL, "a")
    maildir.deliver(b"\xff\xfe no mail at all", "b")
    maildir.deliver(a_dsn(), "c")
    assert await mailbox.collect(now=NOON) == 3
    assert maildir.names(".Other/new") == ["a", "b"]
    assert maildir.names("cur") == ["c:2,S"]
    assert len(await db.fetch(STORED)) == 1


async def test_a_delay_and_an_automatic_reply_change_nothing_and_are_read(
    maildir: Maildir, mailbox: BounceMailbox, db: Database
) -> None:
    maildir.deliver(an_automatic_reply(), "a")
    maildir.deliver(a_dsn(action="delayed"), "b")
    await mailbox.collect(now=NOON)
    assert maildir.names("cur") == ["a:2,S", "b:2,S"]
    assert await db.fetch(STORED) == []


async def test_a_bounce_that_names_no_mail_of_ours_becomes_a_dead_report(
    maildir: Maildir, mailbox: BounceMailbox, db: Database
) -> None:
    maildir.deliver(a_dsn(envelope_id=None, returned_id=None, returned_message_id=None))
    await mailbox.collect(now=NOON)
    assert await db.fetchval(DEAD) == 1
    assert maildir.names("new") == []


async def test_two_workers_on_one_folder_bring_each_report_once(
    maildir: Maildir, mailbox: BounceMailbox, db: Database, wakeups: Wakeups
) -> None:
    operation_ids = [uuid4() for _ in range(30)]
    for number, operation_id in enumerate(operation_ids):
        maildir.deliver(a_dsn(envelope_id=str(operation_id)), f"{number:02}")
    other = BounceMailbox(maildir.path, db, wakeups)
    while await mailbox.collect(now=NOON, limit=7) + await other.collect(now=NOON, limit=7):
        pass
    stored = [UUID(row["provider_reference"]) for row in await db.fetch(STORED)]
    assert sorted(stored) == sorted(operation_ids)


async def test_a_folder_that_is_not_there_is_waited_for(maildir: Maildir, mailbox: BounceMailbox) -> None:
    maildir.take_away()
    assert await mailbox.collect(now=NOON) == 0


async def test_what_was_collected_long_ago_is_forgotten(maildir: Maildir, mailbox: BounceMailbox, db: Database) -> None:
    maildir.deliver(a_dsn())
    await mailbox.collect(now=NOON)
    await forget_collected(db, before=NOON)
    assert await db.fetchval("SELECT count(*) FROM collected_bounces") == 1
    await forget_collected(db, before=NOON + DAY)
    assert await db.fetchval("SELECT count(*) FROM collected_bounces") == 0
