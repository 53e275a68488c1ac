"""The service among peers for everything it talks to."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from altinn_notifications.settings import EmailSettings, SmsSettings
from support.gateway_peer import GatewayPeer
from support.platform_peer import running_peer
from support.service import running_service
from support.smtp_peer import SmtpPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import Clock
    from support.service import Service


@asynccontextmanager
async def service_among_peers(database_url: str, clock: Clock) -> AsyncIterator[Service]:
    """The service where the registers know nobody, everybody may see every dialog, and providers take everything."""
    async with running_peer() as peer, GatewayPeer() as gateway, SmtpPeer() as smtp:
        peer.shows_dialogs = True
        dialogporten = f"{peer.url}/dialogporten/api/v1/"
        groups = {
            "platform": peer.settings(dialogporten_enabled=True, dialogporten_base_url=dialogporten).platform,
            "email": EmailSettings(smtp_host="127.0.0.1", smtp_port=smtp.port),
            "sms": SmsSettings(gateway_endpoint=gateway.url),
        }
        async with running_service(database_url, clock, **groups) as service:
            yield service
