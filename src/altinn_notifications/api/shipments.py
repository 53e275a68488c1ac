"""`GET /future/shipment/{id}` and `GET /future/shipment/feed` (spec 06)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.problems import JSON_TYPE, coded_problem, to_json, validation_problem
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.api.shipment_operations import GET_FEED, GET_SHIPMENT
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.feed import LARGEST_NUMBER, FeedQuery, read_feed
from altinn_notifications.tracking.shipment import Shipment, ShipmentRecipient, find_shipment
from altinn_notifications.tracking.status import CHANNEL_WORDS, exposed_order_status, exposed_result

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]{1,40}\s*", re.ASCII)
_INT32: Final = range(-(2**31), 2**31)
_DIRECTIONS: Final = {"asc": False, "0": False, "desc": True, "1": True}  # the numbers: spec 01, 3.3


async def get_shipment(request: Request) -> Response:
    """One shipment of the caller's."""
    shipment_id = request.guid("id")
    shipment = await find_shipment(request.services.db, shipment_id, creator=request.creator)
    if shipment is None:
        raise coded_problem("NOT-00003")
    return _json(_shipment(shipment))


async def get_feed(request: Request) -> Response:
    """A page of the caller's status feed."""
    services = request.services
    query = feed_query(request.query, largest_page=services.settings.notification.status_feed_max_page_size)
    page = await read_feed(services.db, query, creator=request.creator, now=services.clock.now())
    return _json(page)


def feed_query(values: Mapping[str, str], *, largest_page: int) -> FeedQuery:
    """What a reader wants, from the query's values by lower-case name; the page size is brought within its limits.

    Raises the 400 of spec 06, 5.1.
    """
    seq = _integer(values.get("seq", "0"))
    page_size = _integer(values.get("pagesize") or str(largest_page))
    descending = _DIRECTIONS.get(values.get("orderby", "asc").strip().lower())
    errors: dict[str, list[str]] = {}
    if seq is None or not 0 <= seq <= LARGEST_NUMBER:
        errors["Seq"] = [f"The value must be an integer from 0 to {LARGEST_NUMBER}."]
    if page_size is None or page_size not in _INT32:
        errors["PageSize"] = ["The value must be an integer."]
    if descending is None:
        errors["OrderBy"] = ["The value must be asc or desc."]
    if seq is None or page_size is None or descending is None or errors:
        raise validation_problem(errors)
    return FeedQuery(seq, min(max(page_size, 1), largest_page), descending)


def _integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


def _shipment(shipment: Shipment) -> dict[str, Any]:
    reference = {} if shipment.senders_reference is None else {"sendersReference": shipment.senders_reference}
    return {
        "shipmentId": str(shipment.id),
        **reference,
        "type": shipment.type.name,
        "status": exposed_order_status(shipment.status),
        "lastUpdate": to_wire(shipment.last_update),
        "recipients": [_recipient(recipient) for recipient in shipment.recipients],
    }


def _recipient(recipient: ShipmentRecipient) -> dict[str, str]:
    return {
        "type": CHANNEL_WORDS[recipient.channel],
        "destination": recipient.destination,
        "status": exposed_result(recipient.channel, recipient.result),
        "lastUpdate": to_wire(recipient.last_update),
    }


def _json(content: Any) -> Response:
    return Response(to_json(content), media_type=JSON_TYPE)


ROUTES: Final = [
    Route("GET", f"{API}/future/shipment/feed", get_feed, Policy.CREATE, states_json=True, operation=GET_FEED),
    Route("GET", f"{API}/future/shipment/{{id:guid}}", get_shipment, Policy.CREATE, operation=GET_SHIPMENT),
]
