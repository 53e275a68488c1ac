"""`/metrics` for Prometheus: this process's own counters, and the backlog as the database has it at this moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from starlette.responses import Response

from altinn_notifications.api.router import Request, Route
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.lifecycle import ORDER_MOVES, PENDING_RESULTS
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.tracking.backlog import Backlog, read_backlog
from altinn_notifications.tracking.dependencies import DependencyState, dependency_states
from altinn_notifications.tracking.providers import Condition, ProviderState, provider_states

if TYPE_CHECKING:
    from altinn_notifications.app import Services

log = structlog.get_logger()
SCRAPE_SECONDS: Final = 5
WORKER_SILENCE: Final = timedelta(seconds=10)
"""A worker that was not seen for so long says nothing about dependencies any more."""


async def get_metrics(request: Request) -> Response:
    """Every metric in Prometheus' text format; without a database those that need none."""
    backlog = await _backlog(request.services)
    gauges = CollectorRegistry()
    Gauge("database_up", "1 when the database answered this scrape", registry=gauges).set(backlog is not None)
    if backlog is not None:
        _fill(gauges, backlog)
        _fill_dependencies(gauges, await _dependencies(request.services))
        _fill_providers(gauges, await _providers(request.services))
    return Response(generate_latest(REGISTRY) + generate_latest(gauges), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _backlog(services: Services) -> Backlog | None:
    settings = services.settings.notification
    try:
        async with asyncio.timeout(SCRAPE_SECONDS):
            return await read_backlog(
                services.db,
                now=services.clock.now(),
                window=SendWindow(settings.sms_send_window_start_hour, settings.sms_send_window_end_hour),
                grace=timedelta(seconds=settings.expiry_offset_seconds),
            )
    except (DatabaseUnavailable, TimeoutError) as error:
        log.warning("backlog_not_read", error=type(error).__name__)
        return None


async def _dependencies(services: Services) -> list[DependencyState]:
    try:
        return await dependency_states(services.db, seen_since=services.clock.now() - WORKER_SILENCE)
    except DatabaseUnavailable as error:
        log.warning("dependencies_not_read", error=type(error).__name__)
        return []


async def _providers(services: Services) -> list[ProviderState]:
    now = services.clock.now()
    try:
        return await provider_states(services.db, now=now, seen_since=now - WORKER_SILENCE)
    except DatabaseUnavailable as error:
        log.warning("providers_not_read", error=type(error).__name__)
        return []


def _fill_providers(gauges: CollectorRegistry, providers: list[ProviderState]) -> None:
    condition = Gauge("provider_state", "1 for the state it is in", ["provider", "state"], registry=gauges)
    broken = Gauge("provider_misconfigured", "1 while somebody must mend something", ["provider"], registry=gauges)
    domains = Gauge("provider_paused_domains", "Sender domains it refuses now", ["provider"], registry=gauges)
    for provider in providers:
        for each in Condition:
            condition.labels(provider.name, each).set(provider.condition is each)
        broken.labels(provider.name).set(provider.is_misconfigured)
        domains.labels(provider.name).set(len(provider.domains))


def _fill_dependencies(gauges: CollectorRegistry, dependencies: list[DependencyState]) -> None:
    up = Gauge("dependency_up", "1 while every worker gets answers", ["dependency"], registry=gauges)
    waiting = Gauge("orders_waiting_for_dependency", "Orders it failed", ["dependency"], registry=gauges)
    for dependency in dependencies:
        up.labels(dependency.name).set(dependency.answers)
        waiting.labels(dependency.name).set(dependency.waiting_orders)


def _fill(gauges: CollectorRegistry, backlog: Backlog) -> None:
    orders = Gauge("orders_unfinished", "Orders that are not in a final state", ["status"], registry=gauges)
    for status in ORDER_MOVES:
        orders.labels(status).set(backlog.orders.get(status, 0))
    pending = Gauge(
        "notifications_pending", "Notifications without final result", ["channel", "result"], registry=gauges
    )
    for channel, results in PENDING_RESULTS.items():
        for result in results:
            pending.labels(channel, result).set(backlog.notifications.get((channel, result), 0))
    Gauge("oldest_unfinished_order_seconds", "Since when the oldest unfinished order is due", registry=gauges).set(
        backlog.oldest_order_seconds
    )
    Gauge("overdue_order_seconds", "By how much the worst order is past its latest possible end", registry=gauges).set(
        backlog.overdue_seconds
    )


ROUTES: Final = [Route("GET", "/metrics", get_metrics)]
