"""What reads cost with a long history: the same reads with 10,000 stored orders and with many more.

The rows are made in PostgreSQL: ended orders of a year, two in five of them by the largest of 200 owners, four in five
to persons. However many orders there are, a person gets about four of them, an organisation ten and one organisation a
thousand, so that a search finds as much in either database. Chains and timelines are left out: none of the measured
reads touches them.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from altinn_notifications.clock import SystemClock
from altinn_notifications.database.partitions import STATUS_FEED, drop_before, make_ahead
from altinn_notifications.database.pool import Database
from altinn_notifications.identifiers import first_id_at
from altinn_notifications.tracking import feed, notices, notification_log, order_reads, shipment
from bench.figures import GIGABYTE, MILLISECOND, Figure, percentile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from bench.system import System

BASE: Final = 10_000
SPAN: Final = timedelta(days=365)
ROWS_AT_ONCE: Final = 250_000
READS: Final = 60
PAGE: Final = 500
LARGEST_OWNER: Final = "owner-000"

MAKE_CHUNK: Final = """
    CREATE TEMP TABLE chunk AS
    SELECT n, at, owner, dialog, person, organization,
           (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
            || '8' || left(hash, 15))::uuid AS order_id,
           (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint + 5000), 12, '0') || '7'
            || lpad(to_hex(n % 4096), 3, '0') || '9' || right(hash, 15))::uuid AS notification_id
    FROM (SELECT n, md5(n::text) AS hash, $3::timestamptz + $4::interval * (n::float8 / $5::integer) AS at,
                 'owner-' || lpad((200 * power(random(), 6))::int::text, 3, '0') AS owner,
                 CASE WHEN random() < 0.2 THEN gen_random_uuid() END AS dialog,
                 CASE WHEN n % 5 > 0 THEN '8' || lpad((random() * $5 / 5)::int::text, 10, '0') END AS person,
                 CASE WHEN n % ($5 / 1000) = 0 THEN '310000000'
                      WHEN n % 5 = 0 THEN '3' || lpad((random() * $5 / 50)::int::text, 8, '0') END AS organization
          FROM generate_series($1::integer, $2::integer - 1) AS n) AS numbers"""

FILL: Final = (
    """INSERT INTO orders (id, type, creator, senders_reference, created, requested_send_time, channel, email, content)
       SELECT order_id, 0, owner, 'sak-' || n, at, at, 'Email',
              '{"from_address": "noreply@altinn.cloud", "subject": "Du har fått en ny melding i Altinn",
                "body": "Hei! Logg inn i Altinn for å lese den. Hilsen oss.", "content_type": "Plain"}',
              jsonb_build_object('recipients', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
                  'national_identity_number', person, 'organization_number', organization)))) FROM chunk""",
    """INSERT INTO order_states (order_id, creator, status, last_change, requested_send_time, claim_count)
       SELECT order_id, owner, 'Completed', at + interval '1 minute', at, 1 FROM chunk""",
    """INSERT INTO notifications (id, order_id, channel, position, destination, national_identity_number,
           organization_number, created, expiry, requested_send_time)
       SELECT notification_id, order_id, 'Email', 0, 'innbygger-' || n || '@example.no', person, organization, at,
              at + interval '48 hours', at FROM chunk""",
    """INSERT INTO notification_states (notification_id, order_id, creator, channel, lane, result, result_time, expiry,
           claim_count, attempts, provider, provider_reference)
       SELECT notification_id, order_id, owner, 'Email', 'email', 'Delivered', at + interval '1 minute',
              at + interval '48 hours', 1, 1, 'smtp', notification_id::text FROM chunk""",
    """INSERT INTO notification_log (shipment_id, notification_id, creator, senders_reference, dialog_id,
           delivery_reference, recipient, type, channel, destination, status, requested_send_time, last_update_time)
       SELECT order_id, notification_id, owner, 'sak-' || n, dialog, notification_id::text,
              coalesce(organization, person), 'Notification', 'Email', 'innbygger-' || n || '@example.no', 'Delivered',
              at, at + interval '1 minute' FROM chunk""",
    """INSERT INTO status_feed (creator, order_id, created, entry)
       SELECT owner, order_id, at + interval '1 minute', jsonb_build_object('shipmentId', order_id,
              'sendersReference', 'sak-' || n, 'status', 'Order_Completed', 'lastUpdate', at,
              'shipmentType', 'Notification', 'recipients', jsonb_build_array(jsonb_build_object(
                  'destination', 'innbygger-' || n || '@example.no', 'status', 'Email_Delivered', 'lastUpdate', at)))
       FROM chunk WHERE at > $1::timestamptz ORDER BY at""",
)
"""What is stored of a chunk; only the last statement takes a parameter, from when on the feed has entries."""

# Nobody analyses the tables that partitions make up, neither here nor in production.
ANALYZED: Final = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
SAMPLE: Final = """
    SELECT n.order_id, l.creator, l.senders_reference AS reference, n.national_identity_number AS person,
           n.organization_number AS organization, l.dialog_id::uuid AS dialog_id,
           ends.first + ($2 * (ends.last - ends.first))::bigint AS seq
    FROM (SELECT * FROM notifications WHERE id >= $1 ORDER BY id LIMIT 1) AS n
    JOIN notification_log l ON l.shipment_id = n.order_id
    CROSS JOIN (SELECT (SELECT sequence_number FROM status_feed WHERE creator = $3
                        ORDER BY sequence_number LIMIT 1) AS first,
                       (SELECT sequence_number FROM status_feed WHERE creator = $3
                        ORDER BY sequence_number DESC LIMIT 1 OFFSET $4) AS last) AS ends"""
SIZE: Final = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True, slots=True)
class Target:
    """What some order can be found by; `seq` is where a full page of the largest owner's feed starts."""

    order_id: UUID
    creator: str
    reference: str
    person: str | None
    organization: str | None
    dialog_id: UUID | None
    seq: int


