"""Send conditions to try: endpoints that answer as they are told (spec 13, 13)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.authentication.tokens import TokenRefused
from altinn_notifications.simulator.bodies import Body, read
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.clients import CONDITION_SCOPE
from altinn_notifications.simulator.observation import LateAnswer, observed
from altinn_notifications.simulator.tokens import bearer_in
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.state import SimulatorState
    from altinn_notifications.simulator.tokens import TokenState

MOST_CALLS: Final = 500
MOST_CONDITIONS: Final = 1000
_LONGEST_DELAY_MS: Final = 600_000
_WITHOUT_BODY: Final = frozenset({204, 205, 304})  # RFC 9110, 15
_NAME: Final = r"^[A-Za-z0-9._-]{1,60}$"


class Step(Body):
    """One answer. `sendNotification` is written as given, of whatever type; a `body` is sent instead of it."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    send_notification: Any = True
    delay_ms: Annotated[int, Field(ge=0, le=_LONGEST_DELAY_MS)] = 0
    body: str | None = None

    def answer(self) -> Response:
        """As HTTP, after its delay."""
        if self.status in _WITHOUT_BODY:
            answer: Response = Response(status_code=self.status)
        elif self.body is None:
            answer = JSONResponse({"sendNotification": self.send_notification}, self.status)
        else:
            answer = Response(self.body, self.status, media_type="application/json")
        return LateAnswer(answer, timedelta(milliseconds=self.delay_ms)) if self.delay_ms else answer


class Answers(Step):
    """Body of `PUT /sim/conditions/{name}`: first each step of `sequence` once, then itself for ever."""

    sequence: tuple[Step, ...] = ()

    def after(self, calls: int) -> Step:
        """The answer to the next call after so many."""
        return self.sequence[calls] if calls < len(self.sequence) else self


SEEDED: Final[Mapping[str, Answers]] = {
    "always": Answers(),
    "never": Answers(send_notification=False),
    "flip": Answers(sequence=(Step(),), send_notification=False),
    "fail-once": Answers(sequence=(Step(status=500),)),
    "fail": Answers(status=500),
    "slow": Answers(delay_ms=60_000),
    "nobody": Answers(body=""),
    "wrongtype": Answers(send_notification="true"),
    "unauthorized-once": Answers(sequence=(Step(status=401),)),
}


@dataclass(frozen=True, slots=True)
class ConditionCall:
    """Somebody asked. `claims` are the token's, or None for a token that was not accepted."""

    at: datetime
    status: int
    query: str
    claims: Mapping[str, Any] | None

    def dump(self) -> dict[str, Any]:
        """As the control endpoints show it."""
        claims = None if self.claims is None else dict(self.claims)
        return {"at": to_wire(self.at), "status": self.status, "query": self.query, "claims": claims}


@dataclass(slots=True)
class Condition:
    """An endpoint: what it answers, and who has asked. Each query string goes through the sequence by itself."""

    answers: Answers
    calls: deque[ConditionCall] = field(default_factory=lambda: deque(maxlen=MOST_CALLS))
    answered: dict[str, int] = field(default_factory=dict)

    def next_step(self, query: str) -> Step:
        """The answer to this call; counts it."""
        calls = self.answered.pop(query, 0)
        self.answered[query] = calls + 1
        if len(self.answered) > MOST_CALLS:
            del self.answered[next(iter(self.answered))]
        return self.answers.after(calls)

    def restart(self, answers: Answers) -> None:
        """Answer so from now on, from the beginning; calls stay in the list."""
        self.answers = answers
        self.answered.clear()


class Conditions:
    """Every endpoint by name."""

    def __init__(self) -> None:
        self.changes = 0
        """Grows with every call and every new answer."""
        self.clear()

    def clear(self) -> None:
        """Back to the seeded ones, without calls."""
        self.by_name = {name: Condition(answers) for name, answers in SEEDED.items()}
        self.changes += 1

    def put(self, name: str, answers: Answers) -> Condition:
        """Let `name` answer so; a condition that is new pushes out the oldest when there are too many."""
        condition = self.by_name.setdefault(name, Condition(answers))
        condition.restart(answers)
        if len(self.by_name) > MOST_CONDITIONS:
            del self.by_name[next(iter(self.by_name))]
        self.changes += 1
        return condition


class ConditionEndpoints:
    """What the service asks, and how programs say what it is to be answered."""

    def __init__(self, state: SimulatorState, tokens: TokenState, clock: Clock) -> None:
        self._state, self._tokens, self._clock = state, tokens, clock

    def routes(self) -> list[BaseRoute]:
        """Asking, seen in the calls, and telling."""
        asked = observed(self.answer, Target.CONDITION, self._state, self._clock)
        return [
            Route("/sim/conditions/{name}", asked, methods=["GET"]),
            Route("/sim/conditions/{name}", self.put, methods=["PUT"]),
        ]

    async def answer(self, request: Request) -> Response:
        """What the condition is set to answer; 401 without a Maskinporten token of the right scope, 404 if unknown."""
        condition = self._state.conditions.by_name.get(request.path_params["name"])
        if condition is None:
            return Response(status_code=404)
        query, claims = request.url.query, self._claims(request)
        step = condition.next_step(query) if claims is not None else Step(status=401, body="")
        condition.calls.append(ConditionCall(self._clock.now(), step.status, query, claims))
        self._state.conditions.changes += 1
        return step.answer()

    def _claims(self, request: Request) -> Mapping[str, Any] | None:
        try:
            claims = self._tokens.maskinporten.claims_of(bearer_in(request), self._tokens.clock.now())
        except TokenRefused:
            return None
        return claims if CONDITION_SCOPE in str(claims.get("scope")).split() else None

    async def put(self, request: Request) -> Response:
        """Set what a condition answers; an unknown name becomes known."""
        name = read(_Name, {"name": request.path_params["name"]}).name
        condition = self._state.conditions.put(name, read(Answers, await request.body()))
        return JSONResponse(condition_json(name, condition))


class _Name(Body):
    name: Annotated[str, Field(pattern=_NAME)]


def condition_json(name: str, condition: Condition) -> dict[str, Any]:
    """A condition as the control endpoints speak of it."""
    return {
        "name": name,
        "answers": condition.answers.model_dump(by_alias=True, exclude_none=True),
        "callCount": len(condition.calls),
    }
