"""`/`: what is going on now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from altinn_notifications.console.names import LANE_NAMES, age
from altinn_notifications.console.order_lists import OrderRow, order_row
from altinn_notifications.tracking.listing import Selection
from altinn_notifications.tracking.plain_words import Tone, Words, order_words, oslo_moment
from altinn_notifications.tracking.providers import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from altinn_notifications.sending.pauses import Pause
    from altinn_notifications.tracking.dependencies import DependencyState
    from altinn_notifications.tracking.listing import OrderLine
    from altinn_notifications.tracking.overview import Count, Overview
    from altinn_notifications.tracking.providers import ProviderState

LATEST_ORDERS: Final = 6
_HEALTH: Final = {
    True: Words("Answers", "", Tone.GOOD),
    False: Words("In trouble", "", Tone.CAUTION),
}
_CONDITIONS: Final = {
    Condition.OK: Words("Answers", "", Tone.GOOD),
    Condition.SLOW: Words("Slow", "", Tone.CAUTION),
    Condition.PAUSED: Words("Paused", "", Tone.CAUTION),
    Condition.PROBING: Words("Tried again", "", Tone.CAUTION),
    Condition.MISCONFIGURED: Words("Misconfigured", "", Tone.BAD),
}


@dataclass(frozen=True, slots=True, repr=False)
class Alert:
    """Something that somebody should look at."""

    title: str
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True, repr=False)
class Stage:
    """One step of an order's way, with how many are there."""

    title: str
    meaning: str
    count: Count
    selection: Selection


@dataclass(frozen=True, slots=True, repr=False)
class OverviewPage:
    """`/`: what is going on now."""

    section: ClassVar[str] = "overview"
    title: ClassVar[str] = "Overview"
    alerts: tuple[Alert, ...]
    stages: tuple[Stage, ...]
    lanes: tuple[tuple[str, Count], ...]
    with_providers: Count
    sent_last_minute: Count
    sent_last_hour: Count
    ended_last_hour: Count
    known_orders: int
    workers: int
    dependencies: tuple[tuple[str, Words], ...]
    oldest: tuple[UUID, Words, str] | None
    latest: tuple[OrderRow, ...]

    @property
    def announcement(self) -> str:
        """What is said aloud when it changes."""
        return " ".join(f"{alert.title}." for alert in self.alerts)


def overview_page(
    overview: Overview,
    latest: Sequence[OrderLine],
    dependencies: Sequence[DependencyState],
    providers: Sequence[ProviderState],
) -> OverviewPage:
    """What is going on at the moment of `overview`, with the latest orders and how those we depend on answer."""
    oldest = overview.oldest
    is_due = oldest is not None and overview.oldest_age > timedelta()
    return OverviewPage(
        alerts=(
            *(alert for provider in providers for alert in _provider_alerts(provider)),
            *_alerts(overview),
            *map(_dependency_alert, filter(is_in_trouble, dependencies)),
        ),
        stages=(
            Stage("Scheduled", "Their time has not come", overview.scheduled, Selection.REGISTERED),
            Stage("Due", "Wait for a worker", overview.due, Selection.REGISTERED),
            Stage("Processing", "Recipients are looked up", overview.processing, Selection.PROCESSING),
            Stage("Sending", "Messages are on their way", overview.sending, Selection.SENDING),
            Stage("Ended", "In the last hour", overview.ended_last_hour, Selection.COMPLETED),
        ),
        lanes=tuple((LANE_NAMES[lane], overview.lanes[lane]) for lane in LANE_NAMES),
        with_providers=overview.with_providers,
        sent_last_minute=overview.sent_last_minute,
        sent_last_hour=overview.sent_last_hour,
        ended_last_hour=overview.ended_last_hour,
        known_orders=overview.known_orders,
        workers=overview.workers,
        dependencies=(
            *((one.name, _CONDITIONS[one.condition]) for one in providers),
            *((one.name, _HEALTH[not is_in_trouble(one)]) for one in dependencies),
        ),
        oldest=(oldest.id, order_words(oldest.status), age(overview.oldest_age)) if oldest and is_due else None,
        latest=tuple(order_row(line) for line in latest[:LATEST_ORDERS]),
    )


def is_in_trouble(dependency: DependencyState) -> bool:
    """Whether a worker has stopped asking it, or orders wait for it."""
    return not dependency.answers or dependency.waiting_orders > 0


def _dependency_alert(dependency: DependencyState) -> Alert:
    since = "" if dependency.failing_since is None else f" since {oslo_moment(dependency.failing_since)}"
    orders = "1 order waits" if dependency.waiting_orders == 1 else f"{dependency.waiting_orders} orders wait"
    text = f"{orders} for it{since}, and each is tried again by itself."
    return Alert(f"{dependency.name.capitalize()} does not answer as it should", text, Tone.CAUTION)


def _provider_alerts(provider: ProviderState) -> Iterator[Alert]:
    if provider.pause is not None:
        yield _pause_alert(f"The provider {provider.name}", provider.pause)
    for pause in provider.domains:
        yield _pause_alert(f"Mail from {pause.domain} through {provider.name}", pause)
    if provider.condition is Condition.SLOW:
        text = "Other providers are preferred while it is, if there are any."
        yield Alert(f"The provider {provider.name} is slow", text, Tone.CAUTION)


def _pause_alert(what: str, pause: Pause) -> Alert:
    again = f"One message tries it again {oslo_moment(pause.until)}. Reason: {pause.reason}."
    if not pause.misconfigured:
        return Alert(f"{what} is left alone for a while", again, Tone.CAUTION)
    hint = f"Once it is mended, `altinn-notifications providers resume {pause.provider}` tries it at once."
    return Alert(f"{what} is misconfigured and stands still", f"{again} {hint}", Tone.BAD)


def _alerts(overview: Overview) -> list[Alert]:
    alerts = []
    if not overview.workers:
        text = "Orders are accepted and kept, but nothing is sent until a worker runs."
        alerts.append(Alert("No worker is running", text, Tone.BAD))
    if overview.is_overdue and overview.oldest:
        text = f"Order {overview.oldest.id} should have ended {oslo_moment(overview.oldest.deadline)}."
        alerts.append(Alert("An order is past its deadline", text, Tone.BAD))
    if overview.dead_reports:
        text = "They name a message that nobody knows, came too late, or could not be read."
        alerts.append(Alert(f"Delivery reports that could not be used: {overview.dead_reports}", text, Tone.CAUTION))
    return alerts
