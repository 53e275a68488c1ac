"""Users, what they have registered, and what they may do, for people and programs (spec 13, 16)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003 - pydantic reads it

from pydantic import Field, PositiveInt
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator.bodies import Body, read, read_form, rows, without
from altinn_notifications.simulator.pages import ROWS
from altinn_notifications.simulator.parties import Grant, User, UserEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.registers import Registers
    from altinn_notifications.simulator.state import SimulatorState

_Text = Annotated[str, Field(min_length=1, max_length=320)]
_LARGEST_ID = 2**31 - 1
_Id = Annotated[PositiveInt, Field(le=_LARGEST_ID)]


class NewUser(Body):
    """Whom to make known."""

    user_id: _Id
    name: _Text | None = None


class EntryChange(Body):
    """A user's own addresses for an organisation; `services` are resource ids, none standing for all."""

    organization_number: _Text
    email: _Text | None = None
    mobile_number: _Text | None = None
    services: tuple[_Text, ...] = ()


class UserChange(Body):
    """Body of `PUT /sim/users/{id}`: what is absent stays; `contactPoints` are all of them."""

    name: _Text = ""
    national_identity_number: _Text | None = None
    user_name: _Text | None = None
    email: _Text | None = None
    mobile_number: _Text | None = None
    contact_points: tuple[EntryChange, ...] = ()

    _drop_what_is_only_shown = without("userId", "shows")


class GrantChange(Body):
    """One right, given or taken away."""

    user_id: _Id
    organization_number: _Text
    resource: _Text
    action: _Text = "read"
    is_granted: bool = True


class DialogChange(Body):
    """One person's sight of a dialog, given or taken away."""

    person: _Text
    dialog_id: UUID
    is_granted: bool = True


class GrantsChange(Body):
    """Body of `PUT /sim/grants`: what is not named stays."""

    grants: tuple[GrantChange, ...] = ()
    dialogs: tuple[DialogChange, ...] = ()


class UserPages:
    """All users, one of them to be edited, and rights."""

    def __init__(self, state: SimulatorState, pages: Pages) -> None:
        self._state, self._pages = state, pages

    @property
    def _registers(self) -> Registers:
        return self._state.registers

    def routes(self) -> list[BaseRoute]:
        """Everything below `/sim/users` and `/sim/grants`."""
        return [
            Route("/sim/users", self.users, methods=["GET"]),
            Route("/sim/users", self.add, methods=["POST"]),
            Route("/sim/users/{id:int}", self.user, methods=["GET"]),
            Route("/sim/users/{id:int}", self.put, methods=["PUT"]),
            Route("/sim/users/{id:int}", self.save, methods=["POST"]),
            Route("/sim/grants", self.grants, methods=["GET"]),
            Route("/sim/grants", self.put_grants, methods=["PUT"]),
            Route("/sim/grants", self.save_grant, methods=["POST"]),
        ]

    async def users(self, request: Request) -> Response:
        """Every user; a page shows the first hundred of those whose name, user name or id contains `search`."""
        search = request.query_params.get("search", "").strip()
        found = [user_json(user) for user in self._registers.users.values() if _matches(user, search.lower())]
        return self._pages.answer(request, "users.html", {"users": found}, search=search, rows=ROWS)

    async def add(self, request: Request) -> Response:
        """Make a user known, from the page's form."""
        form = {name: value for name, value in (await read_form(request)).items() if value}
        new = read(NewUser, {**form})
        self._registers.users.setdefault(new.user_id, _named(new.user_id, new.name))
        return RedirectResponse(f"/sim/users/{new.user_id}", 303)

    async def user(self, request: Request) -> Response:
        """One user."""
        user = self._registers.users.get(request.path_params["id"])
        if user is None:
            return self._pages.not_found(
                request, "No such user", "PUT the user here, or add it on the page of all users."
            )
        organisations = [(one.number, one.name or one.number) for one in self._registers.organisations.all_newest()]
        return self._pages.answer(
            request, "user.html", user_json(user), organisations=organisations, saved="saved" in request.query_params
        )

    async def put(self, request: Request) -> Response:
        """Edit a user, or make one known; visible at once. The answer is the whole user."""
        change = read(UserChange, await request.body())
        return JSONResponse(user_json(self._edit(request.path_params["id"], change)))

    async def save(self, request: Request) -> Response:
        """Edit a user from the page's form."""
        user = self._edit(request.path_params["id"], read(UserChange, form_change(await read_form(request))))
        return RedirectResponse(f"/sim/users/{user.id}?saved=1", 303)

    def _edit(self, user_id: int, change: UserChange) -> User:
        read(NewUser, {"userId": user_id})
        user = changed(self._registers.users.get(user_id) or _named(user_id, None), change)
        self._registers.users[user_id] = user
        return user

    async def grants(self, _request: Request) -> Response:
        """Every right, and who may see which dialog."""
        return JSONResponse(self._grants_json())

    async def put_grants(self, request: Request) -> Response:
        """Give rights, or take them away; the answer is all of them."""
        change = read(GrantsChange, await request.body())
        for grant in change.grants:
            self._apply(grant)
        for dialog in change.dialogs:
            sight = (dialog.person, str(dialog.dialog_id))
            (self._registers.dialogs.add if dialog.is_granted else self._registers.dialogs.discard)(sight)
        return JSONResponse(self._grants_json())

    async def save_grant(self, request: Request) -> Response:
        """Give a right, or take it away, from the page's form."""
        change = read(GrantChange, {**await read_form(request)})
        self._apply(change)
        return RedirectResponse(f"/sim/organizations/{change.organization_number}?saved=1#users", 303)

    def _apply(self, change: GrantChange) -> None:
        grant = Grant(change.user_id, change.organization_number, change.resource, change.action)
        if change.is_granted:
            self._registers.grant(grant)
        else:
            self._registers.grants.discard(grant)

    def _grants_json(self) -> dict[str, Any]:
        return {
            "grants": [_grant_json(grant) for grant in sorted(self._registers.grants)],
            "dialogs": [{"person": person, "dialogId": dialog} for person, dialog in sorted(self._registers.dialogs)],
        }


