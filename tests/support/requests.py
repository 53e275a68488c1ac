"""Request bodies for tests: each names only what the test is about."""

from __future__ import annotations

import uuid
from typing import Any


def email_settings(**changes: Any) -> dict[str, Any]:
    """Settings of an email that says something."""
    return {"subject": "Ny melding", "body": "Du har fått en melding."} | changes


def sms_settings(**changes: Any) -> dict[str, Any]:
    """Settings of an SMS that says something."""
    return {"body": "Du har fått en melding."} | changes


def to_email(address: str = "kari@example.no", **settings: Any) -> dict[str, Any]:
    """A recipient with an email address; `settings` are those of the email."""
    return {"recipientEmail": {"emailAddress": address, "emailSettings": email_settings(**settings)}}


def to_sms(number: str = "+4799999999", **settings: Any) -> dict[str, Any]:
    """A recipient with a mobile number; `settings` are those of the SMS."""
    return {"recipientSms": {"phoneNumber": number, "smsSettings": sms_settings(**settings)}}


def to_person(number: str = "16069412345", **changes: Any) -> dict[str, Any]:
    """A person reached by email."""
    person = {"nationalIdentityNumber": number, "channelSchema": "Email", "emailSettings": email_settings()}
    return {"recipientPerson": person | changes}


def to_organization(number: str = "311000179", **changes: Any) -> dict[str, Any]:
    """An organisation reached by email."""
    organization = {"orgNumber": number, "channelSchema": "Email", "emailSettings": email_settings()}
    return {"recipientOrganization": organization | changes}


def to_external_identity(identity: str = "urn:altinn:username:kari", **changes: Any) -> dict[str, Any]:
    """A user known by name, reached by email."""
    external = {"externalIdentity": identity, "channelSchema": "Email", "emailSettings": email_settings()}
    return {"recipientExternalIdentity": external | changes}


def an_order_request(recipient: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The smallest valid order under a new idempotency id, to one email address unless `recipient` says otherwise."""
    return {"idempotencyId": uuid.uuid4().hex, "recipient": to_email() if recipient is None else recipient} | changes


def a_reminder(recipient: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A reminder by email after a week, unless the changes name a time."""
    timing = {} if "requestedSendTime" in changes or "delayDays" in changes else {"delayDays": 7}
    return {"recipient": to_email() if recipient is None else recipient, **timing, **changes}
