"""The pages that list orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from altinn_notifications.console.names import CHANNEL_NAMES, short_id
from altinn_notifications.tracking.listing import Selection
from altinn_notifications.tracking.plain_words import Words, order_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from altinn_notifications.tracking.listing import OrderLine, OrderPage
    from altinn_notifications.tracking.search import Hit


@dataclass(frozen=True, slots=True, repr=False)
class OrderRow:
    """An order in a table."""

    id: UUID
    name: str
    type: str
    creator: str
    status: Words
    channel: str
    created: datetime
    requested_send_time: datetime
    messages: int
    failed: int


@dataclass(frozen=True, slots=True, repr=False)
class OrdersPage:
    """`/orders`: a list of orders."""

    section: ClassVar[str] = "orders"
    title: ClassVar[str] = "Orders"
    selection: Selection
    rows: tuple[OrderRow, ...]
    following: UUID | None
    is_first: bool

    @property
    def order_of_rows(self) -> str:
        """How the rows are sorted, in words."""
        unfinished = {Selection.UNFINISHED, Selection.REGISTERED, Selection.PROCESSING, Selection.SENDING}
        if self.selection in unfinished:
            return "The order that is due first comes first."
        return (
            "The latest comes first." if self.selection is not Selection.COMPLETED else "The latest ended comes first."
        )


@dataclass(frozen=True, slots=True, repr=False)
class SearchPage:
    """`/search`: several orders for one text, or none."""

    section: ClassVar[str] = "orders"
    title: ClassVar[str] = "Search"
    text: str
    found_by: str
    rows: tuple[OrderRow, ...]


def orders_page(selection: Selection, page: OrderPage, *, is_first: bool) -> OrdersPage:
    """A page of the list of `selection`."""
    return OrdersPage(selection, tuple(order_row(line) for line in page.lines), page.following, is_first)


def search_page(text: str, hits: Sequence[Hit], lines: Sequence[OrderLine]) -> SearchPage:
    """The orders that were found for `text`."""
    found_by = hits[0].found_by if hits else ""
    return SearchPage(text, found_by, tuple(order_row(line) for line in lines))


def order_row(line: OrderLine) -> OrderRow:
    """An order in a table."""
    return OrderRow(
        id=line.id,
        name=line.senders_reference or short_id(line.id),
        type=line.type.name,
        creator=line.creator,
        status=order_words(line.status, messages=line.messages, failed=line.failed),
        channel=CHANNEL_NAMES.get(line.channel, line.channel),
        created=line.created,
        requested_send_time=line.requested_send_time,
        messages=line.messages,
        failed=line.failed,
    )
