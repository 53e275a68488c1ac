"""Orders and the results of their notifications, as first-generation clients read them (spec 05, 8, 9, 11 and 12).

Every type of order can be read, and each only by its creator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import EmailResult
from altinn_notifications.orders.content import order_of
from altinn_notifications.tracking.order_status import SUCCEEDED_RESULTS
from altinn_notifications.tracking.plain_words import result_words

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.database.pool import Database, Row
    from altinn_notifications.lifecycle import Channel
    from altinn_notifications.orders.model import Order


@dataclass(frozen=True, slots=True, repr=False)
class NotificationResult:
    """One notification and what became of it. `result` is the stored word, `last_update` its time in UTC."""

    id: UUID
    channel: Channel
    destination: str
    """Empty when nobody is written to."""
    organization_number: str | None
    national_identity_number: str | None
    result: str
    last_update: datetime

    @property
    def is_success(self) -> bool:
        """Whether the provider has taken it over, or has said that it arrived."""
        return self.result in SUCCEEDED_RESULTS

    @property
    def shown_result(self) -> str:
        """The result as clients see it: they do not know that it was given up after a while (spec 05, 11 and 12)."""
        return EmailResult.FAILED if self.result == EmailResult.TTL else self.result

    @property
    def description(self) -> str:
        """The stored result in a sentence."""
        return result_words(self.channel, self.result).meaning


@dataclass(frozen=True, slots=True, repr=False)
class OrderResults:
    """An order's notifications of one channel, in order of creation, at one moment."""

    order_id: UUID
    senders_reference: str | None
    """None also when it is blank."""
    notifications: tuple[NotificationResult, ...]


FIND_ORDER: Final = """
    SELECT id, type, creator, created, requested_send_time, channel, sms_policy, resource_id, email, sms, content
    FROM orders WHERE id = $1 AND creator = $2"""

# The index holds the beginnings of references; the whole one decides.
FIND_ORDERS_BY_REFERENCE: Final = """
    SELECT id, type, creator, created, requested_send_time, channel, sms_policy, resource_id, email, sms, content
    FROM orders WHERE creator = $1 AND left(senders_reference, 100) = left($2, 100) AND senders_reference = $2
    ORDER BY id"""

# One statement, so that order and notifications are seen at the same moment.
FIND_RESULTS: Final = """
    SELECT o.id AS order_id, o.senders_reference, n.id, n.destination, n.organization_number,
           n.national_identity_number, s.result, s.result_time AS last_update
    FROM orders o
    LEFT JOIN notification_states s ON s.order_id = o.id AND s.channel = $3
    LEFT JOIN notifications n ON n.id = s.notification_id
    WHERE o.id = $1 AND o.creator = $2 ORDER BY n.position, n.id"""


async def find_order(db: Database, order_id: UUID, *, creator: str) -> Order | None:
    """The order as it was placed; None if it is not `creator`'s. Raises `DatabaseUnavailable`. Source: spec 05, 8."""
    row = await db.fetchrow(FIND_ORDER, order_id, creator)
    return None if row is None else order_of(row)


async def find_orders(db: Database, senders_reference: str, *, creator: str) -> list[Order]:
    """All of `creator`'s orders with exactly this reference, oldest first. Raises `DatabaseUnavailable`.

    A blank reference finds nothing. Source: spec 05, 9.
    """
    return [order_of(row) for row in await db.fetch(FIND_ORDERS_BY_REFERENCE, creator, senders_reference)]


async def find_results(db: Database, order_id: UUID, channel: Channel, *, creator: str) -> OrderResults | None:
    """The notifications of one channel; None if the order is not `creator`'s. Raises `DatabaseUnavailable`.

    Source: spec 05, 11 and 12.
    """
    rows = await db.fetch(FIND_RESULTS, order_id, creator, str(channel))
    if not rows:
        return None
    notifications = tuple(_notification(row, channel) for row in rows if row["id"] is not None)
    return OrderResults(rows[0]["order_id"], rows[0]["senders_reference"], notifications)


def _notification(row: Row, channel: Channel) -> NotificationResult:
    return NotificationResult(
        id=row["id"],
        channel=channel,
        destination=row["destination"],
        organization_number=row["organization_number"],
        national_identity_number=row["national_identity_number"],
        result=row["result"],
        last_update=row["last_update"],
    )
