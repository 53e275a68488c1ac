"""What the OpenAPI document says about following shipments (spec 06, 4 and 5)."""

from __future__ import annotations

from typing import Any, Final

from altinn_notifications.api.operations import PROBLEM, Answer, Operation
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.tracking.status import CHANNEL_WORDS, ORDER_WORDS, RESULT_WORDS

_MOMENT: Final = {"type": "string", "format": "date-time"}
_TYPE: Final = {"type": "string", "enum": [type_.name for type_ in OrderType]}
_RECIPIENT: Final = {
    "type": "object",
    "required": ["destination", "status", "lastUpdate"],
    "properties": {
        "type": {"type": "string", "enum": list(CHANNEL_WORDS.values())},
        "destination": {"type": "string", "description": "The address; empty if there was none or it is not told."},
        "status": {"type": "string", "enum": list(dict.fromkeys(RESULT_WORDS))},
        "lastUpdate": _MOMENT,
    },
}
_SHIPMENT: Final[dict[str, Any]] = {
    "shipmentId": {"type": "string", "format": "uuid"},
    "sendersReference": {"type": "string"},
    "status": {"type": "string", "enum": list(ORDER_WORDS)},
    "lastUpdate": _MOMENT,
    "recipients": {"type": "array", "items": _RECIPIENT, "description": "One for each notification."},
}
_RECIPIENT_EXAMPLE: Final = {
    "type": "Email",
    "destination": "kari@example.no",
    "status": "Email_Delivered",
    "lastUpdate": "2026-03-02T08:02:40.10021Z",
}
_EXAMPLE: Final = {
    "shipmentId": "0197c2d0-6f0b-7b37-8c0e-0b5c0d2f9c77",
    "sendersReference": "case-4711",
    "status": "Order_Completed",
    "lastUpdate": "2026-03-02T08:02:40.10021Z",
    "recipients": [_RECIPIENT_EXAMPLE],
}

GET_SHIPMENT: Final = Operation(
    tag="Status",
    summary="Follow one shipment",
    description="The state of a main order or a reminder, and of everything that was sent for it.",
    answers={
        200: Answer(
            "The shipment.",
            {
                "type": "object",
                "required": ["shipmentId", "type", "status", "lastUpdate", "recipients"],
                "properties": {**_SHIPMENT, "type": _TYPE},
            },
            _EXAMPLE | {"type": "Notification"},
        ),
        404: Answer(
            "NOT-00003: the caller has no shipment with this id; empty if the id is no GUID.", PROBLEM, code="NOT-00003"
        ),
    },
)

GET_FEED: Final = Operation(
    tag="Status",
    summary="Read the final states of all the caller's shipments",
    description="Give the highest sequence number seen to read on; an empty list means that there is nothing new.",
    parameters=[
        {
            "name": "seq",
            "in": "query",
            "description": "Entries after this number, or before it when reading backwards; never itself.",
            "schema": {"type": "integer", "format": "int64", "minimum": 0, "default": 0},
        },
        {
            "name": "pageSize",
            "in": "query",
            "description": "Most entries to return; brought within its limits.",
            "schema": {"type": "integer", "format": "int32"},
        },
        {
            "name": "orderBy",
            "in": "query",
            "description": "Oldest or newest first.",
            "schema": {"type": "string", "enum": ["asc", "desc"], "default": "asc"},
        },
    ],
    answers={
        200: Answer(
            "A page of the feed.",
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["sequenceNumber", "shipmentId", "recipients", "status", "lastUpdate"],
                    "properties": {
                        **_SHIPMENT,
                        "sequenceNumber": {"type": "integer", "format": "int64"},
                        "shipmentType": _TYPE,
                        "type": _TYPE,
                    },
                },
            },
            [{"sequenceNumber": 20481, **_EXAMPLE, "shipmentType": "Notification", "type": "Notification"}],
        ),
        415: Answer("The request declares a content type other than JSON."),
    },
)
