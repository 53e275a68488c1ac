"""Emails that tests hand to a provider."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from altinn_notifications.channels.protocol import OutgoingEmail

OPERATION_ID = UUID("4f1c0b52-6d1e-4c3a-9d2b-7a51b2f0c9e1")


def an_email(**changes: Any) -> OutgoingEmail:
    """A short plain email from the service to one person."""
    email = OutgoingEmail(
        notification_id=UUID("6f0e3c8a-0f4c-4a6e-8f8e-0d9b7c1a2e3f"),
        operation_id=OPERATION_ID,
        from_address="noreply@altinn.cloud",
        to_address="kari@example.com",
        subject="Ny melding i Altinn",
        body="Hei!\nDu har ny post.",
        is_html=False,
    )
    return replace(email, **changes)
