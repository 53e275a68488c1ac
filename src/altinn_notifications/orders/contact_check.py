"""Whether everybody that an order names can be reached, asked before it is registered.

Of a chain it is demanded (spec 02, 7 and spec 08, 3); of a first-generation order it is only told (spec 05, 7).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.grouping import Grouped
from altinn_notifications.platform.dependencies import DependencyFailed
from altinn_notifications.recipients.channel_choice import needs_look_up
from altinn_notifications.recipients.forecast import forecast
from altinn_notifications.recipients.lookup import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from altinn_notifications.orders.model import Order, OrderChain
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.recipients.contacts import Contacts
    from altinn_notifications.recipients.forecast import Forecast

# Few, so that simultaneous requests share calls; several, so that one call without answer does not hold up the rest.
QUESTIONS_AT_ONCE: Final = 4
LARGEST_QUESTION: Final = 500
MOST_SHARED_RECIPIENTS: Final = 500
"""An order with more asks for itself alone and is judged beside the event loop: single messages do not wait for it."""


class ContactMissing(Exception):
    """The recipient of an order can be reached through no channel that the order allows."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"no contact information for the recipient of order {order_id}")
        self.order_id = order_id


class ContactCheck:
    """Looks up the recipients of orders that are about to be registered; requests that arrive together share calls."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._look_ups: Grouped[Order, Contacts | DependencyFailed] = Grouped(
            self._look_up, limit=LARGEST_QUESTION, writers=QUESTIONS_AT_ONCE
        )

    async def demand_reachable(self, chain: OrderChain) -> None:
        """Look up one order of `chain` after the other, the main order first, and stop at the first that fails.

        Raises `ContactMissing` for a recipient without usable address that is not reserved, and `DependencyFailed` if
        a register gave no answer. What is found is used for nothing else. Source: spec 02, 7.
        """
        for order in filter(needs_look_up, chain.orders):
            if lacks_contact(order, await self._contacts(order)):
                raise ContactMissing(order.id)

    async def outlook(self, order: Order) -> Forecast | None:
        """Who of the recipients will not be reached as things stand; None when nobody has to be looked up.

        Raises `DependencyFailed` if a register gave no answer. Source: spec 05, 7.
        """
        if not needs_look_up(order):
            return None
        contacts = await self._contacts(order)
        return await asyncio.to_thread(forecast, order, contacts) if _is_large(order) else forecast(order, contacts)

    async def _contacts(self, order: Order) -> Contacts:
        if _is_large(order):
            (contacts,) = await self._look_up([order])
        else:
            contacts = await self._look_ups.submit(order)
        if isinstance(contacts, DependencyFailed):
            raise contacts
        return contacts

    async def _look_up(self, orders: Sequence[Order]) -> list[Contacts | DependencyFailed]:
        contacts = await resolve(orders, self._platform, registration=True)
        return [contacts[order.id] for order in orders]


def _is_large(order: Order) -> bool:
    return len(order.recipients) > MOST_SHARED_RECIPIENTS


def needs_contact_check(chain: OrderChain) -> bool:
    """Whether any order of `chain` names a recipient whose addresses only the registers know. Source: spec 02, 7.1."""
    return any(map(needs_look_up, chain.orders))


def lacks_contact(order: Order, contacts: Contacts) -> bool:
    """Whether somebody that `order` names is neither reachable nor reserved. Source: spec 02, 7.2."""
    outlook = forecast(order, contacts)
    return outlook is not None and bool(outlook.missing_contact)
