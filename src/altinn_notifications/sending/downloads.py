"""The attachments of a composed email, fetched before its provider is called (spec 04, 9.4 and 9.5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from altinn_notifications.channels.protocol import Attachment
from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import EmailResult
from altinn_notifications.orders.content import attached_files
from altinn_notifications.platform.guarded_fetch import BudgetExceeded, ByteBudget, FetchFailed
from altinn_notifications.sending.download_notes import DownloadNote
from altinn_notifications.sending.schedules import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database, Row
    from altinn_notifications.orders.model import AttachedFile
    from altinn_notifications.platform.attachments import AttachmentStore
    from altinn_notifications.sending.claims import Claimed
    from altinn_notifications.settings import Settings

# The claim's lease starts anew, and lasts longer the more rounds of downloads there may be.
BEGIN: Final = """
    UPDATE notification_states s
    SET wake_at = $4::timestamptz
        + $5::interval * ceil(jsonb_array_length(coalesce(o.content -> 'attachments', '[]')) / $6::float8)
    FROM orders o
    WHERE s.notification_id = $1 AND s.claim_count = $2 AND s.result = 'Sending' AND s.expiry >= $3
        AND o.id = s.order_id
    RETURNING o.content -> 'attachments' AS files, s.download_failures AS failures, ARRAY(
        SELECT l.sas_url FROM attachment_links l WHERE l.order_id = s.order_id ORDER BY l.position) AS sas_urls"""


@dataclass(frozen=True, slots=True, repr=False)
class _Link:
    """A file, and the secret that opens it."""

    file: AttachedFile
    sas_url: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """The mail does not go to its provider now: what was decided instead, and what is remembered of the downloads."""

    decision: Decision
    note: DownloadNote


Files: TypeAlias = tuple[Attachment, ...]


class Downloads:
    """Fetches the attachments of claimed emails."""

    def __init__(self, db: Database, clock: Clock, store: AttachmentStore, settings: Settings) -> None:
        self._db = db
        self._clock = clock
        self._store = store
        self._email = settings.email
        self._lease = timedelta(seconds=settings.notification.claim_lease_seconds)

    async def fetch(self, claim: Claimed) -> Files | Unsent | None:
        """The files in the order's sequence, or why the mail must do without being sent.

        None when the claim is no longer ours to use. Raises `DatabaseUnavailable`.
        """
        row = await self._begin(claim)
        if row is None:
            return None
        files = attached_files(row["files"] or ())
        if len(files) != len(row["sas_urls"]):
            return refused(EmailResult.INVALID_SAS_URL, "the links to its attachments are gone")
        links = [_Link(file, sas_url) for file, sas_url in zip(files, row["sas_urls"], strict=True)]
        try:
            fetched = await self._fetch_all(links)
        except FetchFailed as failure:
            return after(failure, row["failures"], self._email.attachment_retry_seconds, now=self._clock.now())
        return checked(fetched)

    async def _begin(self, claim: Claimed) -> Row | None:
        now = self._clock.now()
        return await self._db.fetchrow(
            BEGIN,
            claim.notification_id,
            claim.claim_count,
            now,
            now + self._lease,
            timedelta(seconds=self._email.blob_download_timeout_seconds),
            self._email.blob_download_concurrency,
        )

    async def _fetch_all(self, links: Sequence[_Link]) -> Files:
        """Every file, or the first failure, which ends the other downloads. Raises `FetchFailed`."""
        budget = ByteBudget(self._email.max_download_bytes)
        turns = asyncio.Semaphore(self._email.blob_download_concurrency)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._fetch(link, turns, budget)) for link in links]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return tuple(task.result() for task in tasks)

    async def _fetch(self, link: _Link, turns: asyncio.Semaphore, budget: ByteBudget) -> Attachment:
        async with turns:
            content = await self._store.fetch(link.sas_url, budget)
        return Attachment(link.file.filename, link.file.mime_type, content)


def checked(files: Files) -> Files | Unsent:
    """The files, unless one is empty: providers take none that is (spec 09, 3.2)."""
    if all(file.content for file in files):
        return files
    size = sum(len(file.content) for file in files)
    return refused(EmailResult.FAILED, "an attachment is empty", attachment_bytes=size or None)


def after(failure: FetchFailed, failures: int, waits: Sequence[int], *, now: datetime) -> Unsent:
    """What follows a failed download, before which `failures` others had failed in a row. Source: spec 04, 9.4, 9.5."""
    if isinstance(failure, BudgetExceeded):
        reason = f"{failure.read} bytes of attachments were read, and more was to come"
        return refused(EmailResult.PAYLOAD_TOO_LARGE, reason, attachment_bytes=failure.read)
    if failure.is_final or failures >= len(waits):
        return refused(EmailResult.INVALID_SAS_URL, failure.cause)
    again = now + timedelta(seconds=waits[failures])
    detail = {"reason": failure.cause, "at": again.isoformat()}
    return Unsent(Decision(Kind.ATTACHMENTS_DEFERRED, wake_at=again, detail=detail), DownloadNote(failed=True))


def refused(result: EmailResult, reason: str, *, attachment_bytes: int | None = None) -> Unsent:
    """The mail has failed for good without being handed to a provider."""
    decision = Decision(Kind.ATTACHMENTS_REFUSED, result, detail={"result": result, "reason": reason})
    return Unsent(decision, DownloadNote(attachment_bytes))
