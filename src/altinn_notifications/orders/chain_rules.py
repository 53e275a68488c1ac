"""The business rules of an order chain as requested: layer 3 of `POST /future/orders` (spec 02, 2, 3 and 12)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from altinn_notifications.orders.addresses import (
    is_email_address,
    is_external_identity,
    is_mobile_number,
    is_national_identity_number,
    is_organization_number,
)
from altinn_notifications.orders.model import NotificationChannel, SendingTimePolicy
from altinn_notifications.orders.rules import (
    Faults,
    add_email_text_faults,
    add_idempotency_faults,
    add_resource_faults,
    add_send_time_faults,
    condition_endpoint_fault,
)

if TYPE_CHECKING:
    from altinn_notifications.api.order_requests import (
        EmailSettings,
        ExternalIdentityRecipient,
        OrderRequest,
        OrganizationRecipient,
        PersonRecipient,
        RecipientChoice,
        Reminder,
        SmsSettings,
    )

    LookedUpRecipient: TypeAlias = PersonRecipient | OrganizationRecipient | ExternalIdentityRecipient

NEEDS_EMAIL: Final = frozenset(NotificationChannel) - {NotificationChannel.SMS}
NEEDS_SMS: Final = frozenset(NotificationChannel) - {NotificationChannel.EMAIL}


def add_chain_faults(faults: Faults, request: OrderRequest, now: datetime) -> None:
    """Note everything that keeps `request` from being ordered. `now` is when it began to be handled, in UTC."""
    add_idempotency_faults(faults, request.idempotency_id)
    add_send_time_faults(faults, "RequestedSendTime", request.requested_send_time, now)
    _add_condition_faults(faults, "", request.condition_endpoint)
    _add_recipient_faults(faults, "Recipient", request.recipient)
    for position, reminder in enumerate(request.reminders or ()):
        key = f"Reminders[{position}]"
        if reminder is None:
            faults.add(key, "A reminder must not be null.")
        else:
            _add_reminder_faults(faults, key, reminder, main=request.requested_send_time or now, now=now)


def reminder_send_time(main: datetime, delay_days: int) -> datetime:
    """The main order's time plus whole days of 24 hours, whatever the clocks do in between.

    Raises `OverflowError` beyond the year 9999. Source: spec 02, 5.
    """
    return main + timedelta(days=delay_days)


def _add_reminder_faults(faults: Faults, key: str, reminder: Reminder, *, main: datetime, now: datetime) -> None:
    delay, requested = reminder.delay_days, reminder.requested_send_time
    if (delay is None) == (requested is None):
        faults.add(key, "Give either delayDays or requestedSendTime.")
    if delay is not None:
        if requested is not None:
            faults.add(f"{key}.DelayDays", "Not together with requestedSendTime.")
            faults.add(f"{key}.RequestedSendTime", "Not together with delayDays.")
        _add_delay_faults(faults, f"{key}.DelayDays", delay, main)
    add_send_time_faults(faults, f"{key}.RequestedSendTime", requested, now)
    _add_condition_faults(faults, f"{key}.", reminder.condition_endpoint)
    _add_recipient_faults(faults, f"{key}.Recipient", reminder.recipient)


def _add_delay_faults(faults: Faults, key: str, delay: int, main: datetime) -> None:
    if delay < 1:
        faults.add(key, "The delay must be at least one day.")
        return
    try:
        reminder_send_time(main, delay)
    except OverflowError:
        faults.add(key, "The delay leads beyond the calendar.")


def _add_condition_faults(faults: Faults, key: str, endpoint: str | None) -> None:
    if endpoint is not None and (fault := condition_endpoint_fault(endpoint)):
        faults.add(f"{key}ConditionEndpoint", fault)


def _add_recipient_faults(faults: Faults, key: str, recipient: RecipientChoice) -> None:
    email, sms = recipient.recipient_email, recipient.recipient_sms
    person, organization = recipient.recipient_person, recipient.recipient_organization
    external = recipient.recipient_external_identity
    if sum(kind is not None for kind in (email, sms, person, organization, external)) != 1:
        faults.add(key, "Give exactly one kind of recipient.")
    if email is not None:
        if not is_email_address(email.email_address):
            faults.add(f"{key}.RecipientEmail.EmailAddress", "The address is not a valid email address.")
        _add_email_faults(faults, f"{key}.RecipientEmail.Settings.", email.email_settings)
    if sms is not None:
        if not is_mobile_number(sms.phone_number):
            faults.add(f"{key}.RecipientSms.PhoneNumber", "The number is not a valid number in international form.")
        _add_sms_faults(faults, f"{key}.RecipientSms.Settings.", sms.sms_settings)
    if person is not None:
        _add_person_faults(faults, f"{key}.RecipientPerson.", person)
    if organization is not None:
        _add_organization_faults(faults, f"{key}.RecipientOrganization.", organization)
    if external is not None:
        _add_external_identity_faults(faults, f"{key}.RecipientExternalIdentity.", external)


def _add_person_faults(faults: Faults, key: str, person: PersonRecipient) -> None:
    if not is_national_identity_number(person.national_identity_number):
        faults.add(f"{key}NationalIdentityNumber", "The number must be 11 digits.")
    _add_looked_up_faults(faults, key, person)


def _add_organization_faults(faults: Faults, key: str, organization: OrganizationRecipient) -> None:
    if not is_organization_number(organization.org_number):
        faults.add(f"{key}OrgNumber", "The number must be 9 digits.")
    _add_looked_up_faults(faults, key, organization)


def _add_external_identity_faults(faults: Faults, key: str, external: ExternalIdentityRecipient) -> None:
    if not is_external_identity(external.external_identity):
        faults.add(f"{key}ExternalIdentity", "The identity is not a URN of a known kind with a valid value.")
    _add_looked_up_faults(faults, key, external)


def _add_looked_up_faults(faults: Faults, key: str, recipient: LookedUpRecipient) -> None:
    channel = recipient.channel_schema
    if not isinstance(channel, NotificationChannel):
        faults.add(f"{key}ChannelSchema", "The channel does not exist.")
    if channel in NEEDS_EMAIL and recipient.email_settings is None:
        faults.add(f"{key}EmailSettings", "The channel needs email settings.")
    if channel in NEEDS_SMS and recipient.sms_settings is None:
        faults.add(f"{key}SmsSettings", "The channel needs SMS settings.")
    if recipient.email_settings is not None:
        _add_email_faults(faults, f"{key}EmailSettings.", recipient.email_settings)
    if recipient.sms_settings is not None:
        _add_sms_faults(faults, f"{key}SmsSettings.", recipient.sms_settings)
    add_resource_faults(faults, key, recipient.resource_id, recipient.resource_action)


def _add_email_faults(faults: Faults, key: str, settings: EmailSettings) -> None:
    add_email_text_faults(
        faults,
        key,
        sender=settings.sender_email_address,
        content_type=settings.content_type,
        policy=settings.sending_time_policy,
    )


def _add_sms_faults(faults: Faults, key: str, settings: SmsSettings) -> None:
    if not isinstance(settings.sending_time_policy, SendingTimePolicy):
        faults.add(f"{key}SendingTimePolicy", "The policy must be Anytime or Daytime.")
