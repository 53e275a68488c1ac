"""Contact data as registers give it, made fit for use (spec 08, 6.3 to 6.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.orders.addresses import is_mobile_number
from altinn_notifications.recipients.contacts import Addresses, Contact

if TYPE_CHECKING:
    from collections.abc import Iterable

_NATIONAL_LENGTH: Final = 8
_NORWEGIAN_MOBILE: Final = ("4", "9")


def normalised_number(number: str) -> str:
    """A registered mobile number with its international prefix, as far as that can be told. Source: spec 08, 6.7."""
    if number.startswith("00"):
        return f"+{number[2:]}"
    if len(number) == _NATIONAL_LENGTH and number.startswith(_NORWEGIAN_MOBILE):
        return f"+47{number}"
    return number


def usable_number(number: str | None) -> str | None:
    """A registered mobile number as it is written to, or None when it is missing or cannot be a number."""
    normalised = normalised_number(number or "")
    return normalised if normalised and is_mobile_number(normalised) else None


def usable_email(email: str | None) -> str | None:
    """A registered email address as it stands, or None when it is missing or blank."""
    return email if email and email.strip() else None


def point(email: str | None, mobile_number: str | None) -> Addresses:
    """The usable addresses of one person or user."""
    usable = usable_email(email), usable_number(mobile_number)
    return Addresses(*(() if address is None else (address,) for address in usable))


def organization_contact(
    emails: Iterable[str | None], mobile_numbers: Iterable[str | None], users: Iterable[Addresses]
) -> Contact:
    """An organisation's official addresses and its users', none of them twice.

    Letter case makes no difference; official addresses go first, then the first user keeps what several have. A user
    who is left with nothing is left out. Source: spec 08, 6.4.
    """
    seen: set[str] = set()
    official = Addresses(
        _unseen((usable_email(email) for email in emails), seen),
        _unseen((usable_number(number) for number in mobile_numbers), seen),
    )
    points = [official, *(Addresses(_unseen(user.emails, seen), _unseen(user.mobile_numbers, seen)) for user in users)]
    return Contact(tuple(one for one in points if one != Addresses()))


def _unseen(addresses: Iterable[str | None], seen: set[str]) -> tuple[str, ...]:
    """The addresses that are not in `seen`, which is added to."""
    fresh: list[str] = []
    for address in addresses:
        if address is not None and address.lower() not in seen:
            seen.add(address.lower())
            fresh.append(address)
    return tuple(fresh)
