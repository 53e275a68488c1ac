"""The end of an order that could not be processed in time (spec 08, 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.model import NotificationChannel
from altinn_notifications.processing.expiry import email_expiry, sms_expiry
from altinn_notifications.recipients.drafts import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from altinn_notifications.orders.model import Order, Recipient
    from altinn_notifications.processing.expiry import SendWindow

CLOSING_CHANNELS: Final[Mapping[NotificationChannel, tuple[Channel, ...]]] = {
    NotificationChannel.EMAIL: (Channel.EMAIL,),
    NotificationChannel.SMS: (Channel.SMS,),
    NotificationChannel.EMAIL_PREFERRED: (Channel.EMAIL,),
    NotificationChannel.SMS_PREFERRED: (Channel.SMS,),
    NotificationChannel.EMAIL_AND_SMS: (Channel.EMAIL, Channel.SMS),
}
"""The channels in which an order that is closed at its deadline shows as failed: of a preference only the first."""


DEADLINE_CHANNELS: Final[Mapping[NotificationChannel, tuple[Channel, ...]]] = {
    **CLOSING_CHANNELS,
    NotificationChannel.EMAIL_PREFERRED: (Channel.EMAIL, Channel.SMS),
    NotificationChannel.SMS_PREFERRED: (Channel.EMAIL, Channel.SMS),
}


def order_deadline(order: Order, window: SendWindow) -> datetime:
    """When the last notification that `order` could become would expire, in UTC. Source: spec 08, 5.4 and 9.3."""
    return max(_expiry(order, channel, window) for channel in DEADLINE_CHANNELS[order.channel])


def closing_drafts(order: Order, ends: datetime) -> list[Draft]:
    """What an order closed at its deadline leaves behind: one `Failed_TTL` per address, or one without address."""
    return [
        Draft(
            channel=channel,
            destination=_address(recipient, channel) or "",
            result="Failed_TTL",
            expiry=ends,
            national_identity_number=recipient.national_identity_number,
            organization_number=recipient.organization_number,
        )
        for channel in CLOSING_CHANNELS[order.channel]
        for recipient in order.recipients
    ]


def _expiry(order: Order, channel: Channel, window: SendWindow) -> datetime:
    if channel is Channel.EMAIL:
        return email_expiry(order.requested_send_time)
    return sms_expiry(order.requested_send_time, order.sms_policy, window)


def _address(recipient: Recipient, channel: Channel) -> str | None:
    return recipient.email_address if channel is Channel.EMAIL else recipient.mobile_number
