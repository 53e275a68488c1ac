"""How pages call things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.tracking.listing import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from uuid import UUID

CHANNEL_NAMES: Final[Mapping[str, str]] = {
    "Email": "Email",
    "Sms": "SMS",
    "EmailPreferred": "Email, else SMS",
    "SmsPreferred": "SMS, else email",
    "EmailAndSms": "Email and SMS",
}
LANE_NAMES: Final[Mapping[str, str]] = {
    "email": "Email",
    "composed": "Email with attachments",
    "sms-anytime": "SMS at any time",
    "sms-daytime": "SMS in the daytime",
}
SELECTION_NAMES: Final[Mapping[Selection, str]] = {
    Selection.ALL: "All",
    Selection.UNFINISHED: "Unfinished",
    Selection.REGISTERED: "Registered",
    Selection.PROCESSING: "Processing",
    Selection.SENDING: "Sending",
    Selection.COMPLETED: "Completed",
    Selection.CONDITION_NOT_MET: "Condition not met",
    Selection.CANCELLED: "Cancelled",
}


def short_id(id_: UUID) -> str:
    """The last eight figures of an id, enough to tell two of them apart at a glance."""
    return f"…{id_.hex[-8:]}"


def age(duration: timedelta) -> str:
    """A duration in its two largest units, such as `2 h 5 min`."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")) if number
    ]
    return " ".join(parts[:2]) or "0 s"
