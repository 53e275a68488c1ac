"""Who a recipient is, and what the registers know about how to reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from altinn_notifications.orders.model import Recipient


class Kind(StrEnum):
    """The kinds of identity that registers are asked about."""

    PERSON = "person"
    ORGANIZATION = "organization"
    EXTERNAL = "external identity"


class Identity(NamedTuple):
    """One party as every register knows it. Letter case makes no difference, so `value` is lower case."""

    kind: Kind
    value: str

    def __repr__(self) -> str:
        return f"Identity({self.kind.value}, ***)"


@dataclass(frozen=True, slots=True, repr=False)
class Addresses:
    """Addresses that belong together: those of one person, of one user, or the official ones of an organisation."""

    emails: tuple[str, ...] = ()
    mobile_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """What is known about one identity. An organisation's first point is official, each further one is a user's."""

    points: tuple[Addresses, ...]
    is_reserved: bool = False


Contacts = Mapping[Identity, Contact]
"""The contacts found for one order; an identity that no register knows is absent, its reservation thus unknown."""

Names = Mapping[Identity, str]
"""The names found; empty for a party that is known without a name, absent for one that is not known."""

NO_CONTACTS: Final[Contacts] = MappingProxyType({})
NO_NAMES: Final[Names] = MappingProxyType({})


def identity_of(recipient: Recipient) -> Identity | None:
    """By whom the recipient is named, else None: person before organisation before external identity."""
    if recipient.national_identity_number:
        return Identity(Kind.PERSON, recipient.national_identity_number)
    if recipient.organization_number:
        return Identity(Kind.ORGANIZATION, recipient.organization_number)
    if recipient.external_identity:
        return Identity(Kind.EXTERNAL, recipient.external_identity.lower())
    return None


def direct_addresses(recipient: Recipient) -> Addresses:
    """The addresses that the order itself gives, exactly as given; blank ones count as not given."""
    return Addresses(_given(recipient.email_address), _given(recipient.mobile_number))


def _given(address: str | None) -> tuple[str, ...]:
    return (address,) if address and address.strip() else ()
