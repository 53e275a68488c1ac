"""Organisations, their addresses, and who may act for them, for people and programs (spec 13, 16)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.platform.check_digits import is_organization_number
from altinn_notifications.simulator.bodies import Body, read, read_form, rows, without
from altinn_notifications.simulator.pages import ROWS
from altinn_notifications.simulator.parties import AddressRecord, OfficialAddress, Organisation
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.parties import User, UserEntry
    from altinn_notifications.simulator.state import SimulatorState

_KINDS: Final = ("emails", "mobileNumbers")
_Text = Annotated[str, Field(min_length=1, max_length=320)]


def _organisation_number(number: str) -> str:
    if not is_organization_number(number):
        raise ValueError("nine digits with the right check digit are needed")
    return number


_Number = Annotated[str, AfterValidator(_organisation_number)]


class NewOrganisation(Body):
    """What to make known."""

    organization_number: _Number
    name: _Text | None = None


class AddressChange(Body):
    """One official address."""

    address: _Text
    is_accepted: bool = True
    is_deleted: bool = False


class RecordChange(Body):
    """All addresses of an organisation; one that is only a text counts."""

    emails: tuple[_Text | AddressChange, ...] = ()
    mobile_numbers: tuple[_Text | AddressChange, ...] = ()


class OrganisationChange(Body):
    """Body of `PUT /sim/organizations/{orgno}`: what is absent stays; without `addresses` (null) there is no record."""

    name: _Text | None = None
    main_unit: _Number | None = None
    addresses: RecordChange | None = None

    _drop_what_is_only_shown = without("organizationNumber", "partyId", "users", "visibleFrom", "shows")


class OrganisationPages:
    """All organisations, and one of them to be edited."""

    def __init__(self, state: SimulatorState, clock: Clock, pages: Pages) -> None:
        self._state, self._clock, self._pages = state, clock, pages

    def routes(self) -> list[BaseRoute]:
        """Everything below `/sim/organizations`."""
        return [
            Route("/sim/organizations", self.organisations, methods=["GET"]),
            Route("/sim/organizations", self.add, methods=["POST"]),
            Route("/sim/organizations/{number}", self.organisation, methods=["GET"]),
            Route("/sim/organizations/{number}", self.put, methods=["PUT"]),
            Route("/sim/organizations/{number}", self.save, methods=["POST"]),
        ]

    async def organisations(self, request: Request) -> Response:
        """Every organisation, without its users."""
        entries = self._state.registers.entries()
        organisations = [
            {**self._json(organisation), "userCount": len(entries.get(organisation.number, ()))}
            for organisation in self._state.registers.organisations.all_newest()
        ]
        return self._pages.answer(request, "organisations.html", {"organizations": organisations})

    async def add(self, request: Request) -> Response:
        """Make an organisation known, from the page's form."""
        form = {name: value for name, value in (await read_form(request)).items() if value}
        new = read(NewOrganisation, {**form})
        self._put(self._known(new.organization_number, new.name))
        return RedirectResponse(f"/sim/organizations/{new.organization_number}", 303)

    async def organisation(self, request: Request) -> Response:
        """One organisation with its users."""
        organisation = self._state.registers.organisations.newest(request.path_params["number"])
        if organisation is None:
            return self._pages.not_found(
                request,
                "No such organisation here",
                "Look-ups leave the number out. PUT the organisation here, or add it on the page of all organisations.",
            )
        others = [other for other in self._state.registers.organisations.all_newest() if other is not organisation]
        return self._pages.answer(
            request,
            "organisation.html",
            self._with_users(organisation),
            units=[(other.number, other.name or other.number) for other in others],
            resources=sorted(self._state.registers.resources),
            rows=ROWS,
            saved="saved" in request.query_params,
        )

    async def put(self, request: Request) -> Response:
        """Edit an organisation, or make one known; the answer is the whole organisation."""
        change = read(OrganisationChange, await request.body())
        return JSONResponse(self._with_users(self._edit(request.path_params["number"], change)))

    async def save(self, request: Request) -> Response:
        """Edit an organisation from the page's form."""
        number = request.path_params["number"]
        self._edit(number, read(OrganisationChange, form_change(await read_form(request))))
        return RedirectResponse(f"/sim/organizations/{number}?saved=1", 303)

    def _edit(self, number: str, change: OrganisationChange) -> Organisation:
        read(NewOrganisation, {"organizationNumber": number})
        return self._put(changed(self._known(number), change))

    def _known(self, number: str, name: str | None = None) -> Organisation:
        registers = self._state.registers
        return registers.organisations.newest(number) or Organisation(number, registers.next_party_id(), name)

    def _put(self, organisation: Organisation) -> Organisation:
        self._state.registers.organisations.put(
            organisation.number, organisation, self._clock.now(), self._state.behaviour.contact_delay
        )
        return organisation

    def _with_users(self, organisation: Organisation) -> dict[str, Any]:
        entries = self._state.registers.entries().get(organisation.number, [])
        return {**self._json(organisation), "users": [self._user(user, entry) for user, entry in entries]}

    def _user(self, user: User, entry: UserEntry) -> dict[str, Any]:
        held = sorted(
            grant
            for grant in self._state.registers.grants
            if (grant.user_id, grant.organisation_number) == (user.id, entry.organisation_number)
        )
        return {
            "userId": user.id,
            "name": user.name,
            "email": entry.email,
            "mobileNumber": entry.mobile_number,
            "services": sorted(entry.services),
            "grants": [{"resource": grant.resource, "action": grant.action} for grant in held],
        }

    def _json(self, organisation: Organisation) -> dict[str, Any]:
        visible_from = self._state.registers.organisations.spreads_at(organisation.number, self._clock.now())
        return {**organisation_json(organisation), "visibleFrom": visible_from and to_wire(visible_from)}


