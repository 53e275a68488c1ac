"""What the OpenAPI document says about the first generation's endpoints (spec 05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.api.first_generation.requests import ChannelOrderRequest, EmailOrderRequest, SmsOrderRequest
from altinn_notifications.api.operations import PROBLEM, VALIDATION_PROBLEM, Answer, Operation
from altinn_notifications.lifecycle import Channel, EmailResult, OrderStatus, SmsResult
from altinn_notifications.orders.model import ContentType, NotificationChannel
from altinn_notifications.recipients.forecast import ForecastStatus
from altinn_notifications.tracking.plain_words import result_words

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG: Final = "Deprecated"
_MOMENT: Final = {"type": "string", "format": "date-time"}
_LINK: Final = {"type": "string", "format": "uri"}
_COUNT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["links", "generated", "succeeded"],
    "description": "Left out if the order has no notification of this channel.",
    "properties": {
        "links": {"type": "object", "properties": {"self": _LINK}},
        "generated": {"type": "integer", "description": "Notifications made, failed ones included."},
        "succeeded": {"type": "integer", "description": "Those that the provider took over or delivered."},
    },
}
_HEAD: Final[dict[str, Any]] = {
    "id": {"type": "string", "format": "uuid"},
    "sendersReference": {"type": "string"},
    "requestedSendTime": _MOMENT,
    "creator": {"type": "string"},
    "created": _MOMENT,
    "notificationChannel": {"type": "string", "enum": list(NotificationChannel)},
    "ignoreReservation": {"type": "boolean"},
    "resourceId": {"type": "string"},
    "resourceAction": {"type": "string"},
    "conditionEndpoint": {"type": "string", "format": "uri"},
}
_HEAD_ALWAYS: Final = ["id", "requestedSendTime", "creator", "created", "notificationChannel"]
_STATUS: Final[dict[str, Any]] = {
    "type": "object",
    "required": [*_HEAD_ALWAYS, "processingStatus"],
    "properties": {
        **_HEAD,
        "processingStatus": {
            "type": "object",
            "required": ["status", "description", "lastUpdate"],
            "properties": {
                "status": {
                    "type": "string",
                    "enum": [status for status in OrderStatus if status is not OrderStatus.PROCESSED],
                },
                "description": {"type": "string"},
                "lastUpdate": _MOMENT,
            },
        },
        "notificationsStatusSummary": {
            "type": "object",
            "description": "Left out until notifications are made.",
            "properties": {"email": _COUNT, "sms": _COUNT},
        },
    },
}
_ADDRESSEE: Final[dict[str, Any]] = {
    "emailAddress": {"type": "string"},
    "mobileNumber": {"type": "string"},
    "organizationNumber": {"type": "string"},
    "nationalIdentityNumber": {"type": "string"},
}
_ORDER: Final[dict[str, Any]] = {
    "type": "object",
    "required": [*_HEAD_ALWAYS, "recipients", "links"],
    "properties": {
        **_HEAD,
        "recipients": {
            "type": "array",
            "items": {"type": "object", "properties": _ADDRESSEE},
            "description": "As ordered: addresses that were looked up are not told.",
        },
        "emailTemplate": {
            "type": "object",
            "required": ["fromAddress", "subject", "body", "contentType"],
            "properties": {
                "fromAddress": {"type": "string"},
                "subject": {"type": "string"},
                "body": {"type": "string"},
                "contentType": {"type": "string", "enum": list(ContentType)},
            },
        },
        "smsTemplate": {
            "type": "object",
            "required": ["senderNumber", "body"],
            "properties": {"senderNumber": {"type": "string"}, "body": {"type": "string"}},
        },
        "links": {"type": "object", "required": ["self", "status"], "properties": {"self": _LINK, "status": _LINK}},
    },
}
_ORDERS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["count", "orders"],
    "properties": {"count": {"type": "integer"}, "orders": {"type": "array", "items": _ORDER}},
}
_ACCEPTED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["orderId"],
    "properties": {
        "orderId": {"type": "string", "format": "uuid"},
        "recipientLookup": {
            "type": "object",
            "description": "Left out if every recipient was given by address.",
            "required": ["status", "isReserved", "missingContact"],
            "properties": {
                "status": {"type": "string", "enum": list(ForecastStatus)},
                "isReserved": {"type": "array", "items": {"type": "string"}},
                "missingContact": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}
_STATUS_EXAMPLE: Final[dict[str, Any]] = {
    "id": "0197c2d0-6f0b-7b37-8c0e-0b5c0d2f9c77",
    "sendersReference": "case-4711",
    "requestedSendTime": "2035-03-01T07:00:00Z",
    "creator": "ttd",
    "created": "2035-02-28T11:02:13.441235Z",
    "notificationChannel": "EmailPreferred",
    "processingStatus": {
        "status": "Registered",
        "description": "The order is registered and waits for its requested send time.",
        "lastUpdate": "2035-02-28T11:02:13.441235Z",
    },
}
_CANCELLED_EXAMPLE: Final = _STATUS_EXAMPLE | {
    "processingStatus": {
        "status": "Cancelled",
        "description": "Nothing was sent, because the order was cancelled.",
        "lastUpdate": "2035-02-28T12:00:00Z",
    }
}
_ACCEPTED_ANSWER: Final = Answer(
    "The order is registered. Who has no contact information now is looked up again before sending.",
    _ACCEPTED,
    {
        "orderId": "0197c2d0-6f0b-7b37-8c0e-0b5c0d2f9c77",
        "recipientLookup": {"status": "PartialSuccess", "isReserved": ["16069412345"], "missingContact": []},
    },
    {"Location": "Address of the order."},
)
_ORDER_EXAMPLE: Final[dict[str, Any]] = {
    **{name: value for name, value in _STATUS_EXAMPLE.items() if name != "processingStatus"},
    "notificationChannel": "Email",
    "recipients": [{"emailAddress": "kari@example.no"}, {"organizationNumber": "311000179"}],
    "emailTemplate": {
        "fromAddress": "noreply@altinn.cloud",
        "subject": "A new message",
        "body": "You have a message in your inbox.",
        "contentType": "Plain",
    },
    "links": {
        "self": "https://platform.altinn.no/notifications/api/v1/orders/0197c2d0-6f0b-7b37-8c0e-0b5c0d2f9c77",
        "status": "https://platform.altinn.no/notifications/api/v1/orders/0197c2d0-6f0b-7b37-8c0e-0b5c0d2f9c77/status",
    },
}
_CHANNEL_ORDER: Final[dict[str, Any]] = {
    "sendersReference": "case-4711",
    "notificationChannel": "EmailPreferred",
    "recipients": [{"nationalIdentityNumber": "16069412345"}, {"organizationNumber": "311000179"}],
    "emailTemplate": {"subject": "A new message", "body": "You have a message in your inbox."},
    "smsTemplate": {"body": "You have a message in your inbox."},
    "resourceId": "urn:altinn:resource:my_service",
}
_EMAIL_ORDER: Final[dict[str, Any]] = {
    "recipients": [{"emailAddress": "kari@example.no"}, {"emailAddress": "ola@example.no"}],
    "subject": "A new message",
    "body": "You have a message in your inbox.",
}
_SMS_ORDER: Final[dict[str, Any]] = {
    "recipients": [{"mobileNumber": "+4799999999"}],
    "body": "You have a message in your inbox.",
}
_PLACING: Final = (
    "One order to any number of recipients. Recipients without contact information are told and do not stop it."
    " There is no idempotency: a repeated request is another order."
)
_NO_GUID: Final = Answer("The id is no GUID.", VALIDATION_PROBLEM, example_key="id")

_NO_ORDER: Final = Answer("The caller has no such order.")


def _placing(what: str, request: type[Any], examples: dict[str, Any]) -> Operation:
    return Operation(
        tag=_TAG,
        summary=f"Order {what}",
        description=_PLACING,
        answers={202: _ACCEPTED_ANSWER},
        request=request,
        examples=examples,
        deprecated=True,
    )


def _results_schema(address: str, results: Iterable[str]) -> dict[str, Any]:
    numbers = {name: _ADDRESSEE[name] for name in ("organizationNumber", "nationalIdentityNumber")}
    status = {"type": "string", "enum": [result for result in results if result != EmailResult.TTL]}
    notification = {
        "type": "object",
        "required": ["id", "succeeded", "recipient", "sendStatus"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "succeeded": {"type": "boolean", "description": "Whether the provider took it over or delivered it."},
            "recipient": {
                "type": "object",
                "required": [address],
                "description": "The address is empty if there is none or the person is reserved.",
                "properties": {address: _ADDRESSEE[address], **numbers},
            },
            "sendStatus": {
                "type": "object",
                "required": ["status", "description", "lastUpdate"],
                "properties": {"status": status, "description": {"type": "string"}, "lastUpdate": _MOMENT},
            },
        },
    }
    return {
        "type": "object",
        "required": ["orderId", "generated", "succeeded", "notifications"],
        "properties": {
            "orderId": {"type": "string", "format": "uuid"},
            "sendersReference": {"type": "string"},
            "generated": {"type": "integer"},
            "succeeded": {"type": "integer"},
            "notifications": {"type": "array", "items": notification},
        },
    }


def _results_example(recipient: dict[str, str], description: str) -> dict[str, Any]:
    status = {"status": "Delivered", "description": description, "lastUpdate": "2026-03-02T08:02:40.10021Z"}
    result = {"id": "0d1f7d9e-6a53-4a40-9c0b-5d7b2f5f7a10", "succeeded": True, "recipient": recipient}
    return {
        "orderId": "6c9e1d0a-9d0b-4a0e-8b54-2f0a8a0f7c11",
        "sendersReference": "case-4711",
        "generated": 1,
        "succeeded": 1,
        "notifications": [{**result, "sendStatus": status}],
    }


def _reading_results(channel: str, schema: dict[str, Any], example: dict[str, Any]) -> Operation:
    return Operation(
        tag=_TAG,
        summary=f"Read what became of an order's {channel}",
        description="Every notification of this channel; none until the order is processed.",
        answers={200: Answer("The notifications.", schema, example), 400: _NO_GUID, 404: _NO_ORDER},
        deprecated=True,
    )


POST_ORDER: Final = _placing("notifications", ChannelOrderRequest, {"preferred": _CHANNEL_ORDER})
POST_EMAIL_ORDER: Final = _placing("emails", EmailOrderRequest, {"two": _EMAIL_ORDER})
POST_SMS_ORDER: Final = _placing("SMS", SmsOrderRequest, {"one": _SMS_ORDER})

GET_ORDER: Final = Operation(
    tag=_TAG,
    summary="Read an order",
    description="Works for every order by its shipment id, however it was placed.",
    answers={200: Answer("The order as it was placed.", _ORDER, _ORDER_EXAMPLE), 400: _NO_GUID, 404: _NO_ORDER},
    deprecated=True,
)

GET_ORDERS: Final = Operation(
    tag=_TAG,
    summary="Find orders by reference",
    description="Every order of the caller's with exactly this reference.",
    answers={200: Answer("The orders, or none.", _ORDERS, {"count": 1, "orders": [_ORDER_EXAMPLE]})},
    parameters=[
        {
            "name": "sendersReference",
            "in": "query",
            "required": True,
            "description": "Letter case counts.",
            "schema": {"type": "string", "minLength": 1},
        }
    ],
    deprecated=True,
)

GET_EMAIL_RESULTS: Final = _reading_results(
    "emails",
    _results_schema("emailAddress", EmailResult),
    _results_example({"emailAddress": "kari@example.no"}, result_words(Channel.EMAIL, EmailResult.DELIVERED).meaning),
)
GET_SMS_RESULTS: Final = _reading_results(
    "SMS",
    _results_schema("mobileNumber", SmsResult),
    _results_example({"mobileNumber": "+4799999999"}, result_words(Channel.SMS, SmsResult.DELIVERED).meaning),
)

GET_STATUS: Final = Operation(
    tag=_TAG,
    summary="Read the status of an order",
    description="Works for every order by its shipment id, however it was placed.",
    answers={
        200: Answer("The order and how many of its notifications succeeded.", _STATUS, _STATUS_EXAMPLE),
        400: _NO_GUID,
        404: _NO_ORDER,
    },
    deprecated=True,
)

CANCEL_ORDER: Final = Operation(
    tag=_TAG,
    summary="Cancel an order",
    description="Only the order itself is cancelled: each reminder is cancelled by its own shipment id.",
    answers={
        200: Answer("The order is cancelled, by this request or an earlier one.", _STATUS, _CANCELLED_EXAMPLE),
        400: _NO_GUID,
        404: Answer("The caller has no such order.", PROBLEM),
        409: Answer("It is too late: the send time is at most five minutes ahead, or processing has begun.", PROBLEM),
    },
    deprecated=True,
)
