"""`GET /orders`, `/orders/{id}` and `/orders/{id}/notifications/...`: any order as it was placed, and its results.

They work for every order by its shipment id, whoever placed it how. Source: spec 05, 8, 9, 11 and 12.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.first_generation.operations import (
    GET_EMAIL_RESULTS,
    GET_ORDER,
    GET_ORDERS,
    GET_SMS_RESULTS,
)
from altinn_notifications.api.problems import JSON_TYPE, empty_problem, to_json, validation_problem
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.lifecycle import Channel
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.order_reads import find_order, find_orders, find_results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from altinn_notifications.orders.model import EmailTemplate, Order, Recipient, SmsTemplate
    from altinn_notifications.tracking.order_reads import NotificationResult, OrderResults
    from altinn_notifications.tracking.order_status import OrderState

REFERENCE: Final = "sendersReference"
MANY: Final = 500
"""An answer of more items is written beside the event loop, so that nobody else waits for it."""

_ADDRESSES: Final[Mapping[Channel, str]] = {Channel.EMAIL: "emailAddress", Channel.SMS: "mobileNumber"}


async def get_order(request: Request) -> Response:
    """One of the caller's orders as it was placed."""
    order = await find_order(request.services.db, request.guid("id"), creator=request.creator)
    if order is None:
        raise empty_problem(404)
    base_uri = request.services.settings.general.base_uri
    return await _json(lambda: _order(order, base_uri), items=len(order.recipients))


async def get_orders(request: Request) -> Response:
    """All of the caller's orders with one reference."""
    reference = _reference(request)
    orders = await find_orders(request.services.db, reference, creator=request.creator)
    base_uri = request.services.settings.general.base_uri
    return await _json(
        lambda: {"count": len(orders), "orders": [_order(order, base_uri) for order in orders]},
        items=sum(len(order.recipients) for order in orders),
    )


async def get_email_results(request: Request) -> Response:
    """The emails of one of the caller's orders."""
    return await _results_answer(request, Channel.EMAIL)


async def get_sms_results(request: Request) -> Response:
    """The SMS of one of the caller's orders."""
    return await _results_answer(request, Channel.SMS)


def order_head(order: Order | OrderState) -> dict[str, Any]:
    """What every answer about an order begins with; null members are still in it. Source: spec 05, 8."""
    return {
        "id": str(order.id),
        "sendersReference": order.senders_reference,
        "requestedSendTime": to_wire(order.requested_send_time),
        "creator": order.creator,
        "created": to_wire(order.created),
        "notificationChannel": order.channel,
        "ignoreReservation": order.ignore_reservation,
        "resourceId": order.resource_id,
        "resourceAction": order.resource_action,
        "conditionEndpoint": order.condition_endpoint,
    }


def without_nulls(content: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are not null: the others are left out of every answer (spec 05, 8)."""
    return {name: value for name, value in content.items() if value is not None}


def _reference(request: Request) -> str:
    """The reference that is asked for. Raises the 400 of spec 01, 6.5."""
    reference = request.query.get(REFERENCE.lower(), "")
    if not reference.strip():
        raise validation_problem({REFERENCE: ["A reference is required."]})
    if "\0" in reference:
        raise validation_problem({REFERENCE: ["The character U+0000 is not allowed."]})
    return reference


async def _results_answer(request: Request, channel: Channel) -> Response:
    results = await find_results(request.services.db, request.guid("id"), channel, creator=request.creator)
    if results is None:
        raise empty_problem(404)
    return await _json(lambda: _results(results, _ADDRESSES[channel]), items=len(results.notifications))


async def _json(content: Callable[[], Any], *, items: int) -> Response:
    body = await asyncio.to_thread(lambda: to_json(content())) if items > MANY else to_json(content())
    return Response(body, media_type=JSON_TYPE)


def _order(order: Order, base_uri: str) -> dict[str, Any]:
    self_link = f"{base_uri}{API}/orders/{order.id}"
    content = {
        **order_head(order),
        "recipients": [_recipient(recipient) for recipient in order.recipients],
        "emailTemplate": order.email and _email_template(order.email),
        "smsTemplate": order.sms and _sms_template(order.sms),
        "links": {"self": self_link, "status": f"{self_link}/status"},
    }
    return without_nulls(content)


def _recipient(recipient: Recipient) -> dict[str, Any]:
    """Who was named how. An external identity has no place in this generation, so its recipient is empty."""
    return without_nulls(
        {
            "emailAddress": recipient.email_address,
            "mobileNumber": recipient.mobile_number,
            "organizationNumber": recipient.organization_number,
            "nationalIdentityNumber": recipient.national_identity_number,
        }
    )


def _email_template(template: EmailTemplate) -> dict[str, str]:
    return {
        "fromAddress": template.from_address,
        "subject": template.subject,
        "body": template.body,
        "contentType": template.content_type,
    }


def _sms_template(template: SmsTemplate) -> dict[str, str]:
    return {"senderNumber": template.sender, "body": template.body}


def _results(results: OrderResults, address: str) -> dict[str, Any]:
    content = {
        "orderId": str(results.order_id),
        "sendersReference": results.senders_reference,
        "generated": len(results.notifications),
        "succeeded": sum(notification.is_success for notification in results.notifications),
        "notifications": [_result(notification, address) for notification in results.notifications],
    }
    return without_nulls(content)


def _result(notification: NotificationResult, address: str) -> dict[str, Any]:
    recipient = {
        address: notification.destination,
        "organizationNumber": notification.organization_number,
        "nationalIdentityNumber": notification.national_identity_number,
    }
    return {
        "id": str(notification.id),
        "succeeded": notification.is_success,
        "recipient": without_nulls(recipient),
        "sendStatus": {
            "status": notification.shown_result,
            "description": notification.description,
            "lastUpdate": to_wire(notification.last_update),
        },
    }


_ORDER: Final = f"{API}/orders/{{id}}"
ROUTES: Final = [
    Route("GET", f"{API}/orders", get_orders, Policy.CREATE, operation=GET_ORDERS),
    Route("GET", _ORDER, get_order, Policy.CREATE, operation=GET_ORDER),
    Route("GET", f"{_ORDER}/notifications/email", get_email_results, Policy.CREATE, operation=GET_EMAIL_RESULTS),
    Route("GET", f"{_ORDER}/notifications/sms", get_sms_results, Policy.CREATE, operation=GET_SMS_RESULTS),
]
