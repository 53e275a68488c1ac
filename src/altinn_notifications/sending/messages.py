"""What is handed to a provider, made from a claimed notification and its order's template."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from altinn_notifications.channels.protocol import OutgoingEmail, OutgoingSms
from altinn_notifications.orders.model import ContentType

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Row

ORDINARY_SMS_VALIDITY: Final = timedelta(hours=48)
"""What the gateway is told for every SMS that is not instant, whatever is left of its expiry (spec 10, 3.4)."""


def outgoing_email(row: Row, templates: Row) -> tuple[OutgoingEmail, str]:
    """The email to send, and the operation id under which it is.

    A fresh id for every submission, except that one of unknown outcome is repeated under its own (spec 09, 3.1).
    """
    template = templates["email"]
    repeated = row["provider_reference"] if row["attempt_open"] or row["outcome_unknown"] else None
    operation_id = UUID(repeated) if repeated else uuid4()
    email = OutgoingEmail(
        notification_id=row["notification_id"],
        operation_id=operation_id,
        from_address=template["from_address"],
        to_address=row["destination"].strip(),
        subject=row["subject"] or template["subject"],
        body=row["body"] or template["body"],
        is_html=template["content_type"] == ContentType.HTML,
        may_have_arrived=repeated is not None,
    )
    return email, str(operation_id)


def outgoing_sms(row: Row, templates: Row) -> tuple[OutgoingSms, None]:
    """The SMS to send. The gateway chooses its reference, so there is none yet."""
    template = templates["sms"]
    sms = OutgoingSms(
        notification_id=row["notification_id"],
        sender=template["sender"],
        mobile_number=row["destination"],
        body=row["body"] or template["body"],
        validity=ORDINARY_SMS_VALIDITY,
    )
    return sms, None
