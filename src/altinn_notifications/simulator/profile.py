"""Profile: who can be reached, and where (spec 13, 12), by Profile's own rules (spec 12, 2.2 to 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import unquote

from annotated_types import MinLen
from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.orders.rules import RESOURCE_PREFIX
from altinn_notifications.simulator.bodies import Question, read
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.observation import observed
from altinn_notifications.simulator.parties import User

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.parties import (
        AddressRecord,
        ContactPoint,
        OfficialAddress,
        Organisation,
        Person,
        UserEntry,
    )
    from altinn_notifications.simulator.registers import Registers
    from altinn_notifications.simulator.state import SimulatorState

BASE: Final = "/profile/api/v1"
_EMAIL_USER: Final = "urn:altinn:person:idporten-email:"
_NAMED_USER: Final = (
    "urn:altinn:party:username:",
    "urn:altinn:username:",
    "urn:altinn:person:legacy-selfidentified:",
)

_Numbers = Annotated[list[Annotated[str, Field(pattern=r"\S")]], MinLen(1)]


class PersonQuestion(Question):
    """Body of the persons' lookup."""

    national_identity_numbers: list[str]
    use_stale_contact_info: bool = False


class ExternalQuestion(Question):
    """Body of the lookup of users without an identity number."""

    external_identities: list[str]


class OrganisationQuestion(Question):
    """Body of the lookup of official addresses."""

    organization_numbers: _Numbers


class UnitQuestion(Question):
    """Body of the lookup of what users have registered for organisations."""

    organization_numbers: _Numbers
    resource_id: Annotated[str, Field(pattern=r"\S")]


class Profile:
    """The four lookups."""

    def __init__(self, state: SimulatorState, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def routes(self) -> list[BaseRoute]:
        """Every lookup, seen in the calls."""
        lookups = {
            "users/contactpoint/lookup": self.persons,
            "users/contactpoint/lookupsi": self.external_identities,
            "organizations/notificationaddresses/lookup": self.organisations,
            "units/contactpoint/lookup": self.units,
        }
        return [
            Route(f"{BASE}/{path}", observed(lookup, Target.PROFILE, self._state, self._clock), methods=["POST"])
            for path, lookup in lookups.items()
        ]

    async def persons(self, request: Request) -> Response:
        """Persons by identity number."""
        question, now = read(PersonQuestion, await request.body()), self._clock.now()
        found = (self._state.registers.persons.visible(number, now) for number in _distinct(question))
        points = (person_point(person, now, question.use_stale_contact_info) for person in found if person)
        return _answer(points)

    async def external_identities(self, request: Request) -> Response:
        """Users by URN."""
        question = read(ExternalQuestion, await request.body())
        urns = dict.fromkeys(question.external_identities)
        return _answer(external_point(urn, self._state.registers) for urn in urns)

    async def organisations(self, request: Request) -> Response:
        """Official addresses by organisation number."""
        question, now = read(OrganisationQuestion, await request.body()), self._clock.now()
        numbers = dict.fromkeys(question.organization_numbers)
        return _answer(organisation_point(number, self._state.registers, now) for number in numbers)

    async def units(self, request: Request) -> Response:
        """Users' addresses by organisation number, for one service."""
        question = read(UnitQuestion, await request.body())
        service = question.resource_id.strip().removeprefix(RESOURCE_PREFIX)
        registers, entries = self._state.registers, self._state.registers.entries()
        units = [registers.organisations.newest(number) for number in dict.fromkeys(question.organization_numbers)]
        return _answer(unit_point(unit, entries.get(unit.number, ()), service) for unit in units if unit)


def person_point(person: Person, now: datetime, use_stale: bool) -> dict[str, Any] | None:  # noqa: FBT001 - Profile's own
    """A person as Profile tells of them at `now`, or None: then the reservation is not told either.

    Without `use_stale` an outdated address is left out, and so is a person who has no other. Source: spec 12, 2.2.
    """
    email, mobile = person.email, person.mobile
    if not use_stale and not (_is_usable(email, now) or _is_usable(mobile, now)):
        return None
    return {
        "userId": 0,
        "nationalIdentityNumber": person.number,
        "isReserved": person.is_reserved,
        "mobileNumber": _told(mobile, now, use_stale),
        "mobileNumberIsOutdated": not _is_usable(mobile, now),
        "email": _told(email, now, use_stale),
        "emailIsOutdated": not _is_usable(email, now),
    }


def _is_usable(point: ContactPoint | None, now: datetime) -> bool:
    return point is not None and not point.is_outdated(now)


def _told(point: ContactPoint | None, now: datetime, use_stale: bool) -> str | None:  # noqa: FBT001 - as above
    return point.address if point and (use_stale or _is_usable(point, now)) else None


def external_point(urn: str, registers: Registers) -> dict[str, Any] | None:
    """A user as Profile tells of them; one who logs in by email is always reached there. Source: spec 12, 2.3."""
    folded = urn.lower()
    if folded.startswith(_EMAIL_USER):
        address = unquote(urn[len(_EMAIL_USER) :])
        user = registers.user_named(f"epost:{address}") or User(0, "")
        return _external(urn, user.email or address, user.mobile_number)
    prefix = next((prefix for prefix in _NAMED_USER if folded.startswith(prefix)), None)
    known = registers.user_named(unquote(urn[len(prefix) :])) if prefix else None
    return _external(urn, known.email, known.mobile_number) if known else None


def _external(urn: str, email: str | None, mobile_number: str | None) -> dict[str, Any] | None:
    if not email and not mobile_number:
        return None
    return {"mobileNumber": mobile_number, "email": email, "externalIdentity": urn}


def organisation_point(number: str, registers: Registers, now: datetime) -> dict[str, Any] | None:
    """An organisation's official addresses, or its main unit's if it has no record. Source: spec 12, 2.4."""
    organisation = registers.organisations.visible(number, now)
    origin = _with_record(organisation, registers, now)
    if origin is None or origin.record is None:
        return None
    return {
        "organizationNumber": number,
        "addressOrigin": origin.number,
        "partyId": 0,
        **_counting(origin.record),
    }


def _with_record(organisation: Organisation | None, registers: Registers, now: datetime) -> Organisation | None:
    if organisation is None or organisation.record is not None or organisation.main_unit is None:
        return organisation
    return registers.organisations.visible(organisation.main_unit, now)


def _counting(record: AddressRecord) -> dict[str, list[str]]:
    return {"mobileNumberList": _counted(record.mobile_numbers), "emailList": _counted(record.emails)}


def _counted(addresses: Iterable[OfficialAddress]) -> list[str]:
    return [one.address for one in addresses if one.counts]


def unit_point(unit: Organisation, entries: Iterable[tuple[User, UserEntry]], service: str) -> dict[str, Any] | None:
    """What users who want to hear of `service` have registered for an organisation. Source: spec 12, 2.5."""
    users = [_user(user, entry) for user, entry in entries if _serves(entry, service)]
    if not users:
        return None
    return {"organizationNumber": unit.number, "partyId": unit.party_id, "userContactPoints": users}


def _serves(entry: UserEntry, service: str) -> bool:
    return bool(entry.email or entry.mobile_number) and (not entry.services or service in entry.services)


def _user(user: User, entry: UserEntry) -> dict[str, Any]:
    return {"userId": user.id, "email": entry.email, "mobileNumber": entry.mobile_number}


def _distinct(question: PersonQuestion) -> Iterable[str]:
    return dict.fromkeys(question.national_identity_numbers)


def _answer(points: Iterable[dict[str, Any] | None]) -> Response:
    return JSONResponse({"contactPointsList": [point for point in points if point is not None]})
