"""What the contact registers hold just now: the seed, and every edit since, spread at once or after a delay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from altinn_notifications.simulator import seed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.parties import Grant, Organisation, Person, User, UserEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Version(Generic[T]):
    value: T
    visible_from: datetime | None = None
    """When those who ask begin to see it; None: they always did."""

    def is_visible(self, now: datetime) -> bool:
        return self.visible_from is None or self.visible_from <= now


class Versions(Generic[T]):
    """Records by number: as they were last edited, and as others see them while edits are still spreading."""

    def __init__(self, records: Iterable[tuple[str, T]]) -> None:
        self._versions = {number: [_Version(record)] for number, record in records}

    def __len__(self) -> int:
        return len(self._versions)

    def newest(self, number: str) -> T | None:
        """The record as last edited."""
        versions = self._versions.get(number)
        return versions[-1].value if versions else None

    def all_newest(self) -> list[T]:
        """Every record as last edited, in the order in which they became known."""
        return [versions[-1].value for versions in self._versions.values()]

    def visible(self, number: str, now: datetime) -> T | None:
        """The record as those who ask at `now` see it."""
        seen = [version.value for version in self._versions.get(number, ()) if version.is_visible(now)]
        return seen[-1] if seen else None

    def spreads_at(self, number: str, now: datetime) -> datetime | None:
        """When the last edit becomes visible, if it is not yet at `now`."""
        last = self._versions[number][-1]
        return None if last.is_visible(now) else last.visible_from

    def put(self, number: str, record: T, now: datetime, delay: timedelta) -> None:
        """Edit at `now`; visible at once if there is no delay, whatever was still spreading."""
        if not delay:
            self._versions[number] = [_Version(record)]
            return
        versions = self._versions.get(number, [])
        seen, spreading = _parted(versions, now)
        self._versions[number] = [*seen[-1:], *spreading, _Version(record, now + delay)]


def _parted(versions: list[_Version[T]], now: datetime) -> tuple[list[_Version[T]], list[_Version[T]]]:
    return (
        [version for version in versions if version.is_visible(now)],
        [version for version in versions if not version.is_visible(now)],
    )


class Registers:
    """Persons, organisations, users and rights. What users register themselves is visible at once (spec 13, 4)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Back to the seed, with dates counted from the present moment."""
        persons = seed.persons_at(self._clock.now())
        self.persons: Versions[Person] = Versions((person.number, person) for person in persons)
        self.organisations: Versions[Organisation] = Versions(
            (organisation.number, organisation) for organisation in seed.ORGANISATIONS
        )
        self.users: dict[int, User] = {user.id: user for user in seed.USERS}
        self.grants: set[Grant] = set(seed.GRANTS)
        self.resources: set[str] = {grant.resource for grant in seed.GRANTS}
        """Those that have a policy; it stays when its last grant is taken away."""
        self.dialogs: set[tuple[str, str]] = set()
        """Identity number and dialog id, in lower case, of who may see which dialog."""

    def grant(self, grant: Grant) -> None:
        """Let a user do something."""
        self.grants.add(grant)
        self.resources.add(grant.resource)

    def entries(self) -> dict[str, list[tuple[User, UserEntry]]]:
        """What users have registered, by organisation number."""
        found: dict[str, list[tuple[User, UserEntry]]] = {}
        for user in self.users.values():
            for entry in user.entries:
                found.setdefault(entry.organisation_number, []).append((user, entry))
        return found

    def user_named(self, user_name: str) -> User | None:
        """The user with a user name, in any letter case."""
        folded = user_name.lower()
        named = ((user.user_name, user) for user in self.users.values() if user.user_name)
        return next((user for name, user in named if name.lower() == folded), None)

    def organisation_of_party(self, party_id: int) -> Organisation | None:
        """The organisation with a party id."""
        return next((one for one in self.organisations.all_newest() if one.party_id == party_id), None)

    def name_of_person(self, number: str) -> str | None:
        """Register's name of a person or a user."""
        person = self.persons.newest(number)
        if person is not None:
            return person.name
        return next((user.name for user in self.users.values() if user.national_identity_number == number), None)

    def dump(self) -> dict[str, int]:
        """How much there is of everything."""
        return {
            "persons": len(self.persons),
            "organisations": len(self.organisations),
            "users": len(self.users),
            "grants": len(self.grants),
            "dialogs": len(self.dialogs),
        }

    def next_party_id(self) -> int:
        """A party id that no organisation has."""
        return 1 + max(organisation.party_id for organisation in self.organisations.all_newest())
