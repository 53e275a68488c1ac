"""Stored statuses and results in the words that clients of the shipment and the feed see (spec 06, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from altinn_notifications.lifecycle import Channel, EmailResult, OrderStatus, SmsResult

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger()

CHANNEL_WORDS: Final[Mapping[Channel, str]] = {Channel.EMAIL: "Email", Channel.SMS: "SMS"}
"""What a recipient's `type` says."""

_CORRECTED_EMAIL: Final[Mapping[str, str]] = {
    EmailResult.INVALID_EMAIL_FORMAT: "Failed_InvalidFormat",
    EmailResult.SUPPRESSED_RECIPIENT: "Failed_SuppressedRecipient",
}
_LEGACY_SMS: Final[Mapping[str, str]] = {"Failed_InvalidReceiver": SmsResult.INVALID_RECIPIENT}

_ORDERS: Final = {status.lower(): f"Order_{status}" for status in OrderStatus}
_RESULTS: Final[Mapping[Channel, Mapping[str, str]]] = {
    Channel.EMAIL: {result.lower(): f"Email_{_CORRECTED_EMAIL.get(result, result)}" for result in EmailResult},
    Channel.SMS: {
        **{result.lower(): f"SMS_{result}" for result in SmsResult},
        **{legacy.lower(): f"SMS_{result}" for legacy, result in _LEGACY_SMS.items()},
    },
}
ORDER_WORDS: Final = tuple(_ORDERS.values())
RESULT_WORDS: Final = tuple(word for words in _RESULTS.values() for word in words.values())


def exposed_order_status(stored: str) -> str:
    """An order's status for clients. Letter case is ignored; what nobody knows is logged and told as not finished."""
    word = _ORDERS.get(stored.lower())
    if word is None:
        log.error("unknown_order_status", status=stored)
        return _ORDERS[OrderStatus.PROCESSING.lower()]
    return word


def exposed_result(channel: Channel, stored: str) -> str:
    """A notification's result for clients, such as `SMS_Accepted`.

    Letter case is ignored; what nobody knows is logged and told as an unspecified failure. Source: spec 06, 2 and 8.
    """
    word = _RESULTS[channel].get(stored.lower())
    if word is None:
        log.error("unknown_notification_result", channel=str(channel), result=stored)
        return f"{CHANNEL_WORDS[channel]}_Failed"
    return word
