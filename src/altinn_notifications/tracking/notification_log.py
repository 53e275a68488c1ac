"""What was sent about a dialog, as the log of finished orders has it (spec 07, 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database


@dataclass(frozen=True, slots=True, repr=False)
class LoggedNotification:
    """A row of the log, as far as end users see it. Words are those that are stored."""

    notification_id: UUID
    dialog_id: str | None
    transmission_id: str | None
    type: str
    channel: str
    destination: str
    status: str
    requested_send_time: datetime
    last_update_time: datetime


# Ids have no longest length, so the index holds their beginnings only.
FIND_OF_DIALOG: Final = """
    SELECT notification_id, dialog_id, transmission_id, type, channel, destination, status, requested_send_time,
           last_update_time
    FROM notification_log
    WHERE left(dialog_id, 100) = left($1, 100) AND dialog_id = $1 AND ($2::text IS NULL OR transmission_id = $2)
    ORDER BY last_update_time, notification_id"""


async def find_of_dialog(db: Database, dialog_id: UUID, transmission_id: UUID | None) -> list[LoggedNotification]:
    """The notifications about a dialog, whoever sent them, oldest result first; of one transmission if one is given.

    Ids that senders wrote otherwise than in lower case with hyphens are not found. Source: spec 07, 3.4.
    """
    transmission = None if transmission_id is None else str(transmission_id)
    return [LoggedNotification(**row) for row in await db.fetch(FIND_OF_DIALOG, str(dialog_id), transmission)]