@dataclass(frozen=True, slots=True)
class Read:
    """One kind of read: how it is called for a target, and its statement with arguments."""

    name: str
    call: Callable[[Database, Target], Awaitable[Any]]
    plan: Callable[[Target], tuple[Any, ...]]
    applies: Callable[[Target], bool] = lambda _: True


async def figures(system: System, orders: int) -> list[Figure]:
    """Milliseconds of each read with `orders` stored orders, beside those with 10,000; prints the plans."""
    base = await measured(system, "history_base", BASE)
    many = await measured(system, "history", orders)
    return [
        Figure(f"{name}, {orders:,} orders", many[name], "ms", base[name], f"the same with {BASE:,}", "the same")
        for name in many
    ]


async def measured(system: System, name: str, orders: int) -> dict[str, float]:
    """The median of each read and of the same read again, in milliseconds, in a database of that many orders."""
    db = await Database.connect(await system.new_database(name), pool_size=1)
    now, began = SystemClock().now(), time.monotonic()
    await fill(db, orders, now)
    size = await db.fetchval(SIZE)
    print(f"{orders:,} orders in {time.monotonic() - began:.0f} s, {size / GIGABYTE:.1f} GB", flush=True)
    targets = await find_targets(db, orders, now)
    times: dict[str, float] = {}
    for read in reads(now):
        times |= await timed(db, read, targets)
    await db.close()
    return times


async def fill(db: Database, orders: int, now: datetime) -> None:
    """Store ended orders of the year before `now`."""
    for days in range(0, SPAN.days + 31, 7):
        await make_ahead(db, now - timedelta(days=days))
    feed_from = now - feed.KEPT_FOR
    await drop_before(db, STATUS_FEED, feed_from)
    async with db.connection() as connection:
        await connection.execute("SET session_replication_role = replica")  # the metrics are not what is measured
        for first in range(0, orders, ROWS_AT_ONCE):
            await connection.execute(MAKE_CHUNK, first, min(first + ROWS_AT_ONCE, orders), now - SPAN, SPAN, orders)
            for statement in FILL:
                await connection.execute(statement, *([feed_from] if "$1" in statement else []))
            await connection.execute("DROP TABLE chunk")
        for row in await connection.fetch(ANALYZED):
            await connection.execute(f"VACUUM ANALYZE {row['relname']}")
        await connection.execute("SET session_replication_role = DEFAULT")


