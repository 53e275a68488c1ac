"""First-generation requests for tests: each names only what the test is about."""

from __future__ import annotations

from typing import Any

from support.service import API

ORDERS = f"{API}/orders"
EMAIL_ORDERS = f"{ORDERS}/email"
SMS_ORDERS = f"{ORDERS}/sms"

TO_KARI = {"emailAddress": "kari@example.no"}
TO_MOBILE = {"mobileNumber": "+4799999999"}


def an_email_request(*recipients: Any, **changes: Any) -> dict[str, Any]:
    """What `POST /orders/email` takes: an email to one address unless `recipients` say otherwise."""
    texts = {"subject": "Ny melding", "body": "Du har fått en melding."}
    return {"recipients": list(recipients) or [TO_KARI], **texts, **changes}


def an_sms_request(*recipients: Any, **changes: Any) -> dict[str, Any]:
    """What `POST /orders/sms` takes: an SMS to one number unless `recipients` say otherwise."""
    return {"recipients": list(recipients) or [TO_MOBILE], "body": "Du har fått en melding.", **changes}


def a_channel_request(channel: Any, *recipients: Any, **changes: Any) -> dict[str, Any]:
    """What `POST /orders` takes, with both templates, to one email address unless `recipients` say otherwise."""
    return {
        "notificationChannel": channel,
        "recipients": list(recipients) or [TO_KARI],
        "emailTemplate": {"subject": "Ny melding", "body": "Du har fått en melding."},
        "smsTemplate": {"body": "Du har fått en melding."},
        **changes,
    }


def without(request: dict[str, Any], *names: str) -> dict[str, Any]:
    """The request with some members left out."""
    return {name: value for name, value in request.items() if name not in names}
