"""From a valid request to the orders it asks for (spec 02, 5, 6 and 9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.chain_rules import reminder_send_time
from altinn_notifications.orders.model import (
    ContentType,
    EmailTemplate,
    NotificationChannel,
    Order,
    OrderChain,
    Recipient,
    SendingTimePolicy,
    SmsTemplate,
)

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.api.order_requests import (
        EmailSettings,
        OrderRequest,
        RecipientChoice,
        Reminder,
        SmsSettings,
    )
    from altinn_notifications.orders.chain_rules import LookedUpRecipient
    from altinn_notifications.settings import NotificationSettings

_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Registration:
    """Who orders, when (in UTC), and what the settings fill in."""

    creator: str
    now: datetime
    settings: NotificationSettings

    @property
    def uses_stale_contacts(self) -> bool:
        """Whether this creator's persons are always looked up with stale contact information (spec 02, 9)."""
        return self.creator.lower() in {creator.lower() for creator in self.settings.stale_contact_creators}


def to_chain(request: OrderRequest, registration: Registration) -> OrderChain:
    """The chain that a valid request asks for, under new random ids."""
    due = request.requested_send_time or registration.now
    main = Order(
        id=new_id(),
        type=OrderType.Notification,
        creator=registration.creator,
        created=registration.now,
        requested_send_time=due,
        senders_reference=request.senders_reference,
        condition_endpoint=request.condition_endpoint,
        **_delivery(request.recipient, registration),
    )
    dialog = request.dialogporten_association
    return OrderChain(
        id=new_id(),
        idempotency_id=request.idempotency_id,
        main=main,
        reminders=tuple(_reminder(reminder, registration, due) for reminder in request.reminders or () if reminder),
        dialog_id=dialog.dialog_id if dialog else None,
        transmission_id=dialog.transmission_id if dialog else None,
    )


def email_template(
    *, subject: str, body: str, sender: str | None, content_type: ContentType | int, settings: NotificationSettings
) -> EmailTemplate:
    """The text of an order's emails: no line breaks in the subject, a sender without surrounding whitespace.

    Source: spec 02, 6.
    """
    return EmailTemplate(
        from_address=(sender or "").strip() or settings.default_email_from_address,
        subject=_LINE_BREAK.sub(" ", subject),
        body=body,
        content_type=ContentType(str(content_type)),
    )


def sms_template(*, body: str, sender: str | None, settings: NotificationSettings) -> SmsTemplate:
    """The text of an order's SMS; a blank sender is the configured one. Source: spec 02, 6."""
    return SmsTemplate(sender=(sender or "").strip() or settings.default_sms_sender_number, body=body)


def _reminder(reminder: Reminder, registration: Registration, main_due: datetime) -> Order:
    if reminder.requested_send_time is not None:
        due = reminder.requested_send_time
    else:
        due = reminder_send_time(main_due, reminder.delay_days or 0)
    return Order(
        id=new_id(),
        type=OrderType.Reminder,
        creator=registration.creator,
        created=registration.now,
        requested_send_time=due,
        senders_reference=reminder.senders_reference,
        condition_endpoint=reminder.condition_endpoint,
        **_delivery(reminder.recipient, registration),
    )


def _delivery(recipient: RecipientChoice, registration: Registration) -> dict[str, Any]:
    """The part of an order that says who gets what how (the table of spec 02, 6)."""
    settings = registration.settings
    if (email := recipient.recipient_email) is not None:
        return {
            "channel": NotificationChannel.EMAIL,
            "recipients": (Recipient(email_address=email.email_address.strip()),),
            "email": _email(email.email_settings, settings),
        }
    if (sms := recipient.recipient_sms) is not None:
        return {
            "channel": NotificationChannel.SMS,
            "recipients": (Recipient(mobile_number=sms.phone_number),),
            **_sms(sms.sms_settings, settings),
        }
    if (person := recipient.recipient_person) is not None:
        return {
            **_looked_up(person, settings),
            "recipients": (Recipient(national_identity_number=person.national_identity_number),),
            "ignore_reservation": person.ignore_reservation,
            "use_stale_contact_information": person.use_stale_contact_information or registration.uses_stale_contacts,
        }
    if (organization := recipient.recipient_organization) is not None:
        return {
            **_looked_up(organization, settings),
            "recipients": (Recipient(organization_number=organization.org_number),),
        }
    external = recipient.recipient_external_identity
    if external is None:
        raise ValueError("a valid request names a recipient")
    return {
        **_looked_up(external, settings),
        "recipients": (Recipient(external_identity=external.external_identity),),
    }


def _looked_up(recipient: LookedUpRecipient, settings: NotificationSettings) -> dict[str, Any]:
    return {
        "channel": NotificationChannel(str(recipient.channel_schema)),
        "email": recipient.email_settings and _email(recipient.email_settings, settings),
        **(_sms(recipient.sms_settings, settings) if recipient.sms_settings else {}),
        "resource_id": recipient.resource_id,
        "resource_action": recipient.resource_action,
    }


def _email(email: EmailSettings, settings: NotificationSettings) -> EmailTemplate:
    return email_template(
        subject=email.subject,
        body=email.body,
        sender=email.sender_email_address,
        content_type=email.content_type,
        settings=settings,
    )


def _sms(sms: SmsSettings, settings: NotificationSettings) -> dict[str, Any]:
    template = sms_template(body=sms.body, sender=sms.sender, settings=settings)
    return {"sms": template, "sms_policy": SendingTimePolicy(sms.sending_time_policy)}
