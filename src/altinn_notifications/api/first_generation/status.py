"""`GET /orders/{id}/status` and `PUT /orders/{id}/cancel`, for any order (spec 05, 10 and 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.first_generation.operations import CANCEL_ORDER, GET_STATUS
from altinn_notifications.api.first_generation.reads import order_head, without_nulls
from altinn_notifications.api.problems import JSON_TYPE, empty_problem, plain_problem, to_json
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.cancellation import Cancellation, cancel
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.order_status import find_order_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.tracking.order_status import OrderState

_COUNT_NAMES: Final[Mapping[Channel, str]] = {Channel.EMAIL: "email", Channel.SMS: "sms"}


async def get_status(request: Request) -> Response:
    """The status of one of the caller's orders."""
    state = await find_order_state(request.services.db, request.guid("id"), creator=request.creator)
    if state is None:
        raise empty_problem(404)
    return _status_answer(request, state)


async def put_cancel(request: Request) -> Response:
    """Cancel one of the caller's orders."""
    order_id, db = request.guid("id"), request.services.db
    verdict = await cancel(db, order_id, creator=request.creator, now=request.now)
    if verdict is Cancellation.PROHIBITED:
        raise plain_problem(409)
    state = await find_order_state(db, order_id, creator=request.creator) if verdict else None
    if state is None:
        raise plain_problem(404)
    return _status_answer(request, state)


def _status_answer(request: Request, state: OrderState) -> Response:
    base_uri = request.services.settings.general.base_uri
    return Response(to_json(_status(state, base_uri)), media_type=JSON_TYPE)


def _status(state: OrderState, base_uri: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        **order_head(state),
        "processingStatus": {
            "status": state.shown_status,
            "description": state.description,
            "lastUpdate": to_wire(state.last_change),
        },
        "notificationsStatusSummary": _summary(state, base_uri) or None,
    }
    return without_nulls(content)


def _summary(state: OrderState, base_uri: str) -> dict[str, Any]:
    return {
        name: {
            "links": {"self": f"{base_uri}{API}/orders/{state.id}/notifications/{name}"},
            "generated": state.counts[channel].generated,
            "succeeded": state.counts[channel].succeeded,
        }
        for channel, name in _COUNT_NAMES.items()
        if channel in state.counts
    }


ROUTES: Final = [
    Route("GET", f"{API}/orders/{{id}}/status", get_status, Policy.CREATE, operation=GET_STATUS),
    Route("PUT", f"{API}/orders/{{id}}/cancel", put_cancel, Policy.CREATE, operation=CANCEL_ORDER),
]
