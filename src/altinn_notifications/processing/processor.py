"""Processing in sets: claimed orders become notifications, hundreds in one transaction (spec 08, 5).

Orders to direct addresses need nobody's answer and are stored at once. Those with a send condition and those whose
recipients are looked up go on beside, a bounded number of them, so that a slow answer holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications import events
from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.database.wakeups import DUE_ORDERS, NOTIFICATIONS
from altinn_notifications.orders.completion import announce
from altinn_notifications.orders.storage import load_orders
from altinn_notifications.platform.conditions import Condition
from altinn_notifications.platform.dependencies import DependencyFailed
from altinn_notifications.processing import results
from altinn_notifications.processing.deadline import order_deadline
from altinn_notifications.processing.due_orders import (
    ClaimedOrder,
    claim_due_orders,
    end_claims,
    insert_notifications,
    let_go,
    release_failing,
    renew,
)
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.processing.results import ENDED, Result
from altinn_notifications.recipients.channel_choice import needs_look_up
from altinn_notifications.recipients.contacts import NO_CONTACTS, NO_NAMES
from altinn_notifications.recipients.drafts import drafts_for_order, parties_to_name
from altinn_notifications.recipients.lookup import awaited, resolve, resolve_names

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence
    from typing import Any
    from uuid import UUID

    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.database.wakeups import Wakeups
    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.recipients.contacts import Contacts, Names
    from altinn_notifications.settings import NotificationSettings

log = structlog.get_logger()
BESIDE_LIMIT: Final = 20_000
"""How many orders may wait for somebody's answer at the same time in one process; they are held in memory."""
CONDITIONS_BESIDE: Final = 1000
"""How many send conditions may be under way or wait for their turn to be asked."""
CONDITIONS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class _Work:
    """An order that this worker holds."""

    order: Order
    claim: ClaimedOrder


