"""What `run` sets for its processes where the environment is local, as spec 13 wants it. What the user sets wins."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Final

from altinn_notifications.settings import Environment, SimulatorSettings
from altinn_notifications.simulator.clients import SERVICE_CLIENT
from altinn_notifications.simulator.keys import SigningKeys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from altinn_notifications.settings import Settings

SHORT_WAITS: Final[Mapping[str, str]] = {
    "NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS": "2,5,10,20",
    "NOTIFICATIONS_EMAIL_MESSAGE_RETRY_SECONDS": "2,5,10,20",
    "NOTIFICATIONS_EMAIL_ATTACHMENT_RETRY_SECONDS": "1,2,5,5",
    "NOTIFICATIONS_EMAIL_INTERMITTENT_ERROR_DELAY_SECONDS": "3",
    "NOTIFICATIONS_ACS_POLL_INTERVAL_MS": "1000",
    "NOTIFICATIONS_EMAIL_DELIVERED_WITHOUT_BOUNCE_AFTER_SECONDS": "-1",  # the local mailbox always reports
}
ACS_ACCOUNT: Final = "NOTIFICATIONS_ACS_CONNECTION_STRING"
ATTACHMENT_ORIGINS: Final = "NOTIFICATIONS_EMAIL_ATTACHMENT_EXTRA_ORIGINS"
SIMULATOR_PORT: Final = "NOTIFICATIONS_SIMULATOR_PORT"
DEFAULT_PORT: Final = SimulatorSettings.model_fields["port"].default
SHARED_SECRETS: Final = (
    "NOTIFICATIONS_AUTHENTICATION_METRICS_API_KEY",
    "NOTIFICATIONS_EMAIL_REPORT_ACCESS_KEY",
    "NOTIFICATIONS_SMS_GATEWAY_USERNAME",
    "NOTIFICATIONS_SMS_GATEWAY_PASSWORD",
    "NOTIFICATIONS_SMS_REPORT_USERNAME",
    "NOTIFICATIONS_SMS_REPORT_PASSWORD",
)


def has_simulator(settings: Settings) -> bool:
    """Whether `run` starts the local platform."""
    return settings.simulator.enabled and settings.general.environment is not Environment.PRODUCTION


def local_profile(given: Mapping[str, str], *, keys_directory: Path, now: datetime) -> dict[str, str]:
    """Variables for the processes of one run: short waits, and secrets that only they know. Never one that is given.

    The key pairs that the local platform knows the service by are made in `keys_directory` if they are not there yet.
    """
    taken = {name.upper(): value for name, value in given.items()}
    platform = f"http://localhost:{taken.get(SIMULATOR_PORT, DEFAULT_PORT)}"
    profile = {
        **SHORT_WAITS,
        ATTACHMENT_ORIGINS: platform,
        "NOTIFICATIONS_PLATFORM_DIALOGPORTEN_ENABLED": "true",
        "NOTIFICATIONS_PLATFORM_DIALOGPORTEN_BASE_URL": f"{platform}/dialogporten/api/v1/",
        ACS_ACCOUNT: _acs_account(taken),
        **{name: secrets.token_urlsafe(24) for name in SHARED_SECRETS},
        **_identity(SigningKeys(now, keys_directory), keys_directory),
    }
    return {name: value for name, value in profile.items() if name not in taken}


def _acs_account(given: Mapping[str, str]) -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return f"endpoint=http://localhost:{given.get(SIMULATOR_PORT, DEFAULT_PORT)}/acs;accesskey={key}"


def _identity(keys: SigningKeys, directory: Path) -> dict[str, str]:
    jwk = json.dumps(SERVICE_CLIENT.private_jwk(keys)).encode()
    return {
        "NOTIFICATIONS_SIMULATOR_KEYS_DIRECTORY": str(directory),
        "NOTIFICATIONS_PLATFORM_ACCESS_TOKEN_KEY_FILE": str(keys.access_token_file("platform")),
        "NOTIFICATIONS_PLATFORM_MASKINPORTEN_CLIENT_ID": SERVICE_CLIENT.client_id,
        "NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK": base64.b64encode(jwk).decode(),
    }
