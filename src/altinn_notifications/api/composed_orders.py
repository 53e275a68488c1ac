"""`POST /future/orders/composed-email`: one email with attachments, which are given as links (spec 04)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.api.composed_requests import ComposedEmailOrder
from altinn_notifications.api.operations import Operation
from altinn_notifications.api.problems import validation_problem
from altinn_notifications.api.reading import read, text_faults
from altinn_notifications.api.receipts import CREATED, KNOWN, registered
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.orders.composed import add_composed_faults, to_composed_chain
from altinn_notifications.orders.mapping import Registration

if TYPE_CHECKING:
    from starlette.responses import Response

PARAMETER: Final = "orderRequest"


async def post_composed_email(request: Request) -> Response:
    """Register an email with attachments, or tell what its idempotency id registered before."""
    services = request.services
    order = await _read(request)
    chain = to_composed_chain(order, Registration(request.creator, request.now, services.settings.notification))
    request.stop_if_client_is_gone()
    receipt, is_new = await services.registrar.register(chain)
    return registered(receipt, is_new=is_new, base_uri=services.settings.general.base_uri)


async def _read(request: Request) -> ComposedEmailOrder:
    body = await request.json_body()
    order = read(ComposedEmailOrder, body, parameter=PARAMETER)
    faults = text_faults(order, body, sender_domains=request.sender_domains)
    add_composed_faults(faults, order, request.now, origins=request.services.platform.attachments.origins)
    if faults:
        raise validation_problem(faults)
    return order


_ORDER: Final[dict[str, Any]] = {
    "idempotencyId": "decision-481",
    "sendersReference": "case-481",
    "requestedSendTime": "2035-03-01T08:00:00+01:00",
    "recipient": {
        "emailAddress": "kari@example.no",
        "emailSettings": {
            "subject": "Your decision",
            "body": "The decision is attached.",
            "attachments": [
                {
                    "filename": "decision.pdf",
                    "mimeType": "application/pdf",
                    "sasUrl": "https://etaten.blob.core.windows.net/out/481.pdf"
                    "?se=2035-03-01T12%3A00%3A00Z&sp=r&sr=b&sig=c2lnbmF0dXJl",
                }
            ],
        },
    },
}

ROUTES: Final = [
    Route(
        "POST",
        f"{API}/future/orders/composed-email",
        post_composed_email,
        Policy.COMPOSED,
        states_json=True,
        operation=Operation(
            tag="Order",
            summary="Order an email with attachments",
            description="One email to one direct address. The files are fetched from their links when the email is"
            " sent, not during the request. Needs a scope of its own; a platform access token gives no access.",
            answers={201: CREATED, 200: KNOWN},
            request=ComposedEmailOrder,
            examples={"attachment": _ORDER},
        ),
    ),
]
