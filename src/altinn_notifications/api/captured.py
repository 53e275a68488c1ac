"""`GET /tests/captured/...`: what was captured instead of sent, for the local platform. Local environment only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.problems import JSON_TYPE, to_json
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.channels.capture import newest
from altinn_notifications.lifecycle import Channel
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST: Final = 200


async def get_captured_sms(request: Request) -> Response:
    """The newest captured SMS with what was and will be reported about them."""
    return await _answered(request, Channel.SMS)


async def get_captured_emails(request: Request) -> Response:
    """The newest captured emails, without the content of their files."""
    return await _answered(request, Channel.EMAIL)


async def _answered(request: Request, channel: Channel) -> Response:
    recipient = request.query.get("recipient")
    kept = await newest(request.services.db, channel, recipient=recipient, limit=_MOST)
    return Response(to_json({"messages": [_as_json(message) for message in kept]}), media_type=JSON_TYPE)


def _as_json(kept: Mapping[str, Any]) -> dict[str, Any]:
    head = {"reference": kept["reference"], "recipient": kept["recipient"], "captured": to_wire(kept["captured"])}
    return {**head, **kept["message"], "reports": kept["reports"]}


ROUTES: Final = [
    Route("GET", f"{API}/tests/captured/sms", get_captured_sms),
    Route("GET", f"{API}/tests/captured/emails", get_captured_emails),
]
