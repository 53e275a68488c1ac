"""What the OpenAPI document says about the first generation's endpoints (spec 05)."""

from __future__ import annotations

from typing import Any, Final

from altinn_notifications.api.operations import PROBLEM, VALIDATION_PROBLEM, Answer, Operation
from altinn_notifications.lifecycle import OrderStatus
from altinn_notifications.orders.model import NotificationChannel

_TAG: Final = "Deprecated"
_MOMENT: Final = {"type": "string", "format": "date-time"}
_COUNT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["links", "generated", "succeeded"],
    "description": "Left out if the order has no notification of this channel.",
    "properties": {
        "links": {"type": "object", "properties": {"self": {"type": "string", "format": "uri"}}},
        "generated": {"type": "integer", "description": "Notifications made, failed ones included."},
        "succeeded": {"type": "integer", "description": "Those that the provider took over or delivered."},
    },
}
_STATUS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "requestedSendTime", "creator", "created", "notificationChannel", "processingStatus"],
    "properties": {
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
_EXAMPLE: Final[dict[str, Any]] = {
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
_CANCELLED_EXAMPLE: Final = _EXAMPLE | {
    "processingStatus": {
        "status": "Cancelled",
        "description": "Nothing was sent, because the order was cancelled.",
        "lastUpdate": "2035-02-28T12:00:00Z",
    }
}
_NO_GUID: Final = Answer("The id is no GUID.", VALIDATION_PROBLEM)

GET_STATUS: Final = Operation(
    tag=_TAG,
    summary="Read the status of an order",
    description="Works for every order by its shipment id, however it was placed.",
    answers={
        200: Answer("The order and how many of its notifications succeeded.", _STATUS, _EXAMPLE),
        400: _NO_GUID,
        404: Answer("The caller has no such order."),
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
