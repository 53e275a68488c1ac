"""`/orders/{id}`: one order and everything that happened to it and to its messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from altinn_notifications.console.names import CHANNEL_NAMES, short_id
from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import ORDER_MOVES, Channel, OrderType
from altinn_notifications.tracking.history import MESSAGES_AT_ONCE
from altinn_notifications.tracking.plain_words import Words, order_words, oslo_moment, result_words
from altinn_notifications.tracking.timeline import message_timeline, next_step, order_timeline

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.console.addresses import AddressBook
    from altinn_notifications.tracking.history import History, MessageFacts, OrderFacts, Sibling
    from altinn_notifications.tracking.timeline import Entry

SOON: Final = timedelta(minutes=2)
EVERY_SECOND: Final = "every 1s"
EVERY_TEN_SECONDS: Final = "every 10s"


@dataclass(frozen=True, slots=True)
class LocalPlatform:
    """Where the local mailbox and phones are, for links to what a recipient saw."""

    url: str

    def seen(self, channel: Channel, reference: str) -> str:
        """The page of one message."""
        return f"{self.url}/sim/{'messages' if channel is Channel.EMAIL else 'sms'}/{reference}"


@dataclass(frozen=True, slots=True, repr=False)
class MessageCard:
    """One message of an order."""

    id: UUID
    number: int
    noun: str
    status: Words
    address: str
    identity: str | None
    next_step: str | None
    timeline: tuple[Entry, ...]
    reference: str | None
    seen_url: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Related:
    """Another order of the same chain."""

    id: UUID
    name: str
    status: Words


@dataclass(frozen=True, slots=True, repr=False)
class OrderPage:
    """`/orders/{id}`: one order and everything that happened to it."""

    section: ClassVar[str] = "orders"
    id: UUID
    title: str
    status: Words
    facts: tuple[tuple[str, str], ...]
    timeline: tuple[Entry, ...]
    messages: tuple[MessageCard, ...]
    message_count: int
    results: tuple[tuple[Words, int], ...]
    """How many messages have which result; empty when there is only one message."""
    first_message: int
    related: tuple[Related, ...]
    poll: str | None
    """How often the page asks for news; None when nothing more will happen."""
    announcement: str

    @property
    def previous(self) -> int | None:
        """The first message of the page before; None when this is the first page."""
        return self.first_message - MESSAGES_AT_ONCE if self.first_message else None

    @property
    def following(self) -> int | None:
        """The first message of the next page; None when this is the last."""
        after = self.first_message + len(self.messages)
        return after if after < self.message_count else None


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """When the page is made, how people are written on it, and where messages can be seen if they can."""

    now: datetime
    book: AddressBook
    local: LocalPlatform | None


def order_page(history: History, viewpoint: Viewpoint) -> OrderPage:
    """One order as it is seen from `viewpoint`."""
    order = history.order
    words = order_words(order.status, messages=history.message_count, failed=history.failed_count)
    return OrderPage(
        id=order.id,
        title=f"Order {order.senders_reference or short_id(order.id)}",
        status=words,
        facts=tuple(_facts(order)),
        timeline=tuple(order_timeline(history)),
        messages=tuple(
            _card(history, message, number, viewpoint)
            for number, message in enumerate(history.messages, history.first_message + 1)
        ),
        message_count=history.message_count,
        results=tuple(_results(history)),
        first_message=history.first_message,
        related=tuple(_related(sibling) for sibling in history.siblings),
        poll=_poll(history, viewpoint.now),
        announcement=_announcement(history, words),
    )


def _facts(order: OrderFacts) -> list[tuple[str, str]]:
    facts = [
        ("Owner", order.creator),
        ("Type", order.type.name),
        ("Channel", CHANNEL_NAMES.get(order.channel, order.channel)),
        ("Registered", oslo_moment(order.created)),
        ("To be sent", "At once" if order.type is OrderType.Instant else oslo_moment(order.requested_send_time)),
        ("Sender's reference", order.senders_reference),
        ("Resource", order.resource_id),
        ("Order chain", order.chain_id and str(order.chain_id)),
        ("Shipment", str(order.id)),
    ]
    return [(name, value) for name, value in facts if value]


def _card(history: History, message: MessageFacts, number: int, viewpoint: Viewpoint) -> MessageCard:
    return MessageCard(
        id=message.id,
        number=number,
        noun="Email" if message.channel is Channel.EMAIL else "SMS",
        status=result_words(message.channel, message.result),
        address=viewpoint.book.address(message.destination),
        identity=viewpoint.book.identity(message.national_identity_number, message.organization_number),
        next_step=next_step(message, now=viewpoint.now),
        timeline=tuple(message_timeline(history, message)),
        reference=message.provider_reference,
        seen_url=_seen_url(history, message, viewpoint.local),
    )


def _seen_url(history: History, message: MessageFacts, local: LocalPlatform | None) -> str | None:
    was_taken = any(
        happening.notification_id == message.id and happening.kind == Kind.SEND_ACCEPTED
        for happening in history.happenings
    )
    if local is None or message.provider_reference is None or not was_taken:
        return None
    return local.seen(message.channel, message.provider_reference)


def _related(sibling: Sibling) -> Related:
    name = f"{sibling.type.name} to be sent {oslo_moment(sibling.requested_send_time)}"
    words = order_words(sibling.status, messages=sibling.messages, failed=sibling.failed)
    return Related(sibling.id, name, words)


def _poll(history: History, now: datetime) -> str | None:
    order, feed = history.order, history.feed
    if order.status not in ORDER_MOVES and (feed is None or feed.sequence_number is not None):
        return None
    is_scheduled = order.status == "Registered" and order.requested_send_time - now > SOON
    return EVERY_TEN_SECONDS if is_scheduled else EVERY_SECOND


def _announcement(history: History, words: Words) -> str:
    arrived = sum(number for (_, result), number in history.results.items() if result == "Delivered")
    total = history.message_count
    messages = f" {arrived} of {total} messages delivered." if total else ""
    return f"The order is {words.title.lower()}.{messages}"


def _results(history: History) -> list[tuple[Words, int]]:
    if history.message_count < 2:  # noqa: PLR2004 - one message speaks for itself
        return []
    counts: dict[str, tuple[Words, int]] = {}  # by title: what it means for an email or an SMS is not shown here
    for (channel, result), number in sorted(history.results.items()):
        words = result_words(channel, result)
        counts[words.title] = (words, counts.get(words.title, (words, 0))[1] + number)
    return sorted(counts.values(), key=lambda item: -item[1])
