"""`GET /future/enduser/log`: what was sent about a dialog, for those who may see the dialog (spec 07, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.operations import Answer, Operation
from altinn_notifications.api.problems import JSON_TYPE, empty_problem, to_json, validation_problem
from altinn_notifications.api.router import API, Request, Route, parse_guid
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.lifecycle import Channel, EmailResult, OrderType, SmsResult
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.notification_log import find_of_dialog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from altinn_notifications.tracking.notification_log import LoggedNotification


async def get_log(request: Request) -> Response:
    """The log of the dialog that the query names."""
    dialog_id, transmission_id = log_query(request.query)
    services = request.services
    token = services.authenticator.bearer(request.headers)
    dialogporten = services.platform.dialogporten
    if dialogporten is None or token is None or not await dialogporten.may_see(dialog_id, token):
        raise empty_problem(403)
    request.stop_if_client_is_gone()
    rows = await find_of_dialog(services.db, dialog_id, transmission_id)
    return Response(to_json([_row(row) for row in rows]), media_type=JSON_TYPE)


def log_query(values: Mapping[str, str]) -> tuple[UUID, UUID | None]:
    """Dialog and, if given, transmission of the query's values by lower-case name. Raises the 400 of spec 07, 3.4."""
    errors: dict[str, list[str]] = {}
    dialog_id = _guid(values, "dialogId", errors)
    transmission_id = _guid(values, "transmissionId", errors)
    if dialog_id is None:
        errors.setdefault("dialogId", []).append("The value is required.")
    if dialog_id is None or errors:
        raise validation_problem(errors)
    return dialog_id, transmission_id


def _guid(values: Mapping[str, str], name: str, errors: dict[str, list[str]]) -> UUID | None:
    text = values.get(name.lower(), "").strip()
    guid = parse_guid(text)
    if text and guid is None:
        errors[name] = [f"The value '{text[:100]}' is not a valid GUID."]
    return guid


def _row(row: LoggedNotification) -> dict[str, str]:
    about = {"dialogId": row.dialog_id, "transmissionId": row.transmission_id}
    return {
        "notificationId": str(row.notification_id),
        **{name: value for name, value in about.items() if value is not None},
        "type": row.type,
        "channel": row.channel,
        "destination": row.destination,
        "status": row.status,
        "requestedSendTime": to_wire(row.requested_send_time),
        "lastUpdateTime": to_wire(row.last_update_time),
    }


_ID: Final = {"type": "string", "format": "uuid"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_EXAMPLE: Final = {
    "notificationId": "0197c2d0-7a31-7d52-9d36-3e0d1f6a2b10",
    "dialogId": "0198a6d2-51f3-7c40-9b1e-6d2f0c8e4a77",
    "type": "Notification",
    "channel": "Sms",
    "destination": "+4799999001",
    "status": "Delivered",
    "requestedSendTime": "2026-03-02T08:00:00Z",
    "lastUpdateTime": "2026-03-02T08:02:40.10021Z",
}
_ROW: Final[dict[str, Any]] = {
    "type": "object",
    "required": [name for name in _EXAMPLE if name != "dialogId"],
    "properties": {
        "notificationId": _ID,
        "dialogId": {"type": "string"},
        "transmissionId": {"type": "string"},
        "type": {"type": "string", "enum": [type_.name for type_ in OrderType]},
        "channel": {"type": "string", "enum": list(Channel)},
        "destination": {"type": "string", "description": "The address; empty if there was none or it is not told."},
        "status": {"type": "string", "enum": list(dict.fromkeys([*EmailResult, *SmsResult]))},
        "requestedSendTime": _MOMENT,
        "lastUpdateTime": _MOMENT,
    },
}
GET_LOG: Final = Operation(
    tag="Log",
    summary="Read what was sent about a dialog",
    description="For persons who may see the dialog, by their own token; Dialogporten decides that. Orders are in the "
    "log when they are finished, whoever sent them.",
    parameters=[
        {"name": "dialogId", "in": "query", "required": True, "description": "The dialog.", "schema": _ID},
        {"name": "transmissionId", "in": "query", "description": "Only what was sent about this one.", "schema": _ID},
    ],
    answers={200: Answer("The notifications, oldest result first.", {"type": "array", "items": _ROW}, [_EXAMPLE])},
)

ROUTES: Final = [Route("GET", f"{API}/future/enduser/log", get_log, Policy.END_USER, operation=GET_LOG)]
