"""What `run` sets for its processes where the environment is local, as spec 13 wants it. What the user sets wins."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT_WAITS: Final[Mapping[str, str]] = {
    "NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS": "2,5,10,20",
    "NOTIFICATIONS_EMAIL_MESSAGE_RETRY_SECONDS": "2,5,10,20",
    "NOTIFICATIONS_EMAIL_INTERMITTENT_ERROR_DELAY_SECONDS": "3",
    "NOTIFICATIONS_EMAIL_DELIVERED_WITHOUT_BOUNCE_AFTER_SECONDS": "-1",  # the local mailbox always reports
}
SHARED_SECRETS: Final = (
    "NOTIFICATIONS_EMAIL_REPORT_ACCESS_KEY",
    "NOTIFICATIONS_SMS_GATEWAY_USERNAME",
    "NOTIFICATIONS_SMS_GATEWAY_PASSWORD",
    "NOTIFICATIONS_SMS_REPORT_USERNAME",
    "NOTIFICATIONS_SMS_REPORT_PASSWORD",
)


def local_profile(given: Mapping[str, str]) -> dict[str, str]:
    """Variables for the processes of one run: short waits, and keys that only they know. Never one that is given."""
    profile = {**SHORT_WAITS, **{name: secrets.token_urlsafe(24) for name in SHARED_SECRETS}}
    taken = {name.upper() for name in given}
    return {name: value for name, value in profile.items() if name not in taken}
