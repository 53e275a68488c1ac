"""The phones for people and programs (spec 13, 14)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.channels.magic import SMS_ENDINGS, as_international
from altinn_notifications.simulator.pages import ROWS, no_news, polling, wants_html
from altinn_notifications.simulator.phones import message_json, report_json, report_on

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.phones import Sms
    from altinn_notifications.simulator.state import SimulatorState

_PHONES: Final = 24
_MESSAGES_OF_A_PHONE: Final = 3
_STATE = re.compile(r"[!-~]{1,40}")
_KNOWN_STATES: Final = tuple(dict.fromkeys(word for plan in SMS_ENDINGS.values() for word in plan.reports))


class PhonePages:
    """All phones, one phone, and delivery reports by hand."""

    def __init__(self, state: SimulatorState, clock: Clock, pages: Pages) -> None:
        self._state, self._clock, self._pages = state, clock, pages

    def routes(self) -> list[BaseRoute]:
        """Everything below `/sim/phones`, and the link from a gateway reference to its message."""
        return [
            Route("/sim/phones", self.phones, methods=["GET"]),
            Route("/sim/phones/{number}/messages", self.messages, methods=["GET"]),
            Route("/sim/phones/{number}/messages/{reference}/report", self.report, methods=["POST"]),
            Route("/sim/sms/{reference}", self.by_reference, methods=["GET"]),
        ]

    async def phones(self, request: Request) -> Response:
        """The phones that were written to last, or those whose number contains `search`."""
        poll_url, is_unchanged = polling(request, self._version)
        if is_unchanged:
            return no_news()
        search = request.query_params.get("search", "").strip()
        digits = "".join(search.split()).removeprefix("+")
        numbers = self._state.phones.addresses(containing=digits, limit=_PHONES)
        data = {"total": len(self._state.phones), "phones": [self._phone(number) for number in numbers]}
        return self._pages.answer(request, "phones.html", data, search=search, poll_url=poll_url)

    def _phone(self, number: str) -> dict[str, Any]:
        messages = self._state.phones.sent_to(number)
        newest = [self._json(sms) for sms in messages[:_MESSAGES_OF_A_PHONE]]
        return {"number": number, "messageCount": len(messages), "newest": newest}

    async def messages(self, request: Request) -> Response:
        """What one phone has received, the newest first."""
        poll_url, is_unchanged = polling(request, self._version)
        if is_unchanged:
            return no_news()
        number = as_international(request.path_params["number"])
        messages = self._state.phones.sent_to(number)
        data = {"number": number, "messages": [self._json(sms) for sms in messages[:ROWS]]}
        return self._pages.answer(
            request, "phone.html", data, count=len(messages), states=_KNOWN_STATES, poll_url=poll_url
        )

    async def report(self, request: Request) -> Response:
        """Let the gateway say something about a message once more, at once."""
        word = request.query_params.get("state", "").strip()
        if not _STATE.fullmatch(word):
            return JSONResponse({"errors": {"state": ["Name a state, such as DELIVRD or EXPIRED."]}}, 400)
        sms = self._state.phones.find_by_reference(request.path_params["reference"])
        if sms is None or sms.address != as_international(request.path_params["number"]):
            return self._missing(request)
        report = report_on(self._state, sms, word, now=self._clock.now(), delay=timedelta())
        if wants_html(request):
            return RedirectResponse(_url(sms), 303)
        return JSONResponse(report_json(report), 202)

    async def by_reference(self, request: Request) -> Response:
        """From the gateway's reference to the message on its phone."""
        sms = self._state.phones.find_by_reference(request.path_params["reference"])
        return RedirectResponse(_url(sms)) if sms else self._missing(request)

    @property
    def _version(self) -> str:
        reports = self._state.sms_reports
        return f"{self._state.phones.changes}-{reports.taken}-{len(reports)}"

    def _json(self, sms: Sms) -> dict[str, Any]:
        return message_json(sms, self._state.behaviour.allow_list)

    def _missing(self, request: Request) -> Response:
        return self._pages.not_found(
            request,
            "No such SMS here",
            "The gateway has not taken it over, or the simulator has been reset since. "
            "The phones keep the newest 20,000 messages.",
        )


def _url(sms: Sms) -> str:
    return f"/sim/phones/{sms.address}/messages#{sms.reference}"