def changed(organisation: Organisation, change: OrganisationChange) -> Organisation:
    """The organisation after an edit."""
    given = change.model_fields_set
    return replace(
        organisation,
        name=change.name if "name" in given else organisation.name,
        main_unit=change.main_unit if "main_unit" in given else organisation.main_unit,
        record=_record(change.addresses) if "addresses" in given else organisation.record,
    )


def _record(change: RecordChange | None) -> AddressRecord | None:
    return AddressRecord(_addresses(change.emails), _addresses(change.mobile_numbers)) if change else None


def _addresses(changes: Iterable[str | AddressChange]) -> tuple[OfficialAddress, ...]:
    return tuple(
        OfficialAddress(one) if isinstance(one, str) else OfficialAddress(one.address, one.is_accepted, one.is_deleted)
        for one in changes
    )


def organisation_json(organisation: Organisation) -> dict[str, Any]:
    """An organisation as the control endpoints speak of it."""
    record = organisation.record
    return {
        "organizationNumber": organisation.number,
        "partyId": organisation.party_id,
        "name": organisation.name,
        "mainUnit": organisation.main_unit,
        "addresses": record
        and {
            "emails": [_address_json(one) for one in record.emails],
            "mobileNumbers": [_address_json(one) for one in record.mobile_numbers],
        },
        "shows": organisation.shows,
    }


def _address_json(address: OfficialAddress) -> dict[str, Any]:
    return {"address": address.address, "isAccepted": address.is_accepted, "isDeleted": address.is_deleted}


def form_change(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says; an emptied line is an address taken away, and without the tick there is no record."""
    addresses = {kind: [_form_address(row) for row in rows(form, kind, "address")] for kind in _KINDS}
    return {
        "name": form.get("name") or None,
        "mainUnit": form.get("mainUnit") or None,
        "addresses": addresses if "hasRecord" in form else None,
    }


def _form_address(row: Mapping[str, str]) -> dict[str, Any]:
    return {"address": row["address"], "isAccepted": "isAccepted" in row, "isDeleted": "isDeleted" in row}
