"""What a creator is told about an order's recipients when it is placed (spec 08, 3; spec 05, 7; spec 02, 7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from altinn_notifications.recipients.channel_choice import chosen, is_looked_up, reached_at
from altinn_notifications.recipients.contacts import identity_of

if TYPE_CHECKING:
    from altinn_notifications.orders.model import NotificationChannel, Order, Recipient
    from altinn_notifications.recipients.contacts import Addresses, Contact, Contacts


class ForecastStatus(StrEnum):
    """How many of the recipients that were looked up can be reached."""

    SUCCESS = "Success"
    PARTIAL_SUCCESS = "PartialSuccess"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, repr=False)
class Forecast:
    """Who will not be reached as things stand. `missing_contact` names no reserved person and nobody twice."""

    status: ForecastStatus
    is_reserved: tuple[str, ...]
    """National identity numbers in the order's sequence, also of persons that the order would reach all the same."""
    missing_contact: tuple[str, ...]


def forecast(order: Order, contacts: Contacts) -> Forecast | None:
    """What the contacts found for an order at registration say; None when nobody had to be looked up.

    Source: spec 08, 3 and spec 05, 7 (distinct numbers are counted on both sides).
    """
    asked = [recipient for recipient in order.recipients if is_looked_up(recipient, order.channel)]
    if not asked:
        return None
    found = [(recipient, _contact(recipient, contacts)) for recipient in asked]
    reserved = [_number(recipient) for recipient, contact in found if contact is not None and contact.is_reserved]
    unreached = dict.fromkeys(
        _number(recipient)
        for recipient, contact in found
        if not _is_reached(reached_at(recipient, contact, order.channel), order.channel)
    )
    known_reserved = frozenset(reserved)
    missing = [number for number in unreached if number not in known_reserved]
    unreachable = len(known_reserved) + len(missing)
    status = _status(unreachable=unreachable, asked=len({_number(recipient) for recipient in asked}))
    return Forecast(status, tuple(reserved), tuple(missing))


def _contact(recipient: Recipient, contacts: Contacts) -> Contact | None:
    identity = identity_of(recipient)
    return contacts.get(identity) if identity else None


def _number(recipient: Recipient) -> str:
    return (
        recipient.organization_number or recipient.national_identity_number or recipient.external_identity or ""
    )  # empty only for a recipient that validation does not let through


def _is_reached(addresses: Addresses, channel: NotificationChannel) -> bool:
    usable = chosen(addresses, channel)  # an email recipient's direct mobile number does not reach it by email
    return bool(usable.emails or usable.mobile_numbers)


def _status(*, unreachable: int, asked: int) -> ForecastStatus:
    if unreachable == asked:
        return ForecastStatus.FAILED
    return ForecastStatus.PARTIAL_SUCCESS if unreachable else ForecastStatus.SUCCESS
