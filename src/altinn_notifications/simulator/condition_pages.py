"""The send conditions for people: what each answers, and who has asked (spec 13, 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator.bodies import read, read_form
from altinn_notifications.simulator.conditions import Answers, condition_json
from altinn_notifications.simulator.pages import ROWS, no_news, polling, wants_html

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.simulator.conditions import Step
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState

_SAYS: Final = {"true": True, "false": False}


class ConditionPages:
    """All conditions, and the calls to one of them."""

    def __init__(self, base_url: str, state: SimulatorState, pages: Pages) -> None:
        self._base_url, self._state, self._pages = base_url, state, pages

    def routes(self) -> list[BaseRoute]:
        """The list, and one condition's calls with what it answers."""
        return [
            Route("/sim/conditions", self.conditions, methods=["GET"]),
            Route("/sim/conditions/{name}/calls", self.calls, methods=["GET"]),
            Route("/sim/conditions/{name}/calls", self.save, methods=["POST"]),
        ]

    async def conditions(self, request: Request) -> Response:
        """Every condition."""
        poll_url, is_unchanged = polling(request, self._state.conditions.changes)
        if is_unchanged:
            return no_news()
        known = self._state.conditions.by_name.items()
        data = {"conditions": [{**condition_json(name, one), "says": in_words(one.answers)} for name, one in known]}
        return self._pages.answer(request, "conditions.html", data, base_url=self._base_url, poll_url=poll_url)

    async def calls(self, request: Request) -> Response:
        """Who has asked one condition, the newest first; a page shows the newest hundred."""
        poll_url, is_unchanged = polling(request, self._state.conditions.changes)
        if is_unchanged:
            return no_news()
        name = request.path_params["name"]
        condition = self._state.conditions.by_name.get(name)
        if condition is None:
            return self._pages.not_found(
                request, "No such condition", "PUT its answers to /sim/conditions/ and its name, and it exists."
            )
        calls = [call.dump() for call in reversed(condition.calls)]
        data = {**condition_json(name, condition), "calls": calls[:ROWS] if wants_html(request) else calls}
        return self._pages.answer(
            request,
            "condition.html",
            data,
            url=f"{self._base_url}/sim/conditions/{name}",
            says=in_words(condition.answers),
            poll_url=poll_url,
        )

    async def save(self, request: Request) -> Response:
        """Answer anew from the page's form: as the condition is set, from the beginning, or otherwise from now on."""
        name, form = request.path_params["name"], await read_form(request)
        condition = self._state.conditions.by_name.get(name)
        answers = condition.answers if condition and "again" in form else read(Answers, form_answers(form))
        self._state.conditions.put(name, answers)
        return RedirectResponse(f"/sim/conditions/{name}/calls", 303)


def form_answers(form: Mapping[str, str]) -> dict[str, Any]:
    """One answer for ever, as the form says it; what is neither true nor false is written as text."""
    says = form.get("sendNotification", "true")
    return {"status": form.get("status", "200"), "sendNotification": _SAYS.get(says, says)}


def in_words(answers: Answers) -> str:
    """What a condition answers, call by call."""
    steps: Sequence[Step] = [*answers.sequence, answers]
    return ", then ".join(_step_in_words(step) for step in steps)


def _step_in_words(step: Step) -> str:
    said = "an empty body" if step.body == "" else step.body or _json_word(step.send_notification)
    what = said if step.status == 200 else f"status {step.status}"  # noqa: PLR2004 - HTTP's own number
    return f"{what}, after {step.delay_ms / 1000:g} s" if step.delay_ms else what


def _json_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
