"""The envelope of a mail: what SMTP is told about it before the content (spec 09, 8.1). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.email.addresses import UnusableAddress, WireAddress, wire_address
from altinn_notifications.channels.email.message import refuse_line_breaks
from altinn_notifications.channels.email.smtp_connection import Submission
from altinn_notifications.channels.protocol import Refused
from altinn_notifications.lifecycle import EmailResult

if TYPE_CHECKING:
    from altinn_notifications.channels.email.message import Message
    from altinn_notifications.channels.email.smtp_connection import Extensions
    from altinn_notifications.channels.protocol import OutgoingEmail
    from altinn_notifications.settings import EmailSettings

_RECIPIENT_UNUSABLE: Final = Refused(
    EmailResult.INVALID_EMAIL_FORMAT, "the recipient's address cannot be written in SMTP"
)
_SENDER_UNUSABLE: Final = Refused(EmailResult.FAILED, "the sender's address cannot be written in SMTP")
_RECIPIENT_NEEDS_SMTPUTF8: Final = Refused(
    EmailResult.INVALID_EMAIL_FORMAT, "the relay cannot carry the letters of the recipient's address"
)
_SENDER_NEEDS_SMTPUTF8: Final = Refused(
    EmailResult.FAILED, "the relay cannot carry the letters of the sender's address"
)


class Unsendable(Exception):
    """The mail cannot be handed over as it is; nothing was said about it to the server."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """Who writes to whom, as SMTP and the headers spell it, and where bounces go."""

    sender: WireAddress
    recipient: WireAddress
    return_path: bytes


def envelope_of(email: OutgoingEmail, settings: EmailSettings) -> Envelope:
    """The envelope of `email`. Raises `Unsendable` and `HeaderInjection`. Source: spec 09, 8.1."""
    sender = _wire(email.from_address, "sender", otherwise=_SENDER_UNUSABLE)
    recipient = _wire(email.to_address, "recipient", otherwise=_RECIPIENT_UNUSABLE)
    if settings.bounce_domain is None:
        return Envelope(sender, recipient, sender.text)
    bounces = f"{settings.bounce_local_part}+{email.operation_id}@{settings.bounce_domain}"
    return Envelope(sender, recipient, bounces.encode())


def submission_of(email: OutgoingEmail, envelope: Envelope, message: Message, extensions: Extensions) -> Submission:
    """What is said to a server with these extensions. Source: spec 09, 8.1."""
    mail = [b"MAIL FROM:<%b>" % envelope.return_path]
    rcpt = b"RCPT TO:<%b>" % envelope.recipient.text
    if extensions.announces_size:
        mail.append(b"SIZE=%d" % len(message.content))
    if message.is_8bit:
        mail.append(b"BODY=8BITMIME")
    if envelope.sender.needs_smtputf8 or envelope.recipient.needs_smtputf8:
        mail.append(b"SMTPUTF8")
    if extensions.dsn:
        mail.append(b"RET=HDRS ENVID=%b" % str(email.operation_id).encode())
        rcpt += b" NOTIFY=SUCCESS,FAILURE,DELAY"
    return Submission(b" ".join(mail), rcpt, message.content)


def _wire(address: str, whose: str, *, otherwise: Refused) -> WireAddress:
    refuse_line_breaks(f"{whose}'s address", address)
    try:
        return wire_address(address)
    except UnusableAddress:
        raise Unsendable(otherwise) from None


def check_letters(envelope: Envelope, extensions: Extensions) -> None:
    """Raise `Unsendable` if an address needs a server that can carry more than ASCII. Source: spec 09, 8.1."""
    if extensions.smtputf8:
        return
    if envelope.recipient.needs_smtputf8:
        raise Unsendable(_RECIPIENT_NEEDS_SMTPUTF8)
    if envelope.sender.needs_smtputf8:
        raise Unsendable(_SENDER_NEEDS_SMTPUTF8)


def check_size(octets: int, settings: EmailSettings, extensions: Extensions) -> None:
    """Raise `Unsendable` if so many octets are too many for us or for the server. Source: spec 09, 8.1."""
    limit = min(settings.max_message_bytes, extensions.size or settings.max_message_bytes)
    if octets > limit:
        raise Unsendable(Refused(EmailResult.PAYLOAD_TOO_LARGE, f"{octets} octets, {limit} are allowed"))
