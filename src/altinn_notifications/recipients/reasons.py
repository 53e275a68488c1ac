"""Why a notification has the address it has, or none: one word for the timeline, without the address itself."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from altinn_notifications.lifecycle import Channel
from altinn_notifications.orders.model import NotificationChannel
from altinn_notifications.recipients.contacts import Kind, direct_addresses, identity_of

if TYPE_CHECKING:
    from altinn_notifications.orders.model import Order
    from altinn_notifications.recipients.channel_choice import Target
    from altinn_notifications.recipients.contacts import Addresses, Contact, Contacts


class Reason(StrEnum):
    """Where an address comes from, or what stood against one. Stored with the notification."""

    GIVEN = "given"  # the order itself names it
    REGISTERED = "registered"  # a person's or user's own, from the contact register
    REGISTERED_INSTEAD = "registered-instead"  # the same, in the channel that was not preferred
    RESERVATION_OVERRIDDEN = "reservation-overridden"  # a reserved person, whom the order reaches all the same
    OFFICIAL = "official"  # the organisation's, from the register of official addresses
    OFFICIAL_INSTEAD = "official-instead"
    AUTHORISED_USER = "authorised-user"  # registered for the organisation by somebody who has the right
    AUTHORISED_USER_INSTEAD = "authorised-user-instead"
    RESERVED = "reserved"
    NO_ADDRESS = "no-address"  # known, but without an address for this channel
    UNKNOWN = "unknown"  # no register has contact data that may be used


_PREFERENCE = {NotificationChannel.EMAIL_PREFERRED: Channel.EMAIL, NotificationChannel.SMS_PREFERRED: Channel.SMS}


def reason_for(order: Order, contacts: Contacts, target: Target, address: str) -> Reason:
    """Why `target` is written to at `address`, one of its own; or, for the empty address, why it is not."""
    identity = identity_of(target.recipient)
    contact = contacts.get(identity) if identity is not None else None
    if not address:
        return _against(target, contact, ignore_reservation=bool(order.ignore_reservation))
    if identity is None or address in _of(direct_addresses(target.recipient), target.channel):
        return Reason.GIVEN
    instead = _PREFERENCE.get(order.channel, target.channel) is not target.channel
    if identity.kind is Kind.ORGANIZATION:
        is_official = contact is not None and address in _of(contact.points[0], target.channel)
        return _organization(is_official=is_official, instead=instead)
    if target.is_reserved:
        return Reason.RESERVATION_OVERRIDDEN
    return Reason.REGISTERED_INSTEAD if instead else Reason.REGISTERED


def _against(target: Target, contact: Contact | None, *, ignore_reservation: bool) -> Reason:
    if target.is_reserved and not ignore_reservation:
        return Reason.RESERVED
    return Reason.UNKNOWN if contact is None else Reason.NO_ADDRESS


def _organization(*, is_official: bool, instead: bool) -> Reason:
    if is_official:
        return Reason.OFFICIAL_INSTEAD if instead else Reason.OFFICIAL
    return Reason.AUTHORISED_USER_INSTEAD if instead else Reason.AUTHORISED_USER


def _of(point: Addresses, channel: Channel) -> tuple[str, ...]:
    return point.emails if channel is Channel.EMAIL else point.mobile_numbers
