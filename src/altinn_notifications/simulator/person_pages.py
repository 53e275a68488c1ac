"""The persons of the contact register, for people and programs (spec 13, 16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, Field
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.platform.check_digits import is_identity_number
from altinn_notifications.simulator.bodies import Body, read, read_form, without
from altinn_notifications.simulator.pages import OSLO, day
from altinn_notifications.simulator.parties import MONTHS_OF_TRUST, ContactPoint, Person, months_before
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState

_TEXTS: Final = ("name", "email", "mobileNumber")
_DATES: Final = ("emailLastUpdated", "emailLastVerified", "mobileNumberLastUpdated", "mobileNumberLastVerified")
_Text = Annotated[str, Field(min_length=1, max_length=320)]


def _identity_number(number: str) -> str:
    if not is_identity_number(number):
        raise ValueError("eleven digits with the right check digits are needed")
    return number


class NewPerson(Body):
    """Whom to make known."""

    national_identity_number: Annotated[str, AfterValidator(_identity_number)]
    name: _Text | None = None


class PersonChange(Body):
    """Body of `PUT /sim/persons/{nin}`: what is absent stays. A new address without dates is fresh."""

    name: _Text | None = None
    email: _Text | None = None
    email_last_updated: AwareDatetime | None = None
    email_last_verified: AwareDatetime | None = None
    mobile_number: _Text | None = None
    mobile_number_last_updated: AwareDatetime | None = None
    mobile_number_last_verified: AwareDatetime | None = None
    is_reserved: bool = False

    _drop_what_is_only_shown = without(
        "nationalIdentityNumber", "emailIsOutdated", "mobileNumberIsOutdated", "visibleFrom", "shows"
    )


class PersonPages:
    """All persons, and one of them to be edited."""

    def __init__(self, state: SimulatorState, clock: Clock, pages: Pages) -> None:
        self._state, self._clock, self._pages = state, clock, pages

    def routes(self) -> list[BaseRoute]:
        """Everything below `/sim/persons`."""
        return [
            Route("/sim/persons", self.persons, methods=["GET"]),
            Route("/sim/persons", self.add, methods=["POST"]),
            Route("/sim/persons/{number}", self.person, methods=["GET"]),
            Route("/sim/persons/{number}", self.put, methods=["PUT"]),
            Route("/sim/persons/{number}", self.save, methods=["POST"]),
        ]

    async def persons(self, request: Request) -> Response:
        """Every person."""
        persons = [self._json(person) for person in self._state.registers.persons.all_newest()]
        return self._pages.answer(request, "persons.html", {"persons": persons}, saved=_was_saved(request))

    async def add(self, request: Request) -> Response:
        """Make a person known to the register, from the page's form."""
        form = {name: value for name, value in (await read_form(request)).items() if value}
        new = read(NewPerson, {**form})
        known = self._state.registers.persons.newest(new.national_identity_number)
        self._put(known or Person(new.national_identity_number, new.name))
        return RedirectResponse(f"/sim/persons/{new.national_identity_number}", 303)

    async def person(self, request: Request) -> Response:
        """One person."""
        person = self._state.registers.persons.newest(request.path_params["number"])
        if person is None:
            return self._pages.not_found(
                request,
                "No such person here",
                "Look-ups leave the number out, and Register knows no name for it. "
                "PUT the person here, or add it on the page of all persons.",
            )
        trusted_since = months_before(self._clock.now(), MONTHS_OF_TRUST)
        return self._pages.answer(
            request, "person.html", self._json(person), trusted_since=to_wire(trusted_since), saved=_was_saved(request)
        )

    async def put(self, request: Request) -> Response:
        """Edit a person, or make one known; the answer is the whole person."""
        change = read(PersonChange, await request.body())
        return JSONResponse(self._json(self._edit(request.path_params["number"], change)))

    async def save(self, request: Request) -> Response:
        """Edit a person from the page's form, of which only what differs from the page counts."""
        number = request.path_params["number"]
        person = self._state.registers.persons.newest(number) or Person(number)
        change = form_change(await read_form(request), self._json(person))
        self._edit(number, read(PersonChange, change))
        return RedirectResponse(f"/sim/persons/{number}?saved=1", 303)

    def _edit(self, number: str, change: PersonChange) -> Person:
        read(NewPerson, {"nationalIdentityNumber": number})
        person = self._state.registers.persons.newest(number) or Person(number)
        return self._put(changed(person, change.model_dump(exclude_unset=True), self._clock.now()))

    def _put(self, person: Person) -> Person:
        self._state.registers.persons.put(person.number, person, self._clock.now(), self._state.behaviour.contact_delay)
        return person

    def _json(self, person: Person) -> dict[str, Any]:
        now = self._clock.now()
        visible_from = self._state.registers.persons.spreads_at(person.number, now)
        return {**person_json(person, now), "visibleFrom": _wire(visible_from)}


def changed(person: Person, change: Mapping[str, Any], now: datetime) -> Person:
    """The person after an edit at `now`."""
    return replace(
        person,
        name=change.get("name", person.name),
        email=_changed_point(person.email, change, "email", now),
        mobile=_changed_point(person.mobile, change, "mobile_number", now),
        is_reserved=change.get("is_reserved", person.is_reserved),
    )


def _changed_point(
    before: ContactPoint | None, change: Mapping[str, Any], name: str, now: datetime
) -> ContactPoint | None:
    address = change.get(name, before and before.address)
    if address is None:
        return None
    if before is None or address != before.address:
        before = ContactPoint(address, last_updated=now)
    return ContactPoint(
        address,
        change.get(f"{name}_last_updated", before.last_updated),
        change.get(f"{name}_last_verified", before.last_verified),
    )


def person_json(person: Person, now: datetime) -> dict[str, Any]:
    """A person as the control endpoints speak of them at `now`."""
    return {
        "nationalIdentityNumber": person.number,
        "name": person.name,
        **_point_json("email", person.email, now),
        **_point_json("mobileNumber", person.mobile, now),
        "isReserved": person.is_reserved,
        "shows": person.shows,
    }


def _point_json(name: str, point: ContactPoint | None, now: datetime) -> dict[str, Any]:
    return {
        name: point and point.address,
        f"{name}LastUpdated": _wire(point.last_updated) if point else None,
        f"{name}LastVerified": _wire(point.last_verified) if point else None,
        f"{name}IsOutdated": bool(point and point.is_outdated(now)),
    }


def form_change(form: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """What the form's fields say that the page did not show; a date that was not touched keeps its time of day."""
    texts = {name: form.get(name) or None for name in _TEXTS}
    dates = {name: form.get(name) or None for name in _DATES}
    return {
        **{name: text for name, text in texts.items() if text != shown[name]},
        **{name: date and _midnight(date) for name, date in dates.items() if date != _day(shown[name])},
        "isReserved": "isReserved" in form,
    }


def _midnight(date: str) -> datetime | str:
    """The beginning of a day in Oslo; what is no date stays, to be refused by name."""
    try:
        return datetime.fromisoformat(date).replace(tzinfo=OSLO)
    except ValueError:
        return date


def _day(moment: str | None) -> str | None:
    return day(moment) if moment else None


def _wire(moment: datetime | None) -> str | None:
    return to_wire(moment) if moment else None


def _was_saved(request: Request) -> bool:
    return "saved" in request.query_params
