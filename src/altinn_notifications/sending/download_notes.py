"""What is remembered of a composed email's attachments: their size, and downloads that failed (spec 04, 9.5 and 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.channels.protocol import OutgoingEmail
from altinn_notifications.database.pool import columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Connection

COMPOSED_LANE: Final = "composed"

# Of an expired notification nothing is remembered; a result without a size leaves the size that is known.
REMEMBER: Final = """
    UPDATE notification_states s SET attachment_bytes = coalesce(u.attachment_bytes, s.attachment_bytes),
        download_failures = CASE WHEN u.failed THEN s.download_failures + 1 ELSE 0 END
    FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::boolean[])
        AS u (notification_id, claim_count, attachment_bytes, failed)
    WHERE s.notification_id = u.notification_id AND s.claim_count = u.claim_count AND s.expiry > $5"""


@dataclass(frozen=True, slots=True)
class DownloadNote:
    """What is to be remembered. `attachment_bytes` is the size before encoding, None to keep what is known."""

    attachment_bytes: int | None = None
    failed: bool = False


def note_of(lane: str, message: Any) -> DownloadNote | None:
    """What is to be remembered of a message that went to its provider; None for all but composed email."""
    if lane != COMPOSED_LANE or not isinstance(message, OutgoingEmail):
        return None
    return DownloadNote(sum(len(attachment.content) for attachment in message.attachments) or None)


async def remember(connection: Connection, notes: Sequence[tuple[UUID, int, DownloadNote]], *, now: datetime) -> None:
    """Store notes of claims: triples of notification id, claim count and note. Part of the caller's transaction."""
    if notes:
        rows = ((id_, claim_count, note.attachment_bytes, note.failed) for id_, claim_count, note in notes)
        await connection.execute(REMEMBER, *columns(rows), now)
