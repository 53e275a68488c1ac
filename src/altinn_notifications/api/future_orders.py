"""`POST /future/orders`: order a notification with any number of reminders (spec 02), and what `Location` names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.api.operations import PROBLEM, VALIDATION_PROBLEM, Answer, Operation
from altinn_notifications.api.order_requests import OrderRequest
from altinn_notifications.api.problems import coded_problem, empty_problem, validation_problem
from altinn_notifications.api.reading import read, text_faults
from altinn_notifications.api.receipts import CREATED, KNOWN, RECEIPT_EXAMPLE, RECEIPT_SCHEMA, registered
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.orders.chain_rules import add_chain_faults
from altinn_notifications.orders.contact_check import ContactMissing, needs_contact_check
from altinn_notifications.orders.mapping import Registration, to_chain
from altinn_notifications.orders.storage import find_chain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.responses import Response

    from altinn_notifications.app import Services
    from altinn_notifications.orders.model import OrderChain, Receipt

PARAMETER: Final = "notificationOrderRequest"


async def post_order(request: Request) -> Response:
    """Register an order chain, or tell what its idempotency id registered before."""
    services = request.services
    order = read_order(await request.json_body(), now=request.now, sender_domains=request.sender_domains)
    registration = Registration(request.creator, request.now, services.settings.notification)
    receipt, is_new = await _register(services, request, to_chain(order, registration))
    return registered(receipt, is_new=is_new, base_uri=services.settings.general.base_uri)


async def get_chain(request: Request) -> Response:
    """The ids of an order chain: the address that `Location` names, which the original leaves unanswered."""
    services, creator = request.services, request.creator
    receipt = await find_chain(services.db, request.guid("id"), creator=creator)
    if receipt is None:
        raise empty_problem(404)
    return registered(receipt, is_new=False, base_uri=services.settings.general.base_uri)


def read_order(body: bytes, *, now: datetime, sender_domains: Sequence[str] | None = None) -> OrderRequest:
    """The order that `body` asks for, valid at `now` (UTC). Raises the 400 of any layer.

    `sender_domains` are those that the caller may send email from; None: any.
    """
    order = read(OrderRequest, body, parameter=PARAMETER)
    faults = text_faults(order, body, sender_domains=sender_domains)
    add_chain_faults(faults, order, now)
    if faults:
        raise validation_problem(faults)
    return order


async def _register(services: Services, request: Request, chain: OrderChain) -> tuple[Receipt, bool]:
    if needs_contact_check(chain):
        # A known id is answered before any look-up, so also while the registers are away.
        known = await services.registrar.find(chain.main.creator, chain.main.type, chain.idempotency_id)
        if known is not None:
            return known, False
        request.stop_if_client_is_gone()
        await _demand_reachable(services, chain)
    request.stop_if_client_is_gone()
    return await services.registrar.register(chain)


async def _demand_reachable(services: Services, chain: OrderChain) -> None:
    try:
        await services.contact_check.demand_reachable(chain)
    except ContactMissing:
        raise coded_problem("NOT-00001") from None


_EMAIL_ORDER: Final[dict[str, Any]] = {
    "idempotencyId": "case-4711-1",
    "recipient": {
        "recipientEmail": {
            "emailAddress": "kari@example.no",
            "emailSettings": {"subject": "A new message", "body": "You have a message in your inbox."},
        }
    },
}
_PERSON_ORDER: Final[dict[str, Any]] = {
    "idempotencyId": "case-4711-2",
    "sendersReference": "case-4711",
    "requestedSendTime": "2035-03-01T08:00:00+01:00",
    "dialogportenAssociation": {"dialogId": "d-1", "transmissionId": "t-1"},
    "recipient": {
        "recipientPerson": {
            "nationalIdentityNumber": "16069412345",
            "channelSchema": "EmailPreferred",
            "resourceId": "urn:altinn:resource:my_service",
            "emailSettings": {"subject": "Mind the deadline", "body": "<p>It is 1 April.</p>", "contentType": "Html"},
            "smsSettings": {"body": "The deadline is 1 April.", "sender": "Etaten", "sendingTimePolicy": "Daytime"},
        }
    },
    "reminders": [
        {
            "delayDays": 7,
            "sendersReference": "case-4711-r1",
            "conditionEndpoint": "https://etaten.example.no/cases/4711/still-open",
            "recipient": {
                "recipientSms": {"phoneNumber": "+4799999999", "smsSettings": {"body": "The deadline is 1 April."}}
            },
        }
    ],
}

ROUTES: Final = [
    Route(
        "POST",
        f"{API}/future/orders",
        post_order,
        Policy.CREATE,
        states_json=True,
        operation=Operation(
            tag="Order",
            summary="Order a notification with zero or more reminders",
            description="The main order and each reminder go to exactly one recipient. Nothing is sent during the"
            " request: the answer tells the ids under which the shipments can be followed.",
            answers={
                201: CREATED,
                200: KNOWN,
                422: Answer("NOT-00001: a recipient has no usable contact information.", PROBLEM),
            },
            request=OrderRequest,
            examples={"email": _EMAIL_ORDER, "person": _PERSON_ORDER},
        ),
    ),
    Route(
        "GET",
        f"{API}/orders/chain/{{id}}",
        get_chain,
        Policy.CREATE,
        operation=Operation(
            tag="Order",
            summary="The ids of an order chain",
            description="What the registration answered. It is the address in the `Location` header of a new chain.",
            answers={
                200: Answer("The ids of the chain's shipments.", RECEIPT_SCHEMA, RECEIPT_EXAMPLE),
                400: Answer("The id is no GUID.", VALIDATION_PROBLEM, example_key="id"),
                404: Answer("No chain of the caller has this id."),
            },
        ),
    ),
]
