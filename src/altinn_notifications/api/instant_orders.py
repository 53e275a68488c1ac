"""`POST /future/orders/instant`, `.../sms` and `.../email`: one message, sent during the request (spec 03)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from altinn_notifications.api.instant_requests import (
    InstantEmailOrder,
    InstantOrder,
    InstantSmsOrder,
    add_instant_faults,
)
from altinn_notifications.api.operations import PROBLEM, Answer, Operation
from altinn_notifications.api.problems import coded_problem, validation_problem
from altinn_notifications.api.reading import read, text_faults
from altinn_notifications.api.receipts import RECEIPT_EXAMPLE, SHIPMENT_SCHEMA, registered
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.orders.instant import Reference, instant_email, instant_sms
from altinn_notifications.orders.mapping import Registration
from altinn_notifications.sending.instant import NotDispatched

if TYPE_CHECKING:
    from starlette.responses import Response

    from altinn_notifications.orders.instant import InstantMessage

    Order = TypeVar("Order", InstantSmsOrder, InstantOrder, InstantEmailOrder)

PARAMETER: Final = "request"


async def post_sms(request: Request) -> Response:
    """Send one SMS at once, or tell what its idempotency id sent before."""
    order = await _read(InstantSmsOrder, request)
    return await _send(request, instant_sms(order.recipient_sms, _reference(order), _registration(request)))


async def post_older_sms(request: Request) -> Response:
    """The same with the body nested one level deeper."""
    order = await _read(InstantOrder, request)
    return await _send(request, instant_sms(order.recipient.recipient_sms, _reference(order), _registration(request)))


async def post_email(request: Request) -> Response:
    """Send one email at once, or tell what its idempotency id sent before."""
    order = await _read(InstantEmailOrder, request)
    return await _send(request, instant_email(order.recipient_email, _reference(order), _registration(request)))


async def _read(model: type[Order], request: Request) -> Order:
    body = await request.json_body()
    order = read(model, body, parameter=PARAMETER)
    faults = text_faults(order, body, sender_domains=request.sender_domains)
    add_instant_faults(faults, order)
    if faults:
        raise validation_problem(faults)
    return order


def _reference(order: InstantSmsOrder | InstantOrder | InstantEmailOrder) -> Reference:
    return Reference(order.idempotency_id, order.senders_reference)


def _registration(request: Request) -> Registration:
    return Registration(request.creator, request.now, request.services.settings.notification)


async def _send(request: Request, message: InstantMessage) -> Response:
    services = request.services
    try:
        receipt, is_new = await services.instant.send(message, check_caller=request.stop_if_client_is_gone)
    except NotDispatched:
        raise coded_problem("NOT-00004") from None
    return registered(receipt, is_new=is_new, base_uri=services.settings.general.base_uri)


_RECEIPT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["notificationOrderId", "notification"],
    "properties": {
        "notificationOrderId": {"type": "string", "format": "uuid"},
        "notification": SHIPMENT_SCHEMA,
    },
}
_ANSWERS: Final = {
    201: Answer(
        "The provider has answered: it took the message, or refused it for good. The shipment's status tells which.",
        _RECEIPT_SCHEMA,
        RECEIPT_EXAMPLE,
        {"Location": "Address of the order chain."},
    ),
    200: Answer(
        "An earlier instant request used the idempotency id; these are its ids, and nothing was sent now.",
        _RECEIPT_SCHEMA,
        RECEIPT_EXAMPLE,
    ),
    503: Answer(
        "NOT-00004: the message was not taken, or no answer came in time. Nothing is stored, and the same id may be"
        " used again; after a missing answer the recipient may then get the message twice.",
        PROBLEM,
    ),
}
_SMS: Final[dict[str, Any]] = {
    "phoneNumber": "+4799999999",
    "timeToLiveInSeconds": 300,
    "smsSettings": {"sender": "Etaten", "body": "Your code is 481516."},
}
_SMS_ORDER: Final[dict[str, Any]] = {
    "idempotencyId": "login-88321-1",
    "sendersReference": "login-88321",
    "recipientSms": _SMS,
}
_OLDER_SMS_ORDER: Final[dict[str, Any]] = {"idempotencyId": "login-88321-2", "recipient": {"recipientSms": _SMS}}
_EMAIL_ORDER: Final[dict[str, Any]] = {
    "idempotencyId": "login-88321-3",
    "recipientEmail": {
        "emailAddress": "kari@example.no",
        "emailSettings": {"subject": "Your code", "body": "<p>481516</p>", "contentType": "Html"},
    },
}
_DESCRIPTION: Final = (
    "For one-time codes and alerts to somebody who is waiting: one directly addressed recipient, no look-up, no"
    " condition, no reminder. The three instant endpoints share their idempotency ids."
)

ROUTES: Final = [
    Route(
        "POST",
        f"{API}/future/orders/instant/sms",
        post_sms,
        Policy.CREATE,
        states_json=True,
        operation=Operation(
            tag="Instant Orders",
            summary="Send one SMS at once",
            description=_DESCRIPTION,
            answers=_ANSWERS,
            request=InstantSmsOrder,
            examples={"code": _SMS_ORDER},
        ),
    ),
    Route(
        "POST",
        f"{API}/future/orders/instant/email",
        post_email,
        Policy.CREATE,
        states_json=True,
        operation=Operation(
            tag="Instant Orders",
            summary="Send one email at once",
            description=_DESCRIPTION,
            answers=_ANSWERS,
            request=InstantEmailOrder,
            examples={"code": _EMAIL_ORDER},
        ),
    ),
    Route(
        "POST",
        f"{API}/future/orders/instant",
        post_older_sms,
        Policy.CREATE,
        states_json=True,
        operation=Operation(
            tag="Deprecated",
            summary="Send one SMS at once; use /future/orders/instant/sms instead",
            description=_DESCRIPTION,
            answers=_ANSWERS,
            request=InstantOrder,
            examples={"code": _OLDER_SMS_ORDER},
            deprecated=True,
        ),
    ),
]
