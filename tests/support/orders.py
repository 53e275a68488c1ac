"""Orders for tests: each names only what the test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from altinn_notifications.database.wakeups import Wakeups
from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders import storage
from altinn_notifications.orders.model import (
    ContentType,
    EmailTemplate,
    NotificationChannel,
    Order,
    OrderChain,
    Recipient,
    SendingTimePolicy,
    SmsTemplate,
)
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.processing.processor import Processor
from altinn_notifications.settings import NotificationSettings, Settings
from support.times import NOON

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.platform.clients import Platform

EMAIL = EmailTemplate("noreply@altinn.cloud", "Ny melding", "Du har fått en melding.", ContentType.PLAIN)
SMS = SmsTemplate("Altinn", "Du har fått en melding.")


def an_order(**changes: Any) -> Order:
    """A registered email order by `ttd` to one direct address, due at noon."""
    order = Order(
        id=new_id(),
        type=OrderType.Notification,
        creator="ttd",
        created=NOON,
        requested_send_time=NOON,
        channel=NotificationChannel.EMAIL,
        recipients=(Recipient(email_address="kari@example.no"),),
        email=EMAIL,
    )
    return replace(order, **changes)


def an_sms_order(**changes: Any) -> Order:
    """A registered SMS order by `ttd` to one direct number, due at noon, to be sent at any time."""
    return an_order(
        **{
            "channel": NotificationChannel.SMS,
            "recipients": (Recipient(mobile_number="+4799999999"),),
            "email": None,
            "sms": SMS,
            "sms_policy": SendingTimePolicy.ANYTIME,
            **changes,
        }
    )


def a_chain(main: Order | None = None, *reminders: Order, **changes: Any) -> OrderChain:
    """A chain with an idempotency id of its own."""
    chain = OrderChain(id=new_id(), idempotency_id=str(new_id()), main=main or an_order(), reminders=reminders)
    return replace(chain, **changes)


async def registered(db: Database, *orders: Order) -> list[UUID]:
    """Store each order in a chain of its own and return the order ids."""
    await storage.register(db, [a_chain(order) for order in orders])
    return [order.id for order in orders]


def processor(
    db: Database, clock: Clock, platform: Platform | None = None, *, worker: int | None = None, **settings: Any
) -> Processor:
    """A processor as the worker makes it; without `platform` for orders that nobody is asked about."""
    platform = platform or open_platform(Settings())
    return Processor(db, clock, Wakeups(db), NotificationSettings(**settings), platform, worker=worker)


async def processed(db: Database, clock: Clock, *orders: Order) -> list[UUID]:
    """Register orders and process them; the ids of their notifications in order of creation."""
    await registered(db, *orders)
    while await processor(db, clock).process_batch():
        pass
    rows = await db.fetch(
        "SELECT id FROM notifications WHERE order_id = ANY($1::uuid[]) ORDER BY id", [order.id for order in orders]
    )
    return [row["id"] for row in rows]


async def status_of(db: Database, order_id: UUID) -> str:
    """The stored status of an order."""
    return str(await db.fetchval("SELECT status FROM order_states WHERE order_id = $1", order_id))


async def result_of(db: Database, notification_id: UUID) -> str:
    """The stored result of a notification."""
    return str(await db.fetchval("SELECT result FROM notification_states WHERE notification_id = $1", notification_id))


async def feed_of(db: Database, order_id: UUID) -> list[dict[str, Any]]:
    """The feed entries that were written for an order."""
    rows = await db.fetch(
        "SELECT entry FROM status_feed_outbox WHERE order_id = $1 UNION ALL "
        "SELECT entry FROM status_feed WHERE order_id = $1",
        order_id,
    )
    return [row["entry"] for row in rows]


async def log_of(db: Database, order_id: UUID) -> list[Any]:
    """The notification log rows of an order."""
    return list(await db.fetch("SELECT * FROM notification_log WHERE shipment_id = $1 ORDER BY id", order_id))


async def kinds_of(db: Database, order_id: UUID) -> list[str]:
    """The kinds of the order's timeline events, in order."""
    rows = await db.fetch("SELECT kind FROM events WHERE order_id = $1 ORDER BY id", order_id)
    return [row["kind"] for row in rows]


TWO_DAYS = timedelta(days=2)
