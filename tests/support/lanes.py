"""Lanes as the worker makes them, and a way to run one until nothing is left to do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.reports.model import ReportSource
from altinn_notifications.sending.attempts import Attempts
from altinn_notifications.sending.lanes import Lane, LaneSettings
from altinn_notifications.sending.messages import outgoing_email, outgoing_sms
from altinn_notifications.sending.schedules import RetryPolicy

if TYPE_CHECKING:
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from support.providers import ScriptedProvider

WINDOW = SendWindow(9, 17)
MAIL_POLICY = RetryPolicy(waits=(60, 300, 900, 1800, 3600), provider_pause=timedelta(seconds=60), window=WINDOW)
SMS_POLICY = RetryPolicy(waits=(300, 600, 900, 1800), provider_pause=timedelta(seconds=300), window=WINDOW)


def a_lane(db: Database, clock: Clock, provider: ScriptedProvider, name: str = "email", **changes: Any) -> Lane[Any]:
    """A lane to `provider`; `changes` are `policy`, `batch_size`, `concurrency` and `worker`."""
    is_mail = name in {"email", "composed"}
    source = ReportSource.SMTP if is_mail else ReportSource.SMS_GATEWAY
    settings = LaneSettings(
        name,
        changes.get("batch_size", 100),
        changes.get("concurrency", 4),
        timedelta(seconds=300),
        daytime_only=name == "sms-daytime",
        source=source,
    )
    return Lane(
        settings,
        db=db,
        clock=clock,
        provider=provider,
        build=outgoing_email if is_mail else outgoing_sms,
        attempts=Attempts(db, clock),
        policy=changes.get("policy", MAIL_POLICY if is_mail else SMS_POLICY),
        wake=asyncio.Event(),
        worker=changes.get("worker", 1),
    )


async def drain(lane: Lane[Any]) -> None:
    """Run the lane until it finds nothing left to send."""
    stop = asyncio.Event()

    async def stop_instead(*_: Any) -> None:
        stop.set()

    setattr(lane, "_sleep", stop_instead)  # noqa: B010 - the one moment at which a lane has nothing to do
    provider, sent = cast("ScriptedProvider", lane._provider), -1
    while sent < len(provider.sent):  # a lane that stops gives back what it holds
        sent = len(provider.sent)
        stop.clear()
        await lane.run(stop)