class Processor:
    """Turns due orders into notifications."""

    def __init__(  # noqa: PLR0913 - what processing is made of
        self,
        db: Database,
        clock: Clock,
        wakeups: Wakeups,
        settings: NotificationSettings,
        platform: Platform,
        *,
        worker: int | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wakeups = wakeups
        self._settings = settings
        self._platform = platform
        self._worker = worker
        self._window = SendWindow(settings.sms_send_window_start_hour, settings.sms_send_window_end_hour)
        self._beside: dict[asyncio.Task[None], Sequence[_Work]] = {}
        """What waits for somebody's answer, with the orders concerned."""
        self._may_have_lost_claims = False
        self._asking = asyncio.Semaphore(CONDITIONS_AT_ONCE)
        self._passed: Grouped[_Work, None] = Grouped(self._process_passed, limit=500, writers=4)

    async def process_batch(self) -> int:
        """Claim one batch of due orders and start each on its way; the number that was claimed.

        Raises `DatabaseUnavailable`; the next call first lets go of what this one may have claimed unknowingly.
        """
        if self._may_have_lost_claims:
            held = [claim.order_id for claim in self._held()]
            await let_go(self._db, worker=self._worker, held=held, now=self._clock.now())
            self._may_have_lost_claims = False
        try:
            return await self._claim_and_start()
        except BaseException:
            self._may_have_lost_claims = True
            raise

    async def _claim_and_start(self) -> int:
        now = self._clock.now()
        claims = await claim_due_orders(
            self._db,
            now=now,
            limit=self._settings.past_due_orders_batch_size,
            lease_until=now + timedelta(seconds=self._settings.claim_lease_seconds),
            worker=self._worker,
        )
        if claims:
            orders = await load_orders(self._db, [claim.order_id for claim in claims])
            await self._start([_Work(orders[claim.order_id], claim) for claim in claims])
        return len(claims)

    async def renew_leases(self) -> None:
        """Keep what waits for somebody's answer, for as long as a claim lasts. Raises `DatabaseUnavailable`."""
        if held := self._held():
            until = self._clock.now() + timedelta(seconds=self._settings.claim_lease_seconds)
            await renew(self._db, held, worker=self._worker, lease_until=until)

    def _held(self) -> list[ClaimedOrder]:
        return [work.claim for batch in self._beside.values() for work in batch]

    async def settled(self) -> None:
        """Wait until nothing that was started is on its way any more."""
        while self._beside:
            await asyncio.wait(self._beside)

    async def give_up(self) -> None:
        """Wait for nobody's answer any more; the caller lets go of the claims."""
        for task in self._beside:
            task.cancel()
        await self.settled()

    async def _start(self, batch: Sequence[_Work]) -> None:
        late = [work for work in batch if self._is_past_deadline(work)]
        ending = {work.order.id for work in late}  # asked once, for the clock goes on
        live = [work for work in batch if work.order.id not in ending]
        asking = [work for work in live if work.order.condition_endpoint]
        unconditional = [work for work in live if not work.order.condition_endpoint]
        looking = [work for work in unconditional if needs_look_up(work.order)]
        direct = [work for work in unconditional if not needs_look_up(work.order)]
        now = self._clock.now()
        closed = [results.closed(work.order, work.claim, self._deadline(work.order), now) for work in late]
        await self._store([*closed, *(self._drafted(work, NO_CONTACTS, NO_NAMES) for work in direct)])
        for work in asking:
            await self._go_beside([work], self._ask(work))
        for together in _by_whom_they_wait_for(looking):
            await self._go_beside(together, self._look_up(together))

    async def _go_beside(self, batch: Sequence[_Work], answer: Coroutine[Any, Any, None]) -> None:
        while self._beside and not self._has_room_for(batch):
            await asyncio.wait(self._beside, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._contained(batch, answer))
        self._beside[task] = batch
        task.add_done_callback(self._beside.pop)

    def _has_room_for(self, batch: Sequence[_Work]) -> bool:
        waiting = sum(map(len, self._beside.values()))
        return len(self._beside) < CONDITIONS_BESIDE and waiting + len(batch) <= BESIDE_LIMIT

    async def _contained(self, batch: Sequence[_Work], answer: Coroutine[Any, Any, None]) -> None:
        """What goes wrong beside the batch ends there, and holds up only the order that it concerns."""
        try:
            try:
                await answer
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - an error nobody foresaw must not end the worker
                await self._one_by_one(batch, error)
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", reason=str(error))
            self._may_have_lost_claims = True

    async def _one_by_one(self, batch: Sequence[_Work], error: Exception) -> None:
        """Find out whose trouble it was: the others are stored, and that one is tried again later.

        An order that was stored before the error came is no longer ours, so that nothing happens to it.
        """
        log.error("orders_not_processed_together", orders=len(batch), exc_info=error)
        if len(batch) == 1:
            (work,) = batch
            await self._store([self._failed(work.order, work.claim, error)])
            return
        for work in batch:
            await self._contained([work], self._look_up([work]))

    async def _ask(self, work: _Work) -> None:
        """Evaluate the send condition. Inconclusive twice means: send (spec 08, 7)."""
        async with self._asking:
            answer = await self._platform.conditions.check(str(work.order.condition_endpoint))
        now = self._clock.now()
        if answer.condition is Condition.NOT_MET:
            await self._store([results.condition_not_met(work.order, work.claim, now)])
        elif answer.condition is Condition.INCONCLUSIVE and not work.claim.is_retry:
            retry = results.asked_again_later(work.order, work.claim, answer.reason, now, self._retry_delay)
            await self._store([retry])
        else:
            await self._passed.submit(work)

    async def _process_passed(self, batch: Sequence[_Work]) -> list[None]:
        direct = [work for work in batch if not needs_look_up(work.order)]
        await self._store([self._drafted(work, NO_CONTACTS, NO_NAMES) for work in direct])
        looking = [work for work in batch if needs_look_up(work.order)]
        await asyncio.gather(*map(self._look_up, _by_whom_they_wait_for(looking)))
        return [None] * len(batch)

    async def _look_up(self, batch: Sequence[_Work]) -> None:
        """Find everybody, and store; those whose texts name somebody wait for Register, and nobody else does."""
        contacts = await resolve([work.order for work in batch], self._platform, registration=False)
        found = {id_: known for id_, known in contacts.items() if not isinstance(known, DependencyFailed)}
        naming = {w.order.id for w in batch if w.order.id in found and parties_to_name(w.order, found[w.order.id])}
        await self._conclude([work for work in batch if work.order.id not in naming], contacts, {})
        if naming:
            named = [work for work in batch if work.order.id in naming]
            names = await resolve_names([(w.order, found[w.order.id]) for w in named], self._platform)
            await self._conclude(named, contacts, names)

    async def _conclude(
        self,
        batch: Sequence[_Work],
        contacts: Mapping[UUID, Contacts | DependencyFailed],
        names: Mapping[UUID, Names | DependencyFailed],
    ) -> None:
        outcomes = [self._looked_up(work, contacts[work.order.id], names.get(work.order.id)) for work in batch]
        await self._store(outcomes)
        await self._release(batch, outcomes)

    def _looked_up(
        self, work: _Work, contacts: Contacts | DependencyFailed, names: Names | DependencyFailed | None
    ) -> Result:
        for answer in (contacts, names):
            if isinstance(answer, DependencyFailed):
                return results.dependency_failed(work.order, work.claim, answer, self._clock.now(), self._retry_delay)
        assert not isinstance(contacts, DependencyFailed)  # noqa: S101 - told apart above, for the type checker
        assert not isinstance(names, DependencyFailed)  # noqa: S101 - as above
        return self._drafted(work, contacts, names or NO_NAMES)

    async def _release(self, batch: Sequence[_Work], outcomes: Sequence[Result]) -> None:
        """When an order that a dependency had failed goes through, the others that wait for it need not wait longer."""
        recovered = {
            work.claim.failing_dependency
            for work, outcome in zip(batch, outcomes, strict=True)
            if work.claim.failing_dependency is not None and outcome.end.failing is None
        }
        for dependency in recovered:
            await release_failing(self._db, dependency, now=self._clock.now())
            self._wakeups.wake(DUE_ORDERS)

    def _drafted(self, work: _Work, contacts: Contacts, names: Names) -> Result:
        now = self._clock.now()
        try:
            drafts = drafts_for_order(work.order, contacts, names, window=self._window)
        except Exception as error:  # noqa: BLE001 - one order's trouble must not hold up the batch
            return self._failed(work.order, work.claim, error)
        return results.drafted(work.order, work.claim, drafts, now)

    def _failed(self, order: Order, claim: ClaimedOrder, error: Exception) -> Result:
        log.error("order_processing_failed", order_id=str(order.id), error=type(error).__name__)
        now = self._clock.now()
        again = now + timedelta(seconds=self._settings.processing_error_retry_seconds)
        return results.failed(order, claim, error, now, again)

    async def _store(self, batch: Sequence[Result]) -> None:
        """Store what became of claimed orders; one that cannot be stored is tried again later, by itself."""
        if not batch:
            return
        try:
            await self._store_together(batch)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a text that the database refuses must not hold up the batch
            if len(batch) > 1:
                for result in batch:
                    await self._store([result])
            else:
                await self._store_together([self._failed(batch[0].order, batch[0].end.claim, error)])

    async def _store_together(self, batch: Sequence[Result]) -> None:
        """End the claims and store what they made, in one transaction; what is no longer ours changes nothing."""
        now = self._clock.now()
        async with self._db.transaction() as connection:
            won = await end_claims(connection, [result.end for result in batch], now=now)
            ours = [result for result in batch if result.order.id in won]
            rows = [row for result in ours for row in results.notification_rows(result.order, result.drafts, now)]
            await insert_notifications(connection, rows)
            await events.record(connection, [event for result in ours for event in result.events])
            await announce(connection, [r.order.id for r in ours if r.end.status in ENDED], now=now)
        if any(draft.result == "New" for result in ours for draft in result.drafts):
            self._wakeups.wake(NOTIFICATIONS)

    def _is_past_deadline(self, work: _Work) -> bool:
        grace = timedelta(seconds=self._settings.expiry_offset_seconds)
        return work.claim.claim_count > 1 and self._clock.now() > self._deadline(work.order) + grace

    def _deadline(self, order: Order) -> Any:
        return order_deadline(order, self._window)

    @property
    def _retry_delay(self) -> timedelta:
        return timedelta(milliseconds=self._settings.past_due_orders_retry_delay_ms)


def _by_whom_they_wait_for(batch: Iterable[_Work]) -> Iterable[list[_Work]]:
    """The orders in groups that the same answers concern, so that a slow one holds up nobody else."""
    groups: dict[object, list[_Work]] = defaultdict(list)
    for work in batch:
        groups[awaited(work.order)].append(work)
    return groups.values()
