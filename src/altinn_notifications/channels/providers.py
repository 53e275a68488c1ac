"""The providers of each channel, in the order in which they are preferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.sms.link import LinkProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from altinn_notifications.channels.protocol import EmailProvider, SmsProvider
    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import Settings

EMAIL: Final[Mapping[str, Callable[[Settings, Clock], EmailProvider]]] = {
    "smtp": lambda settings, clock: SmtpProvider(settings.email, clock),
}
"""How each provider of email is made, by the name that settings, pauses and the timeline know it by."""

SMS: Final[Mapping[str, Callable[[Settings], SmsProvider]]] = {
    "link": lambda settings: LinkProvider(settings.sms),
}
"""The same for SMS."""


def email_providers(settings: Settings, clock: Clock) -> tuple[EmailProvider, ...]:
    """The providers that may carry email, the preferred one first. Each must be closed."""
    return tuple(EMAIL[name](settings, clock) for name in settings.email.providers)


def sms_providers(settings: Settings) -> tuple[SmsProvider, ...]:
    """The providers that may carry SMS, the preferred one first. Each must be closed."""
    return tuple(SMS[name](settings) for name in settings.sms.providers)
