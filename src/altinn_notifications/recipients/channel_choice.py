"""Which addresses of a recipient an order uses, and through which channel (spec 08, 6.1 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.model import NotificationChannel
from altinn_notifications.recipients.contacts import Addresses, direct_addresses, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from altinn_notifications.orders.model import Order, Recipient
    from altinn_notifications.recipients.contacts import Contact, Contacts, Identity


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """One recipient as one channel sees it; without addresses it still becomes a notification, a failed one."""

    recipient: Recipient
    channel: Channel
    addresses: tuple[str, ...]
    is_reserved: bool


@dataclass(frozen=True, slots=True, repr=False)
class _Reached:
    """One recipient with the addresses that the order's channel allows."""

    recipient: Recipient
    addresses: Addresses
    is_reserved: bool


def is_looked_up(recipient: Recipient, channel: NotificationChannel) -> bool:
    """Whether the recipient lacks an address for the channel, so that registers must be asked. Source: spec 08, 6.1."""
    direct = direct_addresses(recipient)
    if channel is NotificationChannel.EMAIL:
        return not direct.emails
    if channel is NotificationChannel.SMS:
        return not direct.mobile_numbers
    return not direct.emails and not direct.mobile_numbers


def needs_look_up(order: Order) -> bool:
    """Whether registers must be asked about any recipient of `order`. Source: spec 08, 6.1."""
    return any(is_looked_up(recipient, order.channel) for recipient in order.recipients)


def chosen(point: Addresses, channel: NotificationChannel) -> Addresses:
    """The addresses of one contact point that the channel uses. Source: spec 08, 8.1."""
    emails, mobile_numbers = Addresses(emails=point.emails), Addresses(mobile_numbers=point.mobile_numbers)
    match channel:
        case NotificationChannel.EMAIL:
            return emails
        case NotificationChannel.SMS:
            return mobile_numbers
        case NotificationChannel.EMAIL_PREFERRED:
            return emails if point.emails else mobile_numbers
        case NotificationChannel.SMS_PREFERRED:
            return mobile_numbers if point.mobile_numbers else emails
        case NotificationChannel.EMAIL_AND_SMS:
            return point


def reached_at(recipient: Recipient, contact: Contact | None, channel: NotificationChannel) -> Addresses:
    """Where the recipient is reached: its direct addresses, or what the registers know if it has none for the channel.

    Each contact point chooses between the channels by itself, so an organisation may get both. Source: spec 08, 8.1.
    """
    points = [direct_addresses(recipient)]
    if contact is not None and is_looked_up(recipient, channel):
        points += (chosen(point, channel) for point in contact.points)
    return Addresses(
        tuple(address for point in points for address in point.emails),
        tuple(address for point in points for address in point.mobile_numbers),
    )


def targets(order: Order, contacts: Contacts) -> list[Target]:
    """Who is written to through which channel: all emails, then all SMS, in the order's sequence of recipients.

    Under `Email` and `Sms` a repeated recipient is repeated; under the other channels the last one of the same
    identity takes the place of the first. Source: spec 08, 8.2 to 8.4.
    """
    by_email, by_sms = _lists(order.channel, [_reached(recipient, contacts, order) for recipient in order.recipients])
    return [
        *(Target(one.recipient, Channel.EMAIL, one.addresses.emails, one.is_reserved) for one in by_email),
        *(Target(one.recipient, Channel.SMS, one.addresses.mobile_numbers, one.is_reserved) for one in by_sms),
    ]


def _reached(recipient: Recipient, contacts: Contacts, order: Order) -> _Reached:
    identity = identity_of(recipient)
    contact = contacts.get(identity) if identity else None
    is_reserved = contact is not None and contact.is_reserved
    return _Reached(recipient, reached_at(recipient, contact, order.channel), is_reserved)


def _lists(channel: NotificationChannel, reached: list[_Reached]) -> tuple[Iterable[_Reached], Iterable[_Reached]]:
    """Who goes on the list of emails, and who on that of SMS. A list of preference takes who is not reached at all."""
    match channel:
        case NotificationChannel.EMAIL:
            return reached, ()
        case NotificationChannel.SMS:
            return (), reached
        case NotificationChannel.EMAIL_AND_SMS:
            by_email = by_sms = reached
        case NotificationChannel.EMAIL_PREFERRED:
            by_email = [one for one in reached if one.addresses.emails or not one.addresses.mobile_numbers]
            by_sms = [one for one in reached if one.addresses.mobile_numbers]
        case NotificationChannel.SMS_PREFERRED:
            by_email = [one for one in reached if one.addresses.emails]
            by_sms = [one for one in reached if one.addresses.mobile_numbers or not one.addresses.emails]
    return _last_of_each(by_email), _last_of_each(by_sms)


def _last_of_each(reached: Iterable[_Reached]) -> Iterable[_Reached]:
    last: dict[Identity | int, _Reached] = {}
    for position, one in enumerate(reached):
        last[identity_of(one.recipient) or position] = one  # a dict keeps the place where a key first stood
    return last.values()
