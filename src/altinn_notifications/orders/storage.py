"""The tables `order_chains` and `orders`: registration in groups, and reading orders back."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.pool import columns
from altinn_notifications.orders.content import content_of, order_of, receipt_document, receipt_of, template_of
from altinn_notifications.orders.model import Receipt, ShipmentReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any
    from uuid import UUID

    from altinn_notifications.database.pool import Connection, Database
    from altinn_notifications.lifecycle import OrderType
    from altinn_notifications.orders.model import Order, OrderChain

PROCESSING_GRACE: Final = timedelta(minutes=1)
"""An order may be processed this long before its requested send time (spec 08, 4)."""

# One statement, one transaction: an order exists only if its chain won the idempotency id.
REGISTER: Final = """
    WITH won AS (
        INSERT INTO order_chains (id, creator, type, idempotency_id, idempotency_digest, created,
                                  dialog_id, transmission_id, receipt)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::bytea[], $6::timestamptz[],
                             $7::text[], $8::text[], $9::jsonb[])
        ON CONFLICT ON CONSTRAINT order_chains_idempotency DO NOTHING
        RETURNING id
    ), ordered AS (
        INSERT INTO orders (id, chain_id, type, creator, senders_reference, created, requested_send_time, channel,
                            sms_policy, resource_id, email, sms, content)
        SELECT o.* FROM unnest($10::uuid[], $11::uuid[], $12::smallint[], $13::text[], $14::text[], $15::timestamptz[],
                               $16::timestamptz[], $17::text[], $18::smallint[], $19::text[], $20::jsonb[],
                               $21::jsonb[], $22::jsonb[])
             AS o (id, chain_id, type, creator, senders_reference, created, requested_send_time, channel,
                   sms_policy, resource_id, email, sms, content)
        JOIN won ON won.id = o.chain_id
        RETURNING id, creator, created, requested_send_time
    ), states AS (
        INSERT INTO order_states (order_id, creator, status, last_change, requested_send_time, wake_at)
        SELECT id, creator, 'Registered', created, requested_send_time, requested_send_time - $23::interval FROM ordered
    ), links AS (
        INSERT INTO attachment_links (order_id, position, sas_url)
        SELECT l.* FROM unnest($24::uuid[], $25::integer[], $26::text[]) AS l (order_id, position, sas_url)
        JOIN ordered ON ordered.id = l.order_id
    )
    SELECT id FROM won"""

# A first-generation order: it has no chain, and no idempotency id to win.
REGISTER_UNCHAINED: Final = """
    WITH ordered AS (
        INSERT INTO orders (id, chain_id, type, creator, senders_reference, created, requested_send_time, channel,
                            sms_policy, resource_id, email, sms, content)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::timestamptz[],
                             $7::timestamptz[], $8::text[], $9::smallint[], $10::text[], $11::jsonb[],
                             $12::jsonb[], $13::jsonb[])
        RETURNING id, creator, created, requested_send_time
    )
    INSERT INTO order_states (order_id, creator, status, last_change, requested_send_time, wake_at)
    SELECT id, creator, 'Registered', created, requested_send_time, requested_send_time - $14::interval FROM ordered"""

FIND_RECEIPT: Final = """
    SELECT id, receipt FROM order_chains WHERE creator = $1 AND type = $2 AND idempotency_digest = $3"""

FIND_CHAIN: Final = "SELECT id, receipt FROM order_chains WHERE id = $1 AND creator = $2"

LOAD_ORDERS: Final = """
    SELECT id, type, creator, created, requested_send_time, channel, sms_policy, resource_id, email, sms, content
    FROM orders WHERE id = ANY($1::uuid[])"""


async def register(db: Database, chains: Sequence[OrderChain]) -> set[UUID]:
    """Store chains with their orders and return the ids of those that did not exist yet.

    A chain whose (creator, type, idempotency id) is taken is left out, and nothing of it is stored.
    """
    # The same order in every process, so that two groups that share ids cannot wait for each other.
    ordered = sorted(chains, key=lambda chain: (chain.main.creator, chain.main.type, digest(chain.idempotency_id)))
    chain_columns = columns(_chain_row(chain) for chain in ordered)
    order_columns = columns(_order_row(chain.id, order) for chain in ordered for order in chain.orders)
    links = [link for chain in ordered for link in _link_rows(chain)]
    link_columns = columns(links) or [[], [], []]
    rows = await db.fetch(REGISTER, *chain_columns, *order_columns, PROCESSING_GRACE, *link_columns)
    return {row["id"] for row in rows}


async def register_unchained(db: Database, orders: Sequence[Order]) -> None:
    """Store orders that belong to no chain. Nothing tells a repeated request from another one (spec 05, 6)."""
    await db.execute(REGISTER_UNCHAINED, *columns(_order_row(None, order) for order in orders), PROCESSING_GRACE)


async def find_receipt(db: Database, creator: str, type_: OrderType, idempotency_id: str) -> Receipt | None:
    """What the first request with this idempotency id was answered."""
    row = await db.fetchrow(FIND_RECEIPT, creator, type_, digest(idempotency_id))
    return None if row is None else receipt_of(row["id"], row["receipt"])


async def find_chain(db: Database, chain_id: UUID, *, creator: str) -> Receipt | None:
    """What `creator` was answered when it registered this chain; None also for somebody else's."""
    row = await db.fetchrow(FIND_CHAIN, chain_id, creator)
    return None if row is None else receipt_of(row["id"], row["receipt"])


async def load_orders(connection: Connection | Database, ids: Iterable[UUID]) -> dict[UUID, Order]:
    """Orders by id; an unknown id is left out."""
    return {row["id"]: order_of(row) for row in await connection.fetch(LOAD_ORDERS, list(ids))}


def receipt_for(chain: OrderChain) -> Receipt:
    """The receipt of a new chain."""
    main, *reminders = (ShipmentReceipt(order.id, order.senders_reference) for order in chain.orders)
    return Receipt(chain.id, main, tuple(reminders))


def digest(idempotency_id: str) -> bytes:
    """The fixed-size key of an idempotency id: compared exactly, whatever its length (spec 01, 10)."""
    return hashlib.sha256(idempotency_id.encode()).digest()


def searchable_reference(order: Order) -> str | None:
    """The sender's reference by which an order can be found; a blank one is none (spec 06, 6)."""
    return order.senders_reference if (order.senders_reference or "").strip() else None


def _chain_row(chain: OrderChain) -> tuple[Any, ...]:
    return (
        chain.id,
        chain.main.creator,
        chain.main.type,
        chain.idempotency_id,
        digest(chain.idempotency_id),
        chain.main.created,
        chain.dialog_id,
        chain.transmission_id,
        receipt_document(receipt_for(chain)),
    )


def _link_rows(chain: OrderChain) -> list[tuple[UUID, int, str]]:
    return [(chain.main.id, position, sas_url) for position, sas_url in enumerate(chain.sas_urls)]


def _order_row(chain_id: UUID | None, order: Order) -> tuple[Any, ...]:
    return (
        order.id,
        chain_id,
        order.type,
        order.creator,
        searchable_reference(order),
        order.created,
        order.requested_send_time,
        str(order.channel),
        order.sms_policy,
        order.resource_id,
        template_of(order.email),
        template_of(order.sms),
        content_of(order),
    )
