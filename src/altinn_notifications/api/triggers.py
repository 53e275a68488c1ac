"""The triggers, for those who schedule from outside, and a condition endpoint for tests (spec 07, 6 and 7.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import Response

from altinn_notifications.api.failures import places
from altinn_notifications.api.problems import JSON_TYPE, to_json
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.database.wakeups import NOTIFICATIONS
from altinn_notifications.processing.passes import process_due_orders
from altinn_notifications.sending.termination import terminate_expired
from altinn_notifications.tracking.feed import delete_old_entries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger()


async def post_due_orders(request: Request) -> Response:
    """Process every order that is due."""
    count = await process_due_orders(request.services)
    log.info("due_orders_processed", count=count)
    return Response()


async def post_wake(request: Request) -> Response:
    """Wake the senders, which know themselves what they may send now."""
    request.services.wakeups.wake(NOTIFICATIONS)
    return Response()


async def post_termination(request: Request) -> Response:
    """End what has expired."""
    settings = request.services.settings.notification
    return await _answered(
        "expired_notifications_ended",
        terminate_expired(
            request.services.db,
            now=request.now,
            offset=timedelta(seconds=settings.expiry_offset_seconds),
            batch_size=settings.termination_batch_size,
        ),
    )


async def post_feed_cleanup(request: Request) -> Response:
    """Delete one batch of old status feed entries."""
    settings = request.services.settings
    limit = settings.notification.status_feed_cleanup_batch_size
    kept_for = timedelta(days=settings.retention.status_feed_days)
    return await _answered(
        "status_feed_cleaned",
        delete_old_entries(request.services.db, now=request.now, limit=limit, kept_for=kept_for),
    )


async def get_send_condition(request: Request) -> Response:
    """Echo the wished answer of a send condition."""
    is_met = request.query.get("conditionmet", "").strip().lower() == "true"
    return Response(to_json({"sendNotification": is_met}), media_type=JSON_TYPE)


async def _answered(event: str, work: Awaitable[int]) -> Response:
    """Do `work` and log its count under `event`; its failure is told in a sentence (spec 07, 7.1)."""
    try:
        count = await work
    except Exception as error:  # noqa: BLE001 - whatever happened, the caller is told that it did
        log.error("trigger_failed", trigger=event, error=type(error).__name__, at=list(places(error)))  # noqa: TRY400 - a traceback could show what clients sent
        return Response("The work failed; the log tells more.", 500, media_type="text/plain")
    log.info(event, count=count)
    return Response()


# Content types are not looked at: whoever schedules with `curl -d ''` sends one of a form without knowing.
_TRIGGERS: Final[dict[str, Callable[[Request], Awaitable[Response]]]] = {
    "pastdueorders": post_due_orders,
    "sendemail": post_wake,
    "sendsmsanytime": post_wake,
    "sendsmsdaytime": post_wake,
    "sendsms": post_wake,
    "terminateexpirednotifications": post_termination,
    "deleteoldstatusfeedrecords": post_feed_cleanup,
}

ROUTES: Final = [
    *(Route("POST", f"{API}/trigger/{name}", handler) for name, handler in _TRIGGERS.items()),
    Route("GET", f"{API}/tests/sendcondition", get_send_condition, states_json=True),
]
