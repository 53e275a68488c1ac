"""The providers of each channel, in the order in which they are preferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.capture import CaptureStore
from altinn_notifications.channels.email.acs import AcsProvider
from altinn_notifications.channels.email.capture import EmailCapture
from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.sms.allow_list import AllowListed
from altinn_notifications.channels.sms.capture import SmsCapture
from altinn_notifications.channels.sms.link import LinkProvider
from altinn_notifications.settings import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from altinn_notifications.channels.protocol import EmailProvider, SmsProvider
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.settings import Settings

EMAIL: Final[Mapping[str, Callable[[Settings, Clock, Database], EmailProvider]]] = {
    "acs": lambda settings, clock, _: AcsProvider(settings.acs, clock),
    "smtp": lambda settings, clock, _: SmtpProvider(settings.email, clock),
    "capture": lambda settings, clock, db: EmailCapture(settings.email, CaptureStore(db), clock),
}
"""How each provider of email is made, by the name that the settings know it by."""

SMS: Final[Mapping[str, Callable[[Settings, Clock, Database], SmsProvider]]] = {
    "link": lambda settings, *_: LinkProvider(settings.sms),
    "capture": lambda settings, clock, db: SmsCapture(settings.sms, CaptureStore(db), clock),
}
"""The same for SMS."""

_CAPTURE: Final = "capture"


def email_providers(settings: Settings, clock: Clock, db: Database) -> tuple[EmailProvider, ...]:
    """The providers that may carry email, the preferred one first. Each must be closed."""
    return tuple(EMAIL[name](settings, clock, db) for name in settings.email.providers)


def sms_providers(settings: Settings, clock: Clock, db: Database) -> tuple[SmsProvider, ...]:
    """The providers that may carry SMS, the preferred one first. Each must be closed.

    In a shared test environment nothing leaves but to the numbers of the allow-list. The local environment needs no
    list, because its gateway is the local platform's. Source: spec 13, 2.
    """
    if settings.general.environment is Environment.TEST and not settings.sms.allow_list:
        return (SMS[_CAPTURE](settings, clock, db),)
    return tuple(_sms_provider(name, settings, clock, db) for name in settings.sms.providers)


def _sms_provider(name: str, settings: Settings, clock: Clock, db: Database) -> SmsProvider:
    provider = SMS[name](settings, clock, db)
    if not settings.sms.allow_list or name == _CAPTURE:
        return provider
    return AllowListed(provider, SMS[_CAPTURE](settings, clock, db), settings.sms.allow_list)
