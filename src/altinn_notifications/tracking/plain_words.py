"""States, results and moments in words for people who watch over the service or answer for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import Channel, EmailResult, OrderStatus, SmsResult
from altinn_notifications.processing.expiry import OSLO
from altinn_notifications.recipients.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Tone(StrEnum):
    """How good the news is. Pages never tell it by colour alone."""

    NEUTRAL = "neutral"
    ACTIVE = "active"
    GOOD = "good"
    CAUTION = "caution"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Words:
    """What to call something, what it means, and how good it is."""

    title: str
    meaning: str
    tone: Tone


_RESERVED: Final = Words(
    "Reserved",
    "The person has reserved against electronic communication, so nothing was sent.",
    Tone.CAUTION,
)
_TTL: Final = Words("Given up", "Its time ran out before anybody confirmed that it had arrived.", Tone.BAD)
_FAILED: Final = Words("Failed", "The provider gave it up and did not say why.", Tone.BAD)

_ORDER_WORDS: Final[Mapping[str, Words]] = {
    OrderStatus.REGISTERED: Words("Registered", "Accepted, and waiting for its time.", Tone.NEUTRAL),
    OrderStatus.PROCESSING: Words(
        "Processing", "Its condition is asked and its recipients are looked up.", Tone.ACTIVE
    ),
    OrderStatus.PROCESSED: Words("Sending", "Its messages are made, and at least one is not final yet.", Tone.ACTIVE),
    OrderStatus.SEND_CONDITION_NOT_MET: Words(
        "Condition not met", "Its owner's condition said no, so nothing was sent.", Tone.NEUTRAL
    ),
    OrderStatus.CANCELLED: Words("Cancelled", "Its owner cancelled it in time, so nothing was sent.", Tone.NEUTRAL),
}

_EMAIL_WORDS: Final[Mapping[str, Words]] = {
    EmailResult.NEW: Words("Waiting", "Made, and waiting for its turn.", Tone.NEUTRAL),
    EmailResult.SENDING: Words("Being sent", "A worker is handing it to the mail provider.", Tone.ACTIVE),
    EmailResult.SUCCEEDED: Words(
        "Handed over", "The mail provider has taken it; arrival is not confirmed yet.", Tone.ACTIVE
    ),
    EmailResult.DELIVERED: Words("Delivered", "It arrived, as far as the mail provider can tell.", Tone.GOOD),
    EmailResult.FAILED: _FAILED,
    EmailResult.RECIPIENT_RESERVED: _RESERVED,
    EmailResult.RECIPIENT_NOT_IDENTIFIED: Words(
        "No address", "No email address was found for the recipient.", Tone.CAUTION
    ),
    EmailResult.INVALID_EMAIL_FORMAT: Words(
        "Invalid address", "The provider says that this is no email address.", Tone.BAD
    ),
    EmailResult.SUPPRESSED_RECIPIENT: Words("Suppressed", "The provider no longer writes to this address.", Tone.BAD),
    EmailResult.TRANSIENT_ERROR: Words("Temporary failure", "The provider could not take it at that time.", Tone.BAD),
    EmailResult.BOUNCED: Words("Bounced", "The recipient's mail server sent it back.", Tone.BAD),
    EmailResult.FILTERED_SPAM: Words("Taken for spam", "The recipient's mail server took it for spam.", Tone.BAD),
    EmailResult.QUARANTINED: Words("Quarantined", "The recipient's mail server put it in quarantine.", Tone.BAD),
    EmailResult.TTL: _TTL,
    EmailResult.INVALID_SAS_URL: Words("Attachment missing", "An attachment's link could not be read.", Tone.BAD),
    EmailResult.PAYLOAD_TOO_LARGE: Words("Too large", "With its attachments it was larger than allowed.", Tone.BAD),
}

_SMS_WORDS: Final[Mapping[str, Words]] = {
    SmsResult.NEW: Words("Waiting", "Made, and waiting for its turn.", Tone.NEUTRAL),
    SmsResult.SENDING: Words("Being sent", "A worker is handing it to the SMS gateway.", Tone.ACTIVE),
    SmsResult.ACCEPTED: Words(
        "Handed over", "The SMS gateway has taken it; arrival is not confirmed yet.", Tone.ACTIVE
    ),
    SmsResult.DELIVERED: Words("Delivered", "It reached the handset.", Tone.GOOD),
    SmsResult.FAILED: _FAILED,
    SmsResult.INVALID_RECIPIENT: Words("Invalid number", "The gateway says that this number cannot be used.", Tone.BAD),
    SmsResult.RECIPIENT_RESERVED: _RESERVED,
    SmsResult.BARRED_RECEIVER: Words("Barred", "The number is closed or blocked at its operator.", Tone.BAD),
    SmsResult.DELETED: Words("Deleted", "It was deleted before it arrived.", Tone.BAD),
    SmsResult.EXPIRED: Words("Expired on its way", "The operator could not deliver it in time.", Tone.BAD),
    SmsResult.UNDELIVERED: Words("Undelivered", "The number is wrong, or nothing leads to it.", Tone.BAD),
    SmsResult.RECIPIENT_NOT_IDENTIFIED: Words(
        "No number", "No mobile number was found for the recipient.", Tone.CAUTION
    ),
    SmsResult.REJECTED: Words("Rejected", "The gateway or the operator rejected it.", Tone.BAD),
    SmsResult.TTL: _TTL,
}


_REASON_WORDS: Final[Mapping[str, str]] = {
    Reason.GIVEN: "The order itself names the {what}.",
    Reason.REGISTERED: "The contact register holds this {what} for the recipient.",
    Reason.REGISTERED_INSTEAD: (
        "The contact register holds no {other} for the recipient, so the {what} is used instead."
    ),
    Reason.RESERVATION_OVERRIDDEN: (
        "The person has reserved against electronic communication, and the order's owner reaches them all the same; "
        "the {what} is from the contact register."
    ),
    Reason.OFFICIAL: "It is an official {what} of the organisation.",
    Reason.OFFICIAL_INSTEAD: "The organisation has no official {other}, so its official {what} is used instead.",
    Reason.AUTHORISED_USER: (
        "Somebody with the right to the order's resource registered this {what} for the organisation."
    ),
    Reason.AUTHORISED_USER_INSTEAD: (
        "Somebody with the right to the order's resource registered no usable {other} for the organisation, so the "
        "{what} is used instead."
    ),
    Reason.RESERVED: "The person has reserved against electronic communication, so nothing was sent.",
    Reason.NO_ADDRESS: "The registers know the recipient, but hold no {what} that can be used.",
    Reason.UNKNOWN: (
        "The registers hold no contact data that may be used: the recipient is unknown to them, or has not confirmed "
        "the data for 18 months."
    ),
}


def order_words(status: str, *, messages: int = 0, failed: int = 0) -> Words:
    """An order's stored status in words, with how much of it arrived; one that nobody knows is shown as it is.

    `failed` of its `messages` have a final result that is a failure.
    """
    if status == OrderStatus.COMPLETED:
        return _completed(messages, failed)
    return _ORDER_WORDS.get(status) or Words(status, "", Tone.NEUTRAL)


def _completed(messages: int, failed: int) -> Words:
    if not messages:
        return Words("Completed", "There was nobody to write to, so no message was made.", Tone.CAUTION)
    if failed:
        text = f"Every message is final: {messages - failed} of {messages} arrived, {failed} did not."
        return Words("Completed", text, Tone.CAUTION)
    return Words("Completed", f"Every message is final: {counted(messages)} arrived.", Tone.GOOD)


def counted(messages: int) -> str:
    """A number of messages in words."""
    return "1 message" if messages == 1 else f"{messages} messages"


def result_words(channel: Channel, result: str) -> Words:
    """A notification's stored result in words; one that nobody knows is shown as it is."""
    known = _EMAIL_WORDS if channel is Channel.EMAIL else _SMS_WORDS
    return known.get(result) or Words(result, "", Tone.NEUTRAL)


def reason_words(channel: Channel, reason: str | None) -> str | None:
    """Why a notification has its address or none, in a sentence; None when nobody looked."""
    what, other = ("email address", "mobile number") if channel is Channel.EMAIL else ("mobile number", "email address")
    sentence = _REASON_WORDS.get(reason or "")
    return None if sentence is None else sentence.format(what=what, other=other)


def oslo_moment(moment: datetime) -> str:
    """Day and time of day on the clocks of Oslo, such as `2 March 2026 at 13:00:05`."""
    local = moment.astimezone(OSLO)
    return f"{local.day} {local:%B %Y} at {local:%H:%M:%S}"
