"""All settings: typed, read once at start from `NOTIFICATIONS_*` variables, passed in from there.

A wrong value stops the start and names its variable. Names and defaults follow the original's (spec README), so that
an operator finds them again; `docs/settings.md` lists every one.
"""

from __future__ import annotations

from altinn_notifications.settings.platform import PlatformSettings, SimulatorSettings
from altinn_notifications.settings.sending import AcsSettings, DkimKey, EmailSettings, SendingSettings, SmsSettings
from altinn_notifications.settings.service import (
    AuthenticationSettings,
    DatabaseSettings,
    GeneralSettings,
    NotificationSettings,
    RetentionSettings,
)
from altinn_notifications.settings.values import Contradiction, Environment, Group, NotInProduction

__all__ = [
    "AcsSettings",
    "AuthenticationSettings",
    "Contradiction",
    "DatabaseSettings",
    "DkimKey",
    "EmailSettings",
    "Environment",
    "GeneralSettings",
    "Group",
    "NotInProduction",
    "NotificationSettings",
    "PlatformSettings",
    "RetentionSettings",
    "SendingSettings",
    "Settings",
    "SimulatorSettings",
    "SmsSettings",
]


class Settings:
    """Every group, read from the environment. Raises `Contradiction`."""

    def __init__(  # noqa: PLR0913 - one argument per group
        self,
        *,
        general: GeneralSettings | None = None,
        database: DatabaseSettings | None = None,
        authentication: AuthenticationSettings | None = None,
        notification: NotificationSettings | None = None,
        sending: SendingSettings | None = None,
        email: EmailSettings | None = None,
        acs: AcsSettings | None = None,
        sms: SmsSettings | None = None,
        platform: PlatformSettings | None = None,
        retention: RetentionSettings | None = None,
        simulator: SimulatorSettings | None = None,
    ) -> None:
        self.general = general or GeneralSettings()
        self.database = database or DatabaseSettings()
        self.authentication = authentication or AuthenticationSettings()
        self.notification = notification or NotificationSettings()
        self.sending = sending or SendingSettings()
        self.email = email or EmailSettings()
        self.acs = acs or AcsSettings()
        self.sms = sms or SmsSettings()
        self.platform = platform or PlatformSettings()
        self.retention = retention or RetentionSettings()
        self.simulator = simulator or SimulatorSettings()
        if self.general.environment is Environment.PRODUCTION:
            self._refuse_what_is_for_tests()

    def _refuse_what_is_for_tests(self) -> None:
        if "capture" in self.email.providers:
            raise NotInProduction("NOTIFICATIONS_EMAIL_PROVIDERS=capture")
        if "capture" in self.sms.providers:
            raise NotInProduction("NOTIFICATIONS_SMS_PROVIDERS=capture")
        if self.sms.allow_list:
            raise NotInProduction("NOTIFICATIONS_SMS_ALLOW_LIST")
        if self.email.attachment_extra_origins:
            raise NotInProduction("NOTIFICATIONS_EMAIL_ATTACHMENT_EXTRA_ORIGINS")
