"""Register: what persons and organisations are called (spec 13, 12 and spec 12, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from annotated_types import MaxLen
from pydantic import model_validator
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.authentication.tokens import TokenRefused
from altinn_notifications.platform.check_digits import is_identity_number, is_organization_number
from altinn_notifications.simulator.bodies import Question, read
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.observation import observed
from altinn_notifications.simulator.tokens import bearer_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.registers import Registers
    from altinn_notifications.simulator.state import SimulatorState
    from altinn_notifications.simulator.tokens import TokenState

PATH: Final = "/register/api/v1/parties/nameslookup"
ADMIN_SCOPE: Final = "altinn:register/partylookup.admin"
MOST_PARTIES: Final = 1000
_PERSON_NAME: Final = "person-name"
_PARTS_OF_A_SHORT_NAME: Final = 2


class Party(Question):
    """One party to be named: by exactly one number, with the right check digits."""

    org_no: str | None = None
    ssn: str | None = None

    @model_validator(mode="after")
    def _is_one_right_number(self) -> Self:
        if (self.org_no is None) == (self.ssn is None):
            raise ValueError("exactly one of orgNo and ssn is needed")
        if self.org_no is not None and not is_organization_number(self.org_no):
            raise ValueError("orgNo has wrong check digits")
        if self.ssn is not None and not is_identity_number(self.ssn):
            raise ValueError("ssn has wrong check digits")
        return self


class NamesQuestion(Question):
    """Body of the lookup."""

    parties: Annotated[list[Party], MaxLen(MOST_PARTIES)]


class Register:
    """The lookup of names, for those who show a platform access token of the platform itself, or the admin scope."""

    def __init__(self, state: SimulatorState, tokens: TokenState, clock: Clock) -> None:
        self._state, self._tokens, self._clock = state, tokens, clock

    def routes(self) -> list[BaseRoute]:
        """The lookup, seen in the calls."""
        return [Route(PATH, observed(self.names, Target.REGISTER, self._state, self._clock), methods=["POST"])]

    async def names(self, request: Request) -> Response:
        """A name, or null, for each party that is asked for; one wrong number refuses them all."""
        refusal = self._refusal(request)
        if refusal is not None:
            return Response(status_code=refusal)
        question = read(NamesQuestion, await request.body())
        options = request.query_params.get("partyComponentOption", "")
        if options and set(options.split(",")) != {_PERSON_NAME}:
            return JSONResponse({"errors": {"partyComponentOption": [f"Only {_PERSON_NAME} is known."]}}, 400)
        registers = self._state.registers
        return JSONResponse(
            {"partyNames": [named(party, registers, in_parts=bool(options)) for party in question.parties]}
        )

    def _refusal(self, request: Request) -> int | None:
        now = self._tokens.clock.now()
        try:
            self._tokens.keys.access_token("platform").claims_of(request.headers.get("platformaccesstoken", ""), now)
        except TokenRefused:
            return self._refusal_of_bearer(request)
        return None

    def _refusal_of_bearer(self, request: Request) -> int | None:
        try:
            claims: Mapping[str, Any] = self._tokens.keys.openid.claims_of(bearer_in(request), self._tokens.clock.now())
        except TokenRefused:
            return 401
        return None if ADMIN_SCOPE in str(claims.get("scope")).split() else 403


def named(party: Party, registers: Registers, *, in_parts: bool) -> dict[str, Any]:
    """The answer about one party; a person's name also `in_parts` if that was asked for."""
    if party.org_no is not None:
        organisation = registers.organisations.newest(party.org_no)
        return {"ssn": None, "orgNo": party.org_no, "name": organisation and organisation.name}
    name = registers.name_of_person(party.ssn or "")
    answer = {"ssn": party.ssn, "orgNo": None, "name": name}
    return {**answer, "personName": _parts(name)} if in_parts else answer


def _parts(name: str | None) -> dict[str, str | None] | None:
    words = name.split() if name else []
    if len(words) < _PARTS_OF_A_SHORT_NAME:
        return None
    return {"firstName": words[0], "middleName": " ".join(words[1:-1]) or None, "lastName": words[-1]}