async def find_targets(db: Database, orders: int, now: datetime) -> list[Target]:
    """Orders from everywhere in the year, the same places in each run."""
    chance = random.Random(orders)  # noqa: S311 - a repeatable choice, not a secret
    moments = (now - SPAN * chance.random() * 0.999 for _ in range(READS))
    return [
        Target(**row)
        for moment in moments
        for row in await db.fetch(SAMPLE, first_id_at(moment), chance.random(), LARGEST_OWNER, PAGE)
    ]


def reads(now: datetime) -> list[Read]:
    """Every kind of read that is measured."""
    since, until = now - timedelta(days=90), now
    return [
        Read(
            f"feed page of {PAGE}",
            lambda db, t: feed.read_feed(
                db, feed.FeedQuery(t.seq, PAGE, descending=False), creator=LARGEST_OWNER, now=now
            ),
            lambda t: (feed.READ_FORWARD, LARGEST_OWNER, t.seq, PAGE),
        ),
        Read(
            "shipment",
            lambda db, t: shipment.find_shipment(db, t.order_id, creator=t.creator),
            lambda t: (shipment.FIND_SHIPMENT, t.order_id, t.creator),
        ),
        Read(
            "orders by reference",
            lambda db, t: order_reads.find_orders(db, t.reference, creator=t.creator),
            lambda t: (order_reads.FIND_ORDERS_BY_REFERENCE, t.creator, t.reference),
        ),
        Read(
            "log of a dialog",
            lambda db, t: notification_log.find_of_dialog(db, cast("UUID", t.dialog_id), None),
            lambda t: (notification_log.FIND_OF_DIALOG, str(t.dialog_id), None),
            lambda t: t.dialog_id is not None,
        ),
        *(notices_read(kind, since, until) for kind in notices.Kind),
    ]


def notices_read(kind: notices.Kind, since: datetime, until: datetime) -> Read:
    """The dashboard's search for one person or organisation in 90 days."""

    def number(target: Target) -> str:
        return (target.person if kind is notices.Kind.PERSON else target.organization) or ""

    return Read(
        f"dashboard search by {kind}, 90 days",
        lambda db, t: notices.find_notices(db, notices.Identity(kind, number(t)), since=since, until=until),
        lambda t: (notices.FIND_NOTICES[kind], number(t), since, until, None),
        lambda t: bool(number(t)),
    )


async def timed(db: Database, read: Read, targets: Sequence[Target]) -> dict[str, float]:
    """The medians of reading the targets it applies to, twice, in milliseconds; prints the plan of the last.

    The first time rows may have to come from the disk, which tells of the disk; the second time they are in memory.
    """
    chosen = [target for target in targets if read.applies(target)]
    latencies: dict[str, list[float]] = {read.name: [], f"{read.name}, again": []}
    for target in chosen:
        for times in latencies.values():
            started = time.monotonic()
            await read.call(db, target)
            times.append(time.monotonic() - started)
    print(f"  {read.name}: {await explained(db, *read.plan(chosen[-1]))}", flush=True)
    return {name: percentile(times, 50) / MILLISECOND for name, times in latencies.items()}


async def explained(db: Database, statement: str, *arguments: Any) -> str:
    """The essentials of a statement's plan: indexes, buffers, rows."""
    (document,) = json.loads(await db.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments))
    plan, used = document["Plan"], list(nodes(document["Plan"]))
    scans = Counter(
        part_of(node.get("Index Name") or f"{node['Node Type']} {node['Relation Name']}")
        for node in used
        if node["Node Type"].endswith("Scan")
        and node["Actual Loops"]
        and ("Index Name" in node or "Relation Name" in node)
    )
    shown = ", ".join(f"{name} x {count}" if count > 1 else name for name, count in scans.items())
    buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return f"{shown}; {buffers} buffers, {plan['Actual Rows']:.0f} rows, {document['Execution Time']:.2f} ms"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def part_of(index: str) -> str:
    """The name of an index without the date of its partition."""
    return re.sub(r"_(20\d{6}|default)(?=_|$)", "", index)
