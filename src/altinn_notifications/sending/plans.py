"""The lanes of a worker: which there are, how much each takes at once, and which of them share providers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from altinn_notifications.sending.attempts import Attempts
from altinn_notifications.sending.composed import ComposedLane
from altinn_notifications.sending.download_notes import COMPOSED_LANE
from altinn_notifications.sending.downloads import Downloads
from altinn_notifications.sending.lanes import Lane, LaneSettings
from altinn_notifications.sending.messages import outgoing_email, outgoing_sms
from altinn_notifications.sending.pacing import Pacing
from altinn_notifications.sending.policies import mail_policy, sms_policy, watch_of
from altinn_notifications.sending.routing import Routes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from altinn_notifications.channels.protocol import EmailProvider, SmsProvider
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.sending.schedules import RetryPolicy
    from altinn_notifications.settings import Settings


@dataclass(frozen=True, slots=True)
class Ways:
    """The providers of both channels, as one process sees them."""

    email: Routes[EmailProvider]
    sms: Routes[SmsProvider]

    def speeds(self) -> dict[str, str]:
        """How fast each of them answers: `ok` or `slow`."""
        return self.email.speeds() | self.sms.speeds()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is special about one lane."""

    name: str
    batch_size: int
    concurrency: int
    routes: Routes[Any]
    build: Callable[..., Any]
    policy: RetryPolicy


def ways_of(settings: Settings, email: Sequence[EmailProvider], sms: Sequence[SmsProvider]) -> Ways:
    """The ways that messages of one process can take."""
    return Ways(
        Routes(email, watch_of(mail_policy(settings), settings.sending)),
        Routes(sms, watch_of(sms_policy(settings), settings.sending)),
    )


def plans(settings: Settings, ways: Ways) -> list[Plan]:
    """Every lane: ordinary and composed email, and SMS of both sending times. Source: spec 08, 10.1."""
    limits, mail, text = settings.notification, mail_policy(settings), sms_policy(settings)
    emails, batch_of_sms = limits.email_publish_concurrency, limits.sms_publish_batch_size
    composed, sms = limits.composed_email_publish_concurrency, limits.sms_publish_concurrency
    return [
        Plan("email", limits.email_publish_batch_size, emails, ways.email, outgoing_email, mail),
        Plan(COMPOSED_LANE, limits.composed_email_publish_batch_size, composed, ways.email, outgoing_email, mail),
        Plan("sms-anytime", batch_of_sms, sms, ways.sms, outgoing_sms, text),
        Plan("sms-daytime", batch_of_sms, sms, ways.sms, outgoing_sms, text),
    ]


def lanes(  # noqa: PLR0913 - what lanes are made of
    settings: Settings,
    ways: Ways,
    *,
    db: Database,
    clock: Clock,
    platform: Platform,
    worker: int,
    subscribe: Callable[[], asyncio.Event],
) -> list[Lane[Any]]:
    """The lanes of one worker. `subscribe` gives an event that is set when there may be something to send."""
    attempts, pacing = Attempts(db, clock), Pacing(settings.sending)
    downloads = Downloads(db, clock, platform.attachments, settings)

    def lane(plan: Plan) -> Lane[Any]:
        parts: dict[str, Any] = {
            "db": db,
            "clock": clock,
            "routes": plan.routes,
            "pacing": pacing,
            "build": plan.build,
            "attempts": attempts,
            "policy": plan.policy,
            "wake": subscribe(),
            "worker": worker,
        }
        if plan.name == COMPOSED_LANE:
            return ComposedLane(_lane_settings(plan, settings), downloads=downloads, **parts)
        return Lane(_lane_settings(plan, settings), **parts)

    return [lane(plan) for plan in plans(settings, ways)]


def _lane_settings(plan: Plan, settings: Settings) -> LaneSettings:
    return LaneSettings(
        plan.name,
        plan.batch_size,
        plan.concurrency,
        lease=timedelta(seconds=settings.notification.claim_lease_seconds),
        daytime_only=plan.name == "sms-daytime",
        call_seconds=settings.notification.provider_call_seconds,
    )