def _named(user_id: int, name: str | None) -> User:
    return User(user_id, name or f"Bruker {user_id}")


def _matches(user: User, search: str) -> bool:
    return any(search in text.lower() for text in (str(user.id), user.name, user.user_name or ""))


def _grant_json(grant: Grant) -> dict[str, Any]:
    return {
        "userId": grant.user_id,
        "organizationNumber": grant.organisation_number,
        "resource": grant.resource,
        "action": grant.action,
    }


def changed(user: User, change: UserChange) -> User:
    """The user after an edit."""
    given = change.model_dump(exclude_unset=True, exclude={"contact_points"})
    entries = tuple(map(_entry, change.contact_points)) if "contact_points" in change.model_fields_set else user.entries
    return replace(user, entries=entries, **given)


def _entry(change: EntryChange) -> UserEntry:
    return UserEntry(change.organization_number, change.email, change.mobile_number, frozenset(change.services))


def user_json(user: User) -> dict[str, Any]:
    """A user as the control endpoints speak of them."""
    return {
        "userId": user.id,
        "name": user.name,
        "nationalIdentityNumber": user.national_identity_number,
        "userName": user.user_name,
        "email": user.email,
        "mobileNumber": user.mobile_number,
        "contactPoints": [
            {
                "organizationNumber": entry.organisation_number,
                "email": entry.email,
                "mobileNumber": entry.mobile_number,
                "services": sorted(entry.services),
            }
            for entry in user.entries
        ],
        "shows": user.shows,
    }


def form_change(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says; a line without organisation is an entry taken away."""
    texts = ("name", "nationalIdentityNumber", "userName", "email", "mobileNumber")
    entries = rows(form, "contactPoints", "organizationNumber")
    return {**{name: form.get(name) or None for name in texts}, "contactPoints": [_form_entry(row) for row in entries]}


def _form_entry(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "organizationNumber": row["organizationNumber"],
        "email": row.get("email") or None,
        "mobileNumber": row.get("mobileNumber") or None,
        "services": row.get("services", "").replace(",", " ").split(),
    }
