"""Authorization: the decision point (spec 13, 12 and spec 12, 4), which evaluates the grants."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator.bodies import Question, read
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.observation import observed
from altinn_notifications.simulator.parties import Grant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.registers import Registers
    from altinn_notifications.simulator.state import SimulatorState

PATH: Final = "/authorization/api/v1/decision"
_USER: Final = "urn:altinn:userid"
_PARTY: Final = "urn:altinn:partyid"
_ACTION: Final = "urn:oasis:names:tc:xacml:1.0:action:action-id"
_RESOURCE: Final = "urn:altinn:resource"
_ORG: Final = "urn:altinn:org"
_APP: Final = "urn:altinn:app"
_SUBJECT_CATEGORY: Final = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
_ACTION_CATEGORY: Final = "urn:oasis:names:tc:xacml:3.0:attribute-category:action"
_RESOURCE_CATEGORY: Final = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
_STRING: Final = "http://www.w3.org/2001/XMLSchema#string"
_STATUS: Final = "urn:oasis:names:tc:xacml:1.0:status"
_LEVEL_TWO: Final = {
    "id": "urn:altinn:obligation:authenticationLevel1",
    "attributeAssignment": [
        {
            "attributeId": "urn:altinn:obligation1-assignment1",
            "value": "2",
            "category": "urn:altinn:minimum-authenticationlevel",
            "dataType": "http://www.w3.org/2001/XMLSchema#integer",
        }
    ],
}


class Attribute(Question):
    """One fact about who asks for what."""

    attribute_id: str
    value: str
    data_type: str | None = None
    include_in_result: bool = False


class Category(Question):
    """Facts of one kind; `id` is what references call them by."""

    id: str | None = None
    attribute: tuple[Attribute, ...] = ()


class Reference(Question):
    """One decision that is wanted: the ids of its categories."""

    reference_id: tuple[str, ...] = ()


class References(Question):
    """Every decision that is wanted."""

    request_reference: tuple[Reference, ...] = ()


class XacmlRequest(Question):
    """The question in XACML's JSON profile."""

    access_subject: tuple[Category, ...] = ()
    action: tuple[Category, ...] = ()
    resource: tuple[Category, ...] = ()
    multi_requests: References | None = None


class DecisionQuestion(Question):
    """Body of the call."""

    request: XacmlRequest


class _Undecidable(Exception):
    """The decision point cannot say yes or no to the whole request."""


_Chosen = list[tuple[str, "Category"]]


class Authorization:
    """The decision point."""

    def __init__(self, state: SimulatorState, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def routes(self) -> list[BaseRoute]:
        """The decision, seen in the calls."""
        return [Route(PATH, observed(self.decide, Target.AUTHORIZATION, self._state, self._clock), methods=["POST"])]

    async def decide(self, request: Request) -> Response:
        """A decision for each reference, or a single one that decides nothing (spec 12, 4.3)."""
        question = read(DecisionQuestion, await request.body())
        try:
            results = [_result(chosen, self._state.registers) for chosen in combinations(question.request)]
        except _Undecidable as error:
            results = [{"decision": "Indeterminate", "status": _status("processing-error", str(error))}]
        return JSONResponse({"response": results})


def combinations(request: XacmlRequest) -> list[_Chosen]:
    """The categories of each wanted decision. With fewer than two references all of them belong to a single one."""
    everything = [
        *((_SUBJECT_CATEGORY, category) for category in request.access_subject),
        *((_ACTION_CATEGORY, category) for category in request.action),
        *((_RESOURCE_CATEGORY, category) for category in request.resource),
    ]
    references = request.multi_requests.request_reference if request.multi_requests else []
    if len(references) <= 1:
        return [everything]
    by_id = {category.id: (kind, category) for kind, category in everything}
    try:
        return [[by_id[name] for name in reference.reference_id] for reference in references]
    except KeyError:
        raise _Undecidable("a reference names a category that is not there") from None


def _result(chosen: _Chosen, registers: Registers) -> dict[str, Any]:
    grant = _wanted(chosen, registers)
    if grant.resource not in registers.resources:
        raise _Undecidable("no policy exists for the resource")
    decision = {"status": _status("ok"), "category": _echo(chosen)}
    if grant in registers.grants:
        return {"decision": "Permit", "obligations": [_LEVEL_TWO], **decision}
    return {"decision": "NotApplicable", **decision}


def _wanted(chosen: _Chosen, registers: Registers) -> Grant:
    """Which grant would permit it. Raises `_Undecidable` unless every part is told exactly once."""
    values: Mapping[str, Sequence[str]] = _values(chosen)
    organisation = registers.organisation_of_party(_number(_only(values, _PARTY)))
    return Grant(
        user_id=_number(_only(values, _USER)),
        organisation_number=organisation.number if organisation else "",
        resource=_only(values, _RESOURCE)
        if _RESOURCE in values
        else f"app_{_only(values, _ORG)}_{_only(values, _APP)}",
        action=_only(values, _ACTION),
    )


def _values(chosen: _Chosen) -> dict[str, list[str]]:
    values = defaultdict(list)
    for _, category in chosen:
        for attribute in category.attribute:
            values[attribute.attribute_id].append(attribute.value)
    return values


def _only(values: Mapping[str, Sequence[str]], name: str) -> str:
    found = values.get(name, ())
    if len(found) != 1:
        raise _Undecidable(f"{name} is not told exactly once")
    return found[0]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise _Undecidable("a user or party id is not a number")
    return int(text)


def _echo(chosen: _Chosen) -> list[dict[str, Any]]:
    """The attributes that the question wants back, by category."""
    wanted = ((kind, [one for one in category.attribute if one.include_in_result]) for kind, category in chosen)
    return [{"categoryId": kind, "attribute": _told(attributes)} for kind, attributes in wanted if attributes]


def _told(attributes: Iterable[Attribute]) -> list[dict[str, Any]]:
    return [
        {"attributeId": one.attribute_id, "value": one.value, "dataType": one.data_type or _STRING}
        for one in attributes
    ]


def _status(code: str, message: str | None = None) -> dict[str, Any]:
    return {"statusCode": {"value": f"{_STATUS}:{code}"}, **({"statusMessage": message} if message else {})}
