"""The request model of `POST /future/orders/composed-email` (spec 04, 3)."""

from dataclasses import dataclass
from typing import Annotated

from altinn_notifications.api.contract import About, Key, RequiredText
from altinn_notifications.api.order_requests import (
    Condition,
    DialogportenAssociation,
    EmailSettings,
    IdempotencyId,
    SendTime,
)
from altinn_notifications.api.scalars import UriReference


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmailAttachment:
    """A file that is fetched when the email is sent."""

    filename: Annotated[RequiredText, About("With an extension, and without slashes.")]
    mime_type: Annotated[RequiredText, About("One of the types that email may carry, without parameters.")]
    sas_url: Annotated[
        str,
        UriReference(),
        About("Link to one blob in Azure storage, readable until 15 minutes after the send time at least."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComposedEmailSettings(EmailSettings):
    """What an email says, how, and with which files."""

    attachments: tuple[EmailAttachment | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComposedEmailRecipient:
    """One email address, and what is written to it."""

    email_address: RequiredText
    email_settings: Annotated[ComposedEmailSettings, Key("Settings")]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComposedEmailOrder:
    """One email to one address, with any number of files."""

    idempotency_id: IdempotencyId
    senders_reference: Annotated[str | None, About("The caller's own reference; need not be unique.")] = None
    requested_send_time: SendTime = None
    condition_endpoint: Condition = None
    dialogporten_association: DialogportenAssociation | None = None
    recipient: ComposedEmailRecipient
