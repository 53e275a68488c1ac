"""Composed email: one email to one direct address, with files that are fetched when it is sent (spec 04)."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.addresses import is_email_address
from altinn_notifications.orders.attachment_rules import add_attachment_faults
from altinn_notifications.orders.mapping import email_template
from altinn_notifications.orders.model import AttachedFile, NotificationChannel, Order, OrderChain, Recipient
from altinn_notifications.orders.rules import (
    add_email_text_faults,
    add_idempotency_faults,
    add_send_time_faults,
    condition_endpoint_fault,
)

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.api.composed_requests import ComposedEmailOrder, EmailAttachment
    from altinn_notifications.orders.mapping import Registration
    from altinn_notifications.orders.rules import Faults
    from altinn_notifications.platform.attachments import AttachmentOrigins


def add_composed_faults(
    faults: Faults, request: ComposedEmailOrder, now: datetime, *, origins: AttachmentOrigins
) -> None:
    """Note everything that keeps `request` from being ordered. `now` is when it began to be handled, in UTC.

    Source: spec 04, 4.2.
    """
    add_idempotency_faults(faults, request.idempotency_id)
    add_send_time_faults(faults, "RequestedSendTime", request.requested_send_time, now)
    if request.condition_endpoint is not None and (fault := condition_endpoint_fault(request.condition_endpoint)):
        faults.add("ConditionEndpoint", fault)
    if not is_email_address(request.recipient.email_address):
        faults.add("Recipient.EmailAddress", "The address is not a valid email address.")
    settings = request.recipient.email_settings
    add_email_text_faults(
        faults,
        "Recipient.Settings.",
        sender=settings.sender_email_address,
        content_type=settings.content_type,
        policy=settings.sending_time_policy,
    )
    due = request.requested_send_time or now
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    for position, attachment in enumerate(settings.attachments or ()):
        key = f"Recipient.Settings.Attachments[{position}]"
        if attachment is None:
            faults.add(key, "An attachment must not be null.")
        else:
            add_attachment_faults(faults, key, attachment, due=due, origins=origins)


def to_composed_chain(request: ComposedEmailOrder, registration: Registration) -> OrderChain:
    """The chain that a valid request asks for, under new random ids. Source: spec 04, 8."""
    settings, dialog = request.recipient.email_settings, request.dialogporten_association
    attachments = [attachment for attachment in settings.attachments or () if attachment is not None]
    order = Order(
        id=new_id(),
        type=OrderType.Composed,
        creator=registration.creator,
        created=registration.now,
        requested_send_time=request.requested_send_time or registration.now,
        channel=NotificationChannel.EMAIL,
        recipients=(Recipient(email_address=request.recipient.email_address),),
        senders_reference=request.senders_reference,
        email=email_template(
            subject=settings.subject,
            body=settings.body,
            sender=settings.sender_email_address,
            content_type=settings.content_type,
            settings=registration.settings,
        ),
        condition_endpoint=request.condition_endpoint,
        attachments=tuple(map(_file, attachments)) or None,
    )
    return OrderChain(
        id=new_id(),
        idempotency_id=request.idempotency_id,
        main=order,
        dialog_id=dialog.dialog_id if dialog else None,
        transmission_id=dialog.transmission_id if dialog else None,
        sas_urls=tuple(attachment.sas_url for attachment in attachments),
    )


def _file(attachment: EmailAttachment) -> AttachedFile:
    return AttachedFile(attachment.filename, attachment.mime_type)
