"""Registration: an idempotency id is reserved and its orders stored in one step (spec 01, 10 and spec 02, 8).

First-generation orders have no such id: each is stored by itself (spec 05, 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.wakeups import DUE_ORDERS
from altinn_notifications.orders import storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from altinn_notifications.database.pool import Database
    from altinn_notifications.database.wakeups import Wakeups
    from altinn_notifications.lifecycle import OrderType
    from altinn_notifications.orders.model import Order, OrderChain, Receipt


class Registrar:
    """Stores order chains, and orders without one. Requests that arrive together share one flush to disk."""

    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        self._db = db
        self._wakeups = wakeups
        self._groups: Grouped[OrderChain, bool] = Grouped(self._register_group, limit=100, writers=2)
        self._orders: Grouped[Order, None] = Grouped(self._register_orders, limit=100)

    async def find(self, creator: str, type_: OrderType, idempotency_id: str) -> Receipt | None:
        """The receipt of a chain that exists. Raises `DatabaseUnavailable`."""
        return await storage.find_receipt(self._db, creator, type_, idempotency_id)

    async def register(self, chain: OrderChain) -> tuple[Receipt, bool]:
        """Store `chain` unless its idempotency id is taken.

        Returns the receipt of the chain that holds the id, and whether it is this one: of simultaneous requests with
        one id exactly one is told True. Raises `DatabaseUnavailable`; the chain is then stored completely or not at
        all, and a repeat finds out which.
        """
        if await self._groups.submit(chain):
            return storage.receipt_for(chain), True
        receipt = await self.find(chain.main.creator, chain.main.type, chain.idempotency_id)
        if receipt is None:  # deleted between the two statements: only housekeeping of test data can do that
            return await self.register(chain)
        return receipt, False

    async def register_unchained(self, order: Order) -> None:
        """Store an order that has no idempotency id. Raises `DatabaseUnavailable`; it may be stored all the same."""
        await self._orders.submit(order)

    async def _register_group(self, chains: Sequence[OrderChain]) -> list[bool]:
        stored = await storage.register(self._db, chains)
        self._wake_for(order for chain in chains for order in chain.orders)
        return [chain.id in stored for chain in chains]

    async def _register_orders(self, orders: Sequence[Order]) -> list[None]:
        await storage.register_unchained(self._db, orders)
        self._wake_for(orders)
        return [None] * len(orders)

    def _wake_for(self, orders: Iterable[Order]) -> None:
        soonest = min(order.requested_send_time - order.created for order in orders)
        if soonest <= 2 * storage.PROCESSING_GRACE:  # what is due later is found by the worker's own look-out
            self._wakeups.wake(DUE_ORDERS)
