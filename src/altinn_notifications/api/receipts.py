"""How a registered order chain is answered: `201` the first time, `200` ever after (spec 02, 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.operations import Answer
from altinn_notifications.api.problems import JSON_TYPE, to_json
from altinn_notifications.api.router import API

if TYPE_CHECKING:
    from altinn_notifications.orders.model import Receipt, ShipmentReceipt

SHIPMENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["shipmentId"],
    "properties": {
        "shipmentId": {"type": "string", "format": "uuid", "description": "Key to the shipment's status."},
        "sendersReference": {"type": "string"},
    },
}
RECEIPT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["notificationOrderId", "notification"],
    "properties": {
        "notificationOrderId": {"type": "string", "format": "uuid"},
        "notification": {
            **SHIPMENT_SCHEMA,
            "properties": {
                **SHIPMENT_SCHEMA["properties"],
                "reminders": {
                    "type": "array",
                    "items": SHIPMENT_SCHEMA,
                    "description": "As requested; left out if there are none.",
                },
            },
        },
    },
}
RECEIPT_EXAMPLE: Final[dict[str, Any]] = {
    "notificationOrderId": "0197c2d0-6f0b-7b36-9a53-0a8d3a1d7f11",
    "notification": {"shipmentId": "0197c2d0-6f0b-7b37-8c0e-0b5c0d2f9c77", "sendersReference": "case-4711"},
}
CREATED: Final = Answer(
    "The orders are registered.", RECEIPT_SCHEMA, RECEIPT_EXAMPLE, {"Location": "Address of the order chain."}
)
KNOWN: Final = Answer(
    "An earlier request used the idempotency id; these are its ids, and the content of this one is not looked at.",
    RECEIPT_SCHEMA,
    RECEIPT_EXAMPLE,
)


def registered(receipt: Receipt, *, is_new: bool, base_uri: str) -> Response:
    """The answer to a registration; only a new chain has a `Location`, which starts with `base_uri`."""
    location = {"Location": f"{base_uri}{API}/orders/chain/{receipt.order_chain_id}"} if is_new else {}
    return Response(to_json(_receipt(receipt)), 201 if is_new else 200, location, media_type=JSON_TYPE)


def _receipt(receipt: Receipt) -> dict[str, Any]:
    notification = _shipment(receipt.main)
    if receipt.reminders:
        notification["reminders"] = [_shipment(reminder) for reminder in receipt.reminders]
    return {"notificationOrderId": str(receipt.order_chain_id), "notification": notification}


def _shipment(shipment: ShipmentReceipt) -> dict[str, Any]:
    reference = {} if shipment.senders_reference is None else {"sendersReference": shipment.senders_reference}
    return {"shipmentId": str(shipment.shipment_id), **reference}
