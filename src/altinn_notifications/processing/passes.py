"""One pass on request: what the trigger `pastdueorders` does (spec 08, 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.wakeups import DUE_ORDERS
from altinn_notifications.presence import Presence
from altinn_notifications.processing.processor import Processor

if TYPE_CHECKING:
    from altinn_notifications.app import Services
    from altinn_notifications.clock import Clock

PASS_LIMIT: Final = timedelta(seconds=60)


async def process_due_orders(services: Services) -> int:
    """Process every order that is due, for at most 60 seconds; the number processed. Raises `DatabaseUnavailable`.

    A pass claims under a number of its own, like a worker: what it holds when it ends by an error, by cancellation or
    with its process is taken over within seconds.
    """
    presence = Presence(
        services.db, services.clock, services.wakeups, dependencies=services.platform.circuits, providers=dict
    )
    try:
        async with presence.held() as number:
            return await _process(_processor(services, number), services.clock)
    except BaseException:
        services.wakeups.wake(DUE_ORDERS)
        raise


def _processor(services: Services, number: int) -> Processor:
    settings = services.settings.notification
    return Processor(services.db, services.clock, services.wakeups, settings, services.platform, worker=number)


async def _process(processor: Processor, clock: Clock) -> int:
    started, total = clock.now(), 0
    try:
        while (count := await processor.process_batch()) and clock.now() - started < PASS_LIMIT:
            total += count
        await processor.settled()
    except BaseException:
        await processor.give_up()
        raise
    return total + count
