"""One pass on request: what the trigger `pastdueorders` does (spec 08, 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from altinn_notifications.processing.processor import Processor

if TYPE_CHECKING:
    from altinn_notifications.app import Services

PASS_LIMIT: Final = timedelta(seconds=60)


async def process_due_orders(services: Services) -> int:
    """Process every order that is due, for at most 60 seconds; the number processed. Raises `DatabaseUnavailable`."""
    processor = Processor(
        services.db, services.clock, services.wakeups, services.settings.notification, services.platform
    )
    started, total = services.clock.now(), 0
    while (count := await processor.process_batch()) and services.clock.now() - started < PASS_LIMIT:
        total += count
    await processor.settled()
    return total + count
