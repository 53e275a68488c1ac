"""Workers that are killed, and the provider calls that were open at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.database.pool import Database
    from support.deployment import OurProcess

OPEN = """
    SELECT notification_id, channel, attempts FROM notification_states
    WHERE attempt_open AND result = 'Sending'"""
MARKED = """
    SELECT DISTINCT n.destination FROM events e JOIN notifications n ON n.id = e.notification_id
    WHERE e.kind = 'send-unknown'"""


class OpenCall(NamedTuple):
    """A call of which its killed worker can tell nothing any more."""

    notification_id: UUID
    channel: str
    attempt: int


async def kill_and_restart(worker: OurProcess, db: Database) -> set[OpenCall]:
    """Kill a worker, start it again, and return the calls that were open in between."""
    await worker.kill()
    open_calls = {OpenCall(*row) for row in await db.fetch(OPEN)}
    await worker.start()
    return open_calls


async def marked(db: Database) -> set[str]:
    """The recipients of messages whose timeline says that nobody knows what became of a call."""
    return {row["destination"] for row in await db.fetch(MARKED)}


def as_stored(recipients: set[str]) -> set[str]:
    """Addresses, and numbers that the gateway got with 00 or without a sign."""
    return {to if "@" in to else f"+{to.lstrip('+0')}" for to in recipients}
