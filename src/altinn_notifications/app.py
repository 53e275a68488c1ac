"""The API process: what it is made of, and its ASGI application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from altinn_notifications.authentication.authenticator import Authenticator
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.database.wakeups import Wakeups
    from altinn_notifications.orders.registration import Registrar
    from altinn_notifications.reports.inbox import ReportInbox
    from altinn_notifications.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint may call."""

    settings: Settings
    clock: Clock
    db: Database
    wakeups: Wakeups
    authenticator: Authenticator
    registrar: Registrar
    reports: ReportInbox
