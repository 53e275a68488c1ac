"""Whom the contact registers know: persons, organisations, users, and who may act for whom. Values only."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

MONTHS_OF_TRUST: Final = 18
"""How long what a person has confirmed may be used (spec 12, 7)."""


@dataclass(frozen=True, slots=True, repr=False)
class ContactPoint:
    """One address of a person, and when the person last changed and last confirmed it (UTC)."""

    address: str
    last_updated: datetime | None = None
    last_verified: datetime | None = None

    def is_outdated(self, now: datetime) -> bool:
        """Whether the later of its dates is more than 18 calendar months old, or there is none."""
        dates = [date for date in (self.last_updated, self.last_verified) if date is not None]
        return not dates or max(dates) < months_before(now, MONTHS_OF_TRUST)


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A person of the contact and reservation register; `name` is Register's, None if it knows none."""

    number: str
    name: str | None = None
    email: ContactPoint | None = None
    mobile: ContactPoint | None = None
    is_reserved: bool = False
    shows: str = ""
    """What a tester can try with the person."""


@dataclass(frozen=True, slots=True, repr=False)
class OfficialAddress:
    """An address of an organisation; it counts once the business registry has accepted it, until it is deleted."""

    address: str
    is_accepted: bool = True
    is_deleted: bool = False

    @property
    def counts(self) -> bool:
        """Whether anybody may be told about it."""
        return self.is_accepted and not self.is_deleted


@dataclass(frozen=True, slots=True, repr=False)
class AddressRecord:
    """What the address register holds about one organisation."""

    emails: tuple[OfficialAddress, ...] = ()
    mobile_numbers: tuple[OfficialAddress, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Organisation:
    """An organisation. Only one without any `record` falls back to its main unit."""

    number: str
    party_id: int
    name: str | None = None
    record: AddressRecord | None = None
    main_unit: str | None = None
    shows: str = ""
    """What a tester can try with the organisation."""


@dataclass(frozen=True, slots=True, repr=False)
class UserEntry:
    """Addresses that a user has registered for an organisation: for every service, or for the named ones only."""

    organisation_number: str
    email: str | None = None
    mobile_number: str | None = None
    services: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """Somebody who logs in: with an identity number, or with a user name and addresses of their own."""

    id: int
    name: str
    national_identity_number: str | None = None
    user_name: str | None = None
    email: str | None = None
    mobile_number: str | None = None
    entries: tuple[UserEntry, ...] = ()
    shows: str = ""
    """What a tester can try with the user."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A user may perform an action on a resource for an organisation."""

    user_id: int
    organisation_number: str
    resource: str
    action: str


def months_before(moment: datetime, months: int) -> datetime:
    """The same time of day that many calendar months earlier; on the month's last day if it is too short."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
