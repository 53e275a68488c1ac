"""Completing orders: state, feed entry and log rows, in the transaction of the last result (spec 08, 12)."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.database.pool import columns
from altinn_notifications.lifecycle import Channel, OrderStatus, OrderType
from altinn_notifications.orders.attachment_links import erase_links
from altinn_notifications.tracking.feed_entry import FeedRecipient, feed_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Row

log = structlog.get_logger()

# Locked in one order by everybody, and in a statement of its own: what follows sees every result that was committed
# before the lock was granted, so of two last results exactly one finds nothing pending.
LOCK_OPEN_ORDERS: Final = """
    SELECT order_id FROM order_states
    WHERE order_id = ANY($1::uuid[]) AND status || '' IN ('Processing', 'Processed') ORDER BY order_id FOR UPDATE"""

COMPLETE: Final = """
    UPDATE order_states SET status = 'Completed', last_change = $2, wake_at = NULL
    WHERE order_id = ANY($1::uuid[]) AND status || '' IN ('Processing', 'Processed') AND NOT EXISTS (
        SELECT FROM notification_states n WHERE n.order_id = order_states.order_id
        AND n.result || '' IN ('New', 'Sending', 'Succeeded', 'Accepted'))
    RETURNING order_id"""

LOAD_FINISHED: Final = """
    SELECT o.id, o.type, o.creator, o.senders_reference, s.status, s.last_change, n.channel, n.destination, ns.result,
           ns.result_time
    FROM orders o JOIN order_states s ON s.order_id = o.id
    LEFT JOIN notification_states ns ON ns.order_id = o.id
    LEFT JOIN notifications n ON n.id = ns.notification_id
    WHERE o.id = ANY($1::uuid[]) ORDER BY o.id, n.channel, n.position"""

INSERT_FEED_ENTRIES: Final = """
    INSERT INTO status_feed_outbox (creator, order_id, created, entry)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::jsonb[]) ON CONFLICT (order_id) DO NOTHING"""

INSERT_LOG_ROWS: Final = """
    INSERT INTO notification_log (order_chain_id, shipment_id, notification_id, creator, senders_reference, dialog_id,
        transmission_id, delivery_reference, recipient, type, channel, destination, resource, status,
        requested_send_time, last_update_time)
    SELECT o.chain_id, o.id, n.id, o.creator, o.senders_reference, c.dialog_id, c.transmission_id,
           ns.provider_reference, coalesce(n.organization_number, n.national_identity_number),
           ($2::text[])[o.type + 1], n.channel, n.destination, o.resource_id, ns.result, o.requested_send_time,
           ns.result_time
    FROM orders o JOIN notification_states ns ON ns.order_id = o.id JOIN notifications n ON n.id = ns.notification_id
    LEFT JOIN order_chains c ON c.id = o.chain_id
    WHERE o.id = ANY($1::uuid[]) ORDER BY o.id, n.channel, n.position
    ON CONFLICT DO NOTHING"""


async def complete_finished(connection: Connection, order_ids: Collection[UUID], *, now: datetime) -> list[UUID]:
    """Complete those of `order_ids` that have no pending notification left, and return them.

    Part of the caller's transaction, which has just written a final result.
    """
    if not order_ids:
        return []
    locked = [row["order_id"] for row in await connection.fetch(LOCK_OPEN_ORDERS, sorted(order_ids))]
    finished = [row["order_id"] for row in await connection.fetch(COMPLETE, locked, now)] if locked else []
    await announce(connection, finished, now=now)
    return finished


async def announce(connection: Connection, order_ids: Sequence[UUID], *, now: datetime) -> None:
    """Write the feed entry and the log rows of orders that the caller's transaction has just ended.

    Nobody will send anything of them any more, so the links to their attachments go.
    """
    if not order_ids:
        return
    rows = await connection.fetch(LOAD_FINISHED, order_ids)
    entries = [_entry(list(group), now) for _, group in groupby(rows, key=lambda row: row["id"])]
    await connection.execute(INSERT_FEED_ENTRIES, *columns(entries))
    written = await connection.execute(INSERT_LOG_ROWS, order_ids, [type_.name for type_ in OrderType])
    notifications = sum(row["channel"] is not None for row in rows)
    if (logged_before := notifications - int(written.rpartition(" ")[2])) > 0:
        log.error("notifications_logged_before", count=logged_before, order_ids=[str(id_) for id_ in order_ids])
    await erase_links(connection, {row["id"] for row in rows if row["type"] == OrderType.Composed})


def _entry(rows: Sequence[Row], now: datetime) -> tuple[Any, ...]:
    order = rows[0]
    document = feed_entry(
        order_id=order["id"],
        order_type=OrderType(order["type"]),
        senders_reference=order["senders_reference"],
        status=OrderStatus(order["status"]),
        last_update=order["last_change"],
        recipients=list(_recipients(rows)),
    )
    return order["creator"], order["id"], now, document


def _recipients(rows: Iterable[Row]) -> Iterable[FeedRecipient]:
    for row in rows:
        if row["channel"] is not None:
            yield FeedRecipient(Channel(row["channel"]), row["destination"], row["result"], row["result_time"])
