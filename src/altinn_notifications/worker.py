"""The worker process: processing, sending, matching of reports and upkeep, each a loop that outlives its errors."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import start_http_server

from altinn_notifications.channels.capture import delete_captured
from altinn_notifications.channels.protocol import PolledEmailProvider
from altinn_notifications.channels.providers import email_providers, sms_providers
from altinn_notifications.clock import unturned
from altinn_notifications.database.pool import Database, DatabaseUnavailable
from altinn_notifications.database.turned_clock import following
from altinn_notifications.database.wakeups import DUE_ORDERS, NOTIFICATIONS, REPORTS, TIME, Wakeups
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.presence import Presence
from altinn_notifications.processing import due_orders
from altinn_notifications.processing.processor import Processor
from altinn_notifications.reports import matching
from altinn_notifications.reports.bounce_mailbox import BounceMailbox, forget_collected
from altinn_notifications.reports.captured import report_captured
from altinn_notifications.retention.rounds import keep_house
from altinn_notifications.sending.instant_recovery import resolve_ended
from altinn_notifications.sending.plans import lanes, ways_of
from altinn_notifications.sending.polling import Poller
from altinn_notifications.sending.termination import settle_silent_mail, terminate_expired
from altinn_notifications.settings import Environment
from altinn_notifications.tracking.feed import publish
from altinn_notifications.tracking.monthly_metrics import fold_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from altinn_notifications.channels.protocol import EmailProvider, SmsProvider
    from altinn_notifications.clock import Clock
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.sending.lanes import Lane
    from altinn_notifications.settings import Settings

log = structlog.get_logger()
LOOK_AGAIN_SECONDS: Final = 15.0
TERMINATION_INTERVAL: Final = 900.0
FEED_INTERVAL: Final = 1.0
SETTLE_INTERVAL: Final = 10.0
INSTANT_INTERVAL: Final = 10.0
CLEANUP_INTERVAL: Final = 300.0
CAPTURE_INTERVAL: Final = 1.0
CAPTURED_KEPT: Final = timedelta(days=14)
BOUNCE_INTERVAL: Final = 60.0
BOUNCES_REMEMBERED: Final = timedelta(days=14)
METRICS_INTERVAL: Final = 10.0
RETENTION_INTERVAL: Final = 3600.0
RENEWALS_PER_LEASE: Final = 3
"""How often orders that wait for somebody's answer are kept within the time of their lease."""
PROBE_INTERVAL: Final = 3.0
"""How often one order that waits for a failing dependency goes ahead, to see whether it answers again."""


