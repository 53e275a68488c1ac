"""Everything that was made for one person or organisation in a span of time, whoever ordered it (spec 07, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import Channel, OrderType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from altinn_notifications.database.pool import Database


class Kind(StrEnum):
    """Whose number it is."""

    PERSON = "person"
    ORGANIZATION = "organisation"


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """A national identity number or an organisation number, as stored with notifications."""

    kind: Kind
    number: str

    def __repr__(self) -> str:  # so that no log line or traceback tells whose number it is
        return f"Identity({self.kind}, ***)"


@dataclass(frozen=True, slots=True, repr=False)
class Attempt:
    """One notification. `result` is the stored word; `destination` is empty when there was no address to use."""

    channel: Channel
    destination: str
    result: str
    result_time: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Notice:
    """One order, and the notifications it became for the identity that was asked for."""

    order_id: UUID
    creator: str
    resource_id: str | None
    senders_reference: str | None
    requested_send_time: datetime
    channel: str
    type: OrderType
    attempts: tuple[Attempt, ...]


# The order's time is also a column of notifications: the index of each identity reads just the span that is asked for.
_FIND: Final = """
    SELECT o.id, o.creator, o.resource_id, o.senders_reference, o.requested_send_time, o.channel, o.type,
           n.channel AS attempt_channel, n.destination, ns.result, ns.result_time
    FROM notifications n JOIN orders o ON o.id = n.order_id JOIN notification_states ns ON ns.notification_id = n.id
    WHERE {identity} = $1 AND n.requested_send_time >= $2 AND n.requested_send_time < $3
    ORDER BY n.requested_send_time DESC, n.order_id, n.channel, n.position LIMIT $4"""
FIND_NOTICES: Final[Mapping[Kind, str]] = {
    Kind.PERSON: _FIND.format(identity="n.national_identity_number"),
    Kind.ORGANIZATION: _FIND.format(identity="n.organization_number"),
}


async def find_notices(
    db: Database, identity: Identity, *, since: datetime, until: datetime, limit: int | None = None
) -> list[Notice]:
    """The orders to be sent at `since` or later and before `until` that made notifications for `identity`.

    The latest send time comes first; of an order emails come before SMS, each in order of creation. `limit` is the
    most notifications that are read. Source: spec 07, 1.3 and 1.4.
    """
    rows = await db.fetch(FIND_NOTICES[identity.kind], identity.number, since, until, limit)
    return [_notice(group) for _, group in groupby(rows, key=lambda row: row["id"])]


def _notice(rows: Iterable[asyncpg.Record]) -> Notice:
    order, *_ = found = list(rows)
    return Notice(
        order_id=order["id"],
        creator=order["creator"],
        resource_id=order["resource_id"],
        senders_reference=order["senders_reference"],
        requested_send_time=order["requested_send_time"],
        channel=order["channel"],
        type=OrderType(order["type"]),
        attempts=tuple(
            Attempt(Channel(row["attempt_channel"]), row["destination"], row["result"], row["result_time"])
            for row in found
        ),
    )
