"""Lanes as the worker makes them, and a way to run one until nothing is left to do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.sending.attempts import Attempts
from altinn_notifications.sending.lanes import Lane, LaneSettings
from altinn_notifications.sending.messages import outgoing_email, outgoing_sms
from altinn_notifications.sending.pacing import Pacing
from altinn_notifications.sending.routing import Routes, Watch
from altinn_notifications.sending.schedules import RetryPolicy
from altinn_notifications.settings import SendingSettings

if TYPE_CHECKING:
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.sending.fair_queue import FairQueue

WINDOW = SendWindow(9, 17)
MAIL_POLICY = RetryPolicy(
    waits=(60, 300, 900, 1800, 3600),
    provider_pause=timedelta(seconds=60),
    window=WINDOW,
    moves_after=timedelta(hours=1),
)
SMS_POLICY = RetryPolicy(
    waits=(300, 600, 900, 1800), provider_pause=timedelta(seconds=300), window=WINDOW, stays_sending=True
)
NEVER = 10**6
"""More failures in a row than any test has: what it is about is not when an outage is declared."""


def routes_to(*providers: Any, policy: RetryPolicy = MAIL_POLICY, **changes: Any) -> Routes[Any]:
    """Ways to `providers`, the preferred one first; `changes` are fields of `Watch`."""
    values = {"failures": NEVER, "pause": policy.provider_pause, "slow_seconds": 10.0, "probe": timedelta(seconds=60)}
    return Routes(providers, Watch(**{**values, **changes}))


def lane_parts(db: Database, clock: Clock, provider: Any, name: str = "email", **changes: Any) -> dict[str, Any]:
    """What a lane is made of. `provider` is one, several, or the routes to them; `changes` as in `a_lane`."""
    is_mail = name in {"email", "composed"}
    policy = changes.get("policy", MAIL_POLICY if is_mail else SMS_POLICY)
    providers = provider if isinstance(provider, list) else [provider]
    return {
        "settings": LaneSettings(
            name,
            changes.get("batch_size", 100),
            changes.get("concurrency", 4),
            timedelta(seconds=300),
            daytime_only=name == "sms-daytime",
            call_seconds=changes.get("call_seconds", 240),
        ),
        "db": db,
        "clock": clock,
        "routes": provider if isinstance(provider, Routes) else routes_to(*providers, policy=policy),
        "pacing": Pacing(changes.get("limits", SendingSettings())),
        "build": outgoing_email if is_mail else outgoing_sms,
        "attempts": Attempts(db, clock),
        "policy": policy,
        "wake": asyncio.Event(),
        "worker": changes.get("worker", 1),
    }


def a_lane(db: Database, clock: Clock, provider: Any, name: str = "email", **changes: Any) -> Lane[Any]:
    """A lane to `provider`.

    `changes` are `policy`, `batch_size`, `concurrency`, `call_seconds`, `limits` and `worker`.
    """
    return Lane(**lane_parts(db, clock, provider, name, **changes))


async def drain(lane: Lane[Any]) -> None:
    """Run the lane until it finds nothing left to send."""
    stop, calls = asyncio.Event(), 0
    call, give_back = lane._call, lane._give_back

    async def stop_instead(*_: Any) -> None:
        stop.set()

    async def count_and_call(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return await call(*args)

    async def send_the_rest(queue: FairQueue[Any]) -> None:
        await queue.join()
        await give_back(queue)

    setattr(lane, "_sleep", stop_instead)  # noqa: B010 - the one moment at which a lane has nothing to do
    setattr(lane, "_call", count_and_call)  # noqa: B010 - as above
    setattr(lane, "_give_back", send_the_rest)  # noqa: B010 - a lane that sleeps goes on sending what it holds
    before = -1
    while before < calls:  # an outcome may have made room for more
        before = calls
        stop.clear()
        await lane.run(stop)
    setattr(lane, "_call", call)  # noqa: B010 - as above
    setattr(lane, "_give_back", give_back)  # noqa: B010 - as above