class Worker:
    """Everything one worker process does. `run` returns when `stop` is set and all open work is recorded."""

    def __init__(  # noqa: PLR0913 - what a worker is made of
        self,
        db: Database,
        clock: Clock,
        wakeups: Wakeups,
        settings: Settings,
        *,
        email: Sequence[EmailProvider],
        sms: Sequence[SmsProvider],
        platform: Platform,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wakeups = wakeups
        self._settings = settings
        self._ways = ways_of(settings, email, sms)
        self._polled = [provider for provider in email if isinstance(provider, PolledEmailProvider)]
        self._platform = platform
        self._presence = Presence(db, clock, wakeups, dependencies=platform.circuits, providers=self._ways.speeds)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Raises `DatabaseUnavailable` when the database is away at the start."""
        number = await self._presence.register()
        listener = asyncio.create_task(self._wakeups.listen())
        sending = [self._outliving(lane.run, stop) for lane in self._lanes(number)]
        loops = [self._outliving(loop, stop) for loop in [*self._loops(number), *self._loops_by_settings()]]
        polls = [self._outliving(poller.run, stop) for poller in self._pollers(number)]
        presence_stop = asyncio.Event()
        presence = asyncio.create_task(self._outliving(self._presence.run, presence_stop))
        if (port := self._settings.general.worker_metrics_port) is not None:
            start_http_server(port)
        log.info("worker_started", worker=number)
        await asyncio.gather(*sending, *loops, *polls)
        presence_stop.set()
        await presence
        with suppress(DatabaseUnavailable):
            await self._presence.leave()
        listener.cancel()
        log.info("worker_stopped", worker=number)

    async def _outliving(self, loop: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await loop(stop)
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))
            except Exception as error:
                log.exception("worker_loop_failed", error=type(error).__name__)
            if not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)

    def _loops(self, number: int) -> list[Callable[[asyncio.Event], Awaitable[None]]]:
        notification = self._settings.notification
        processor = Processor(self._db, self._clock, self._wakeups, notification, self._platform, worker=number)
        db, offset = self._db, timedelta(seconds=notification.expiry_offset_seconds)

        async def terminate(now: datetime) -> None:
            await terminate_expired(db, now=now, offset=offset, batch_size=notification.termination_batch_size)

        async def settle(now: datetime) -> None:
            while await settle_silent_mail(db, now=now, batch_size=500):
                pass

        async def recover(now: datetime) -> None:
            await resolve_ended(db, now=now)

        async def clean(now: datetime) -> None:
            await keep_house(db, self._settings.retention, now=now, machine_now=unturned(self._clock).now())

        async def probe(now: datetime) -> None:
            if await due_orders.release_one_of_each(db, now=now):
                self._wakeups.wake(DUE_ORDERS)

        async def publish_feed(now: datetime) -> None:
            async with db.connection() as connection:
                await publish(connection, now=now)

        return [
            self._on_wake(DUE_ORDERS, lambda _: processor.process_batch(), due_orders.next_wake),
            self._every(notification.claim_lease_seconds / RENEWALS_PER_LEASE, lambda _: processor.renew_leases()),
            self._on_wake(REPORTS, lambda now: matching.match_due(db, now=now), matching.next_wake),
            self._every(TERMINATION_INTERVAL, terminate),
            self._every(SETTLE_INTERVAL, settle),
            self._every(INSTANT_INTERVAL, recover),
            self._every(RETENTION_INTERVAL, clean),
            self._every(FEED_INTERVAL, publish_feed),
            self._every(METRICS_INTERVAL, lambda _: fold_all(db)),
            self._every(PROBE_INTERVAL, probe),
        ]

    def _loops_by_settings(self) -> list[Callable[[asyncio.Event], Awaitable[None]]]:
        """What only some deployments need: reports about captured messages, and bounces from a local mailbox."""
        db, loops = self._db, []

        async def report(now: datetime) -> None:
            while await report_captured(db, now=now):
                self._wakeups.wake(REPORTS)

        async def forget(now: datetime) -> None:
            await delete_captured(db, before=now - CAPTURED_KEPT)

        if self._settings.general.environment is not Environment.PRODUCTION:
            loops += [self._every(CAPTURE_INTERVAL, report), self._every(CLEANUP_INTERVAL, forget)]
        if (directory := self._settings.email.bounce_directory) is not None:
            mailbox = BounceMailbox(directory, db, self._wakeups)

            async def collect(now: datetime) -> None:
                while await mailbox.collect(now=now):
                    pass
                await forget_collected(db, before=now - BOUNCES_REMEMBERED)

            loops.append(self._every(BOUNCE_INTERVAL, collect))
        return loops

    def _on_wake(
        self,
        topic: str,
        work: Callable[[datetime], Awaitable[int]],
        next_wake: Callable[[Database], Awaitable[datetime | None]],
    ) -> Callable[[asyncio.Event], Awaitable[None]]:
        """A loop that works until nothing is left, then sleeps until it is woken or the next thing is due."""
        wake = self._wakeups.subscribe(topic)

        async def loop(stop: asyncio.Event) -> None:
            while not stop.is_set():
                wake.clear()
                if await work(self._clock.now()):
                    continue
                due = await next_wake(self._db)
                await _first(stop, wake, seconds=self._seconds_until(due))

        return loop

    def _every(
        self, seconds: float, work: Callable[[datetime], Awaitable[None]]
    ) -> Callable[[asyncio.Event], Awaitable[None]]:
        """A loop that works every `seconds`, and whenever the clock has been turned."""
        turned = self._wakeups.subscribe(TIME)

        async def loop(stop: asyncio.Event) -> None:
            while not stop.is_set():
                turned.clear()
                await work(self._clock.now())
                await _first(stop, turned, seconds=seconds)

        return loop

    def _seconds_until(self, due: datetime | None) -> float:
        if due is None:
            return LOOK_AGAIN_SECONDS
        return min(LOOK_AGAIN_SECONDS, max(0.01, (due - self._clock.now()).total_seconds()))

    def _pollers(self, number: int) -> list[Poller]:
        interval = timedelta(milliseconds=self._settings.acs.poll_interval_ms)
        wakes = (self._wakeups.subscribe(TIME) for _ in self._polled)
        return [
            Poller(self._db, self._clock, provider, interval=interval, wake=wake, worker=number)
            for provider, wake in zip(self._polled, wakes, strict=False)
        ]

    def _lanes(self, number: int) -> list[Lane[Any]]:
        return lanes(
            self._settings,
            self._ways,
            db=self._db,
            clock=self._clock,
            platform=self._platform,
            worker=number,
            subscribe=lambda: self._wakeups.subscribe(NOTIFICATIONS),
        )


@asynccontextmanager
async def build_worker(settings: Settings, clock: Clock, db_url: str) -> AsyncIterator[Worker]:
    """A worker with the configured providers. Raises `DatabaseUnavailable`."""
    async with AsyncExitStack() as stack:
        size, patience = settings.database.pool_size, settings.database.timeout_seconds
        db = await Database.connect(db_url, pool_size=size, patience=patience)
        stack.push_async_callback(db.close)
        email, sms = email_providers(settings, clock, db), sms_providers(settings, clock, db)
        for close in [provider.close for provider in email] + [provider.close for provider in sms]:
            stack.push_async_callback(close)
        platform = open_platform(settings)
        stack.push_async_callback(platform.close)
        wakeups = Wakeups(db)
        await stack.enter_async_context(following(clock, db, wakeups, listens=False))
        yield Worker(db, clock, wakeups, settings, email=email, sms=sms, platform=platform)


async def run_worker(settings: Settings, clock: Clock, db_url: str, stop: asyncio.Event) -> None:
    """Run one worker until `stop` is set. Raises `DatabaseUnavailable` when the database is away at the start."""
    async with build_worker(settings, clock, db_url) as worker:
        await worker.run(stop)


async def _first(*waits: asyncio.Event, seconds: float) -> None:
    """Return when any of the events is set, or after `seconds`."""
    tasks = [asyncio.ensure_future(event.wait()) for event in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
