"""Dialogporten: whether a person may see a dialog (spec 07, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altinn_notifications.platform.client import SUCCESS
from altinn_notifications.platform.dependencies import DependencyFailed

if TYPE_CHECKING:
    from uuid import UUID

    from altinn_notifications.platform.client import DependencyClient


class DialogportenClient:
    """Asks Dialogporten in the name of the person who asks us."""

    def __init__(self, client: DependencyClient) -> None:
        self._client = client

    async def may_see(self, dialog_id: UUID, token: str) -> bool:
        """Whether the person of `token` may see the dialog. Only a clear yes is one; no answer is none."""
        path = f"enduser/dialoglookup?instanceRef=urn:altinn:dialog-id:{dialog_id}"
        try:
            status = await self._client.status_of("access", path, headers={"Authorization": f"Bearer {token}"})
        except DependencyFailed:  # its client has logged it
            return False
        return status in SUCCESS
