"""`POST /orders`, `/orders/email` and `/orders/sms`: one order to many recipients (spec 05, 3 to 7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic

from starlette.responses import Response

from altinn_notifications.api.contract import Model
from altinn_notifications.api.first_generation.operations import POST_EMAIL_ORDER, POST_ORDER, POST_SMS_ORDER
from altinn_notifications.api.first_generation.requests import ChannelOrderRequest, EmailOrderRequest, SmsOrderRequest
from altinn_notifications.api.problems import JSON_TYPE, to_json, validation_problem
from altinn_notifications.api.reading import read, text_faults
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.orders.first_generation import (
    add_channel_order_faults,
    add_email_order_faults,
    add_sms_order_faults,
    channel_order,
    email_order,
    sms_order,
)
from altinn_notifications.orders.mapping import Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from altinn_notifications.orders.model import Order
    from altinn_notifications.orders.rules import Faults
    from altinn_notifications.recipients.forecast import Forecast

LARGE_BODY: Final = 200_000
"""A larger one, of some thousand recipients, is read beside the event loop: checking their numbers takes a while."""


@dataclass(frozen=True, slots=True)
class Form(Generic[Model]):
    """One way to place an order."""

    model: type[Model]
    parameter: str
    """How the body is called when it cannot be read."""
    add_faults: Callable[[Faults, Model, datetime], None]
    to_order: Callable[[Model, Registration], Order]

    def read(self, body: bytes, now: datetime, *, sender_domains: Sequence[str] | None = None) -> Model:
        """What `body` asks for, valid at `now` (UTC). Raises the 400 of any layer.

        `sender_domains` are those that the caller may send email from; None: any.
        """
        asked = read(self.model, body, parameter=self.parameter)
        faults = text_faults(asked, body, sender_domains=sender_domains)
        self.add_faults(faults, asked, now)
        if faults:
            raise validation_problem(faults)
        return asked


CHANNEL_FORM: Final = Form(ChannelOrderRequest, "notificationOrderRequest", add_channel_order_faults, channel_order)
EMAIL_FORM: Final = Form(EmailOrderRequest, "emailNotificationOrderRequest", add_email_order_faults, email_order)
SMS_FORM: Final = Form(SmsOrderRequest, "smsNotificationOrderRequest", add_sms_order_faults, sms_order)


async def post_order(request: Request) -> Response:
    """Order through a channel of the caller's choice."""
    return await _place(CHANNEL_FORM, request)


async def post_email_order(request: Request) -> Response:
    """Order by email."""
    return await _place(EMAIL_FORM, request)


async def post_sms_order(request: Request) -> Response:
    """Order by SMS."""
    return await _place(SMS_FORM, request)


async def _place(form: Form[Model], request: Request) -> Response:
    services = request.services
    read_form = partial(form.read, now=request.now, sender_domains=request.sender_domains)
    asked = await _read(read_form, await request.json_body())
    order = form.to_order(asked, Registration(request.creator, request.now, services.settings.notification))
    outlook = await services.contact_check.outlook(order)
    await services.registrar.register_unchained(order)
    return _accepted(order, outlook, services.settings.general.base_uri)


async def _read(read_form: Callable[[bytes], Model], body: bytes) -> Model:
    if len(body) > LARGE_BODY:
        return await asyncio.to_thread(read_form, body)
    return read_form(body)


def _accepted(order: Order, outlook: Forecast | None, base_uri: str) -> Response:
    content: dict[str, Any] = {"orderId": str(order.id)}
    if outlook is not None:
        content["recipientLookup"] = {
            "status": outlook.status,
            "isReserved": outlook.is_reserved,
            "missingContact": outlook.missing_contact,
        }
    location = {"Location": f"{base_uri}{API}/orders/{order.id}"}
    return Response(to_json(content), 202, location, media_type=JSON_TYPE)


ROUTES: Final = [
    Route("POST", f"{API}/orders", post_order, Policy.CREATE, states_json=True, operation=POST_ORDER),
    Route("POST", f"{API}/orders/email", post_email_order, Policy.CREATE, states_json=True, operation=POST_EMAIL_ORDER),
    Route("POST", f"{API}/orders/sms", post_sms_order, Policy.CREATE, states_json=True, operation=POST_SMS_ORDER),
]
