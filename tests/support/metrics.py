"""What the metrics should say: counted anew from the rows, as simply as it can be said (spec 07, 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Connection, Database

LIVE = """
    SELECT (o.requested_send_time AT TIME ZONE 'UTC')::date AS day, o.creator, count(DISTINCT o.id) AS orders,
           count(n.id) FILTER (WHERE n.channel = 'Email') AS emails,
           count(n.id) FILTER (WHERE n.channel = 'Email' AND s.result IN ('Delivered', 'Succeeded'))
               AS successful_emails,
           coalesce(sum(n.segments) FILTER (WHERE n.channel = 'Sms'), 0) AS sms_segments,
           count(n.id) FILTER (WHERE n.channel = 'Sms' AND s.result IN ('Delivered', 'Accepted')) AS successful_sms
    FROM orders o LEFT JOIN notifications n ON n.order_id = o.id
    LEFT JOIN notification_states s ON s.notification_id = n.id
    GROUP BY 1, 2 ORDER BY 1, 2"""
KEPT = """
    SELECT day, creator, sum(orders) AS orders, sum(emails) AS emails, sum(successful_emails) AS successful_emails,
           sum(sms_segments) AS sms_segments, sum(successful_sms) AS successful_sms
    FROM (SELECT * FROM metrics_days UNION ALL SELECT * FROM metrics_changes) AS counted
    GROUP BY 1, 2 ORDER BY 1, 2"""


async def counted_anew(db: Database | Connection) -> list[dict[str, Any]]:
    """The figures of every owner and day, from orders and notifications themselves."""
    return [dict(row) for row in await db.fetch(LIVE)]


async def kept(db: Database | Connection) -> list[dict[str, Any]]:
    """The same from the rollup."""
    return [dict(row) for row in await db.fetch(KEPT)]
