"""The states of orders and notifications, and which may follow which.

Pure, and the only module that knows the rules: every statement that changes a state names the states it may leave,
and `tests/test_lifecycle.py` holds those against these tables. Source: spec 06, 2 and spec 08, 11.1 and 17.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class OrderType(IntEnum):
    """What kind of order it is; the number is stored, the name is shown (spec 02, 10)."""

    Notification = 0
    Reminder = 1
    Instant = 2
    Composed = 3


class OrderStatus(StrEnum):
    """The state of an order, spelled as stored; clients see it with the prefix `Order_` (spec 06, 2.1)."""

    REGISTERED = "Registered"
    PROCESSING = "Processing"
    PROCESSED = "Processed"
    COMPLETED = "Completed"
    SEND_CONDITION_NOT_MET = "SendConditionNotMet"
    CANCELLED = "Cancelled"


class Channel(StrEnum):
    """What a notification is: one email or one SMS."""

    EMAIL = "Email"
    SMS = "Sms"


class EmailResult(StrEnum):
    """The result of an email notification, spelled as stored (spec 06, 2.3)."""

    NEW = "New"
    SENDING = "Sending"
    SUCCEEDED = "Succeeded"
    DELIVERED = "Delivered"
    FAILED = "Failed"
    RECIPIENT_RESERVED = "Failed_RecipientReserved"
    RECIPIENT_NOT_IDENTIFIED = "Failed_RecipientNotIdentified"
    INVALID_EMAIL_FORMAT = "Failed_InvalidEmailFormat"
    SUPPRESSED_RECIPIENT = "Failed_SupressedRecipient"  # one p: the stored spelling, which clients of v1 see
    TRANSIENT_ERROR = "Failed_TransientError"
    BOUNCED = "Failed_Bounced"
    FILTERED_SPAM = "Failed_FilteredSpam"
    QUARANTINED = "Failed_Quarantined"
    TTL = "Failed_TTL"
    INVALID_SAS_URL = "Failed_InvalidSasUrl"
    PAYLOAD_TOO_LARGE = "Failed_PayloadTooLarge"


class SmsResult(StrEnum):
    """The result of an SMS notification, spelled as stored (spec 06, 2.2)."""

    NEW = "New"
    SENDING = "Sending"
    ACCEPTED = "Accepted"
    DELIVERED = "Delivered"
    FAILED = "Failed"
    INVALID_RECIPIENT = "Failed_InvalidRecipient"
    RECIPIENT_RESERVED = "Failed_RecipientReserved"
    BARRED_RECEIVER = "Failed_BarredReceiver"
    DELETED = "Failed_Deleted"
    EXPIRED = "Failed_Expired"
    UNDELIVERED = "Failed_Undelivered"
    RECIPIENT_NOT_IDENTIFIED = "Failed_RecipientNotIdentified"
    REJECTED = "Failed_Rejected"
    TTL = "Failed_TTL"


ORDER_MOVES: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.REGISTERED: frozenset({OrderStatus.PROCESSING, OrderStatus.CANCELLED, OrderStatus.COMPLETED}),
    OrderStatus.PROCESSING: frozenset(
        {
            OrderStatus.REGISTERED,
            OrderStatus.PROCESSING,
            OrderStatus.SEND_CONDITION_NOT_MET,
            OrderStatus.PROCESSED,
            OrderStatus.COMPLETED,
        }
    ),
    OrderStatus.PROCESSED: frozenset({OrderStatus.COMPLETED}),
}  # a status that is not listed is final

PENDING_RESULTS: Final[Mapping[Channel, frozenset[str]]] = {
    Channel.EMAIL: frozenset({EmailResult.NEW, EmailResult.SENDING, EmailResult.SUCCEEDED}),
    Channel.SMS: frozenset({SmsResult.NEW, SmsResult.SENDING, SmsResult.ACCEPTED}),
}
"""Results that may still change by themselves; every other one is final."""

ANY_PENDING: Final = frozenset({"New", "Sending", "Succeeded", "Accepted"})
"""The pending results of both channels; no channel has a final result of these names."""

BORN_FINAL: Final = frozenset({"Failed_RecipientReserved", "Failed_RecipientNotIdentified"})
"""Results a notification is created with when nobody is to be written to (spec 08, 9.1)."""


class Source(StrEnum):
    """Who says that a notification has a new result; it decides what the result may replace (spec 08, 11.1)."""

    CLAIM = "claim"
    HAND_BACK = "hand back"
    SEND_RESULT = "send result"
    DELIVERY_REPORT = "delivery report"
    TERMINATION = "termination"


def may_replace(source: Source, old: str, new: str) -> bool:
    """Whether `source` may turn a notification's result from `old` into `new` before it expires.

    Neither final state nor order is ever undone: a final result gives way only to a delivery report, which is the
    provider correcting itself. Source: spec 08, 11.1.
    """
    if source is Source.CLAIM:
        return old == "New" and new == "Sending"
    if source is Source.HAND_BACK:
        return old == "Sending" and new == "New"
    if source is Source.SEND_RESULT:
        return old in ANY_PENDING and new not in {"New", "Sending"}
    if source is Source.DELIVERY_REPORT:
        return new not in ANY_PENDING
    return old in ANY_PENDING and new == "Failed_TTL"


def is_pending(result: str) -> bool:
    """Whether a notification with this stored result may still change by itself."""
    return result in ANY_PENDING
