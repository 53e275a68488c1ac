"""First-generation orders: the business rules of a request, and the order it asks for (spec 05, 4 to 6).

In the terms of spec 01, 6.2 the rules are layer 3. They collect everything that is wrong; a null, empty or blank value
is "not given" only as spec 05, 4.2 says: a blank text is given, and breaks the rule of its format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.addresses import (
    is_email_address,
    is_mobile_number,
    is_national_identity_number,
    is_organization_number,
)
from altinn_notifications.orders.chain_rules import NEEDS_EMAIL, NEEDS_SMS
from altinn_notifications.orders.mapping import email_template, sms_template
from altinn_notifications.orders.model import ContentType, NotificationChannel, Order, Recipient
from altinn_notifications.orders.rules import (
    add_action_faults,
    add_email_text_faults,
    add_send_time_faults,
    add_sender_domain_fault,
)

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.api.first_generation.requests import (
        ChannelOrderRequest,
        EmailOrderRequest,
        EmailTemplateRequest,
        FirstGenerationOrder,
        OrderRecipient,
        SmsOrderRequest,
        SmsTemplateRequest,
    )
    from altinn_notifications.orders.mapping import Registration
    from altinn_notifications.orders.model import EmailTemplate, SmsTemplate
    from altinn_notifications.orders.rules import Faults
    from altinn_notifications.settings import NotificationSettings

SEND_TIME_TOLERANCE: Final = timedelta(minutes=5)
"""A send time may have passed by this much: the clocks of callers differ."""

# The host alone is looked at: its letters, and an end that no address and no name inside a network has.
_CONDITION_ENDPOINT: Final = re.compile(
    r"(?i:https?)://(?:[\w.~!$&'()*+,;=:%-]*@)?[A-Za-z0-9.-]*\.[A-Za-z]{2,}(?::[0-9]*)?(?:[/?#].*)?",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _RecipientRules:
    """Which direct addresses reach a recipient; the others are not looked at."""

    email: bool
    mobile_number: bool


_BY_EMAIL: Final = _RecipientRules(email=True, mobile_number=False)
_BY_SMS: Final = _RecipientRules(email=False, mobile_number=True)
_BY_EITHER: Final = _RecipientRules(email=True, mobile_number=True)


def add_channel_order_faults(faults: Faults, request: ChannelOrderRequest, now: datetime) -> None:
    """Note everything that keeps `request` from being ordered at `now` (UTC). Source: spec 05, 4.2 to 4.4."""
    channel = request.notification_channel
    if isinstance(channel, NotificationChannel):
        _add_recipients_faults(faults, request.recipients, _recipient_rules(channel))
    else:
        faults.add("NotificationChannel", "The channel is missing or does not exist.")
    _add_common_faults(faults, request, now)
    _add_email_template_faults(faults, request.email_template, is_needed=channel in NEEDS_EMAIL)
    _add_sms_template_faults(faults, request.sms_template, is_needed=channel in NEEDS_SMS)


def add_email_order_faults(faults: Faults, request: EmailOrderRequest, now: datetime) -> None:
    """Note everything that keeps `request` from being ordered at `now` (UTC). Source: spec 05, 4.2 and 4.3."""
    _add_recipients_faults(faults, request.recipients, _BY_EMAIL)
    _add_common_faults(faults, request, now)
    add_email_text_faults(faults, "", sender=None, content_type=request.content_type or ContentType.PLAIN)


def add_sms_order_faults(faults: Faults, request: SmsOrderRequest, now: datetime) -> None:
    """Note everything that keeps `request` from being ordered at `now` (UTC). Source: spec 05, 4.2 and 4.3."""
    _add_recipients_faults(faults, request.recipients, _BY_SMS)
    _add_common_faults(faults, request, now)


def channel_order(request: ChannelOrderRequest, registration: Registration) -> Order:
    """The order that a valid request asks for; its recipients keep both addresses. Source: spec 05, 6."""
    return Order(
        **_common(request, registration),
        channel=NotificationChannel(str(request.notification_channel)),
        recipients=tuple(_recipient(one) for one in request.recipients if one),
        email=_email(request.email_template, registration.settings) if request.email_template else None,
        sms=_sms(request.sms_template, registration.settings) if request.sms_template else None,
    )


def email_order(request: EmailOrderRequest, registration: Registration) -> Order:
    """The order that a valid request asks for; mobile numbers of its recipients are dropped. Source: spec 05, 6."""
    template = email_template(
        subject=request.subject,
        body=request.body,
        sender=None,
        content_type=request.content_type or ContentType.PLAIN,
        settings=registration.settings,
    )
    recipients = tuple(_recipient(one, keep_mobile_number=False) for one in request.recipients if one)
    return Order(
        **_common(request, registration), channel=NotificationChannel.EMAIL, recipients=recipients, email=template
    )


def sms_order(request: SmsOrderRequest, registration: Registration) -> Order:
    """The order that a valid request asks for; email addresses of its recipients are dropped. Source: spec 05, 6."""
    template = sms_template(body=request.body, sender=request.sender_number, settings=registration.settings)
    recipients = tuple(_recipient(one, keep_email=False) for one in request.recipients if one)
    return Order(**_common(request, registration), channel=NotificationChannel.SMS, recipients=recipients, sms=template)


def condition_endpoint_host_fault(text: str) -> str | None:
    """Why `text` cannot be asked whether a first-generation order is still wanted, or None.

    Stricter than the later rule on the host, and silent about the rest. Source: spec 05, 4.3.
    """
    if _CONDITION_ENDPOINT.fullmatch(text):
        return None
    return "The condition endpoint must be an absolute http or https URL of a host in a public domain."


def _recipient_rules(channel: NotificationChannel) -> _RecipientRules:
    match channel:
        case NotificationChannel.EMAIL:
            return _BY_EMAIL
        case NotificationChannel.SMS:
            return _BY_SMS
        case _:
            return _BY_EITHER


def _add_common_faults(faults: Faults, request: FirstGenerationOrder, now: datetime) -> None:
    add_send_time_faults(faults, "RequestedSendTime", request.requested_send_time, now - SEND_TIME_TOLERANCE)
    endpoint = request.condition_endpoint
    if endpoint is not None and (fault := condition_endpoint_host_fault(endpoint)):
        faults.add("ConditionEndpoint", fault)
    add_action_faults(faults, "ResourceAction", request.resource_id, request.resource_action)


def _add_email_template_faults(faults: Faults, template: EmailTemplateRequest | None, *, is_needed: bool) -> None:
    if template is not None:
        add_email_text_faults(faults, "EmailTemplate.", sender=None, content_type=template.content_type)
        add_sender_domain_fault(faults, "EmailTemplate.FromAddress", template.from_address)
        _add_blank_fault(faults, "EmailTemplate.Subject", template.subject)
        _add_blank_fault(faults, "EmailTemplate.Body", template.body)
    elif is_needed:
        faults.add("EmailTemplate", "The channel needs an email template.")


def _add_sms_template_faults(faults: Faults, template: SmsTemplateRequest | None, *, is_needed: bool) -> None:
    if template is not None:
        _add_blank_fault(faults, "SmsTemplate.Body", template.body)
    elif is_needed:
        faults.add("SmsTemplate", "The channel needs an SMS template.")


def _add_blank_fault(faults: Faults, key: str, text: str) -> None:
    if not text.strip():
        faults.add(key, "The value must not be blank.")


def _add_recipients_faults(
    faults: Faults, recipients: tuple[OrderRecipient | None, ...], rules: _RecipientRules
) -> None:
    if not recipients:
        faults.add("Recipients", "At least one recipient is required.")
    for position, recipient in enumerate(recipients):
        key = f"Recipients[{position}]"
        if recipient is None:
            faults.add(key, "A recipient must not be null.")
        else:
            _add_recipient_faults(faults, key, recipient, rules)


def _add_recipient_faults(faults: Faults, key: str, recipient: OrderRecipient, rules: _RecipientRules) -> None:
    email = recipient.email_address if rules.email else None
    mobile_number = recipient.mobile_number if rules.mobile_number else None
    person, organization = recipient.national_identity_number, recipient.organization_number
    if not (email or mobile_number or person or organization):
        faults.add(key, "The recipient has no address or number that the channel can use.")
    if email and not is_email_address(email):
        faults.add(f"{key}.EmailAddress", "The address is not a valid email address.")
    if mobile_number and not is_mobile_number(mobile_number):
        faults.add(f"{key}.MobileNumber", "The number is not a valid number in international form.")
    if person and not is_national_identity_number(person):
        faults.add(f"{key}.NationalIdentityNumber", "The number must be 11 digits.")
    if organization and not is_organization_number(organization):
        faults.add(f"{key}.OrganizationNumber", "The number must be 9 digits.")
    has_address = bool(recipient.email_address or recipient.mobile_number)
    if person and (has_address or organization):
        faults.add(key, "A national identity number stands alone.")
    if organization and (has_address or person):
        faults.add(key, "An organisation number stands alone.")


def _common(request: FirstGenerationOrder, registration: Registration) -> dict[str, Any]:
    """The part of an order that does not depend on its channel. Stale contacts are not used, and no policy is named."""
    return {
        "id": new_id(),
        "type": OrderType.Notification,
        "creator": registration.creator,
        "created": registration.now,
        "requested_send_time": request.requested_send_time or registration.now,
        "senders_reference": request.senders_reference,
        "condition_endpoint": request.condition_endpoint,
        "ignore_reservation": request.ignore_reservation,
        "resource_id": request.resource_id,
        "resource_action": request.resource_action,
    }


def _email(template: EmailTemplateRequest, settings: NotificationSettings) -> EmailTemplate:
    return email_template(
        subject=template.subject,
        body=template.body,
        sender=template.from_address,
        content_type=template.content_type,
        settings=settings,
    )


def _sms(template: SmsTemplateRequest, settings: NotificationSettings) -> SmsTemplate:
    return sms_template(body=template.body, sender=template.sender_number, settings=settings)


def _recipient(recipient: OrderRecipient, *, keep_email: bool = True, keep_mobile_number: bool = True) -> Recipient:
    email = recipient.email_address if keep_email else None
    return Recipient(
        email_address=email and email.strip(),
        mobile_number=recipient.mobile_number if keep_mobile_number else None,
        national_identity_number=recipient.national_identity_number,
        organization_number=recipient.organization_number,
    )
