"""Dialogporten: whether a person may see a dialog (spec 13, 12 and spec 07, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.authentication.tokens import TokenRefused
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.observation import observed
from altinn_notifications.simulator.tokens import bearer_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.state import SimulatorState
    from altinn_notifications.simulator.tokens import TokenState

PATH: Final = "/dialogporten/api/v1/enduser/dialoglookup"
_DIALOG: Final = "urn:altinn:dialog-id:"


class Dialogporten:
    """The lookup that stands for an access check."""

    def __init__(self, state: SimulatorState, tokens: TokenState, clock: Clock) -> None:
        self._state, self._tokens, self._clock = state, tokens, clock

    def routes(self) -> list[BaseRoute]:
        """The lookup, seen in the calls."""
        return [Route(PATH, observed(self.look_up, Target.DIALOGPORTEN, self._state, self._clock), methods=["GET"])]

    async def look_up(self, request: Request) -> Response:
        """200 if the dialog is granted to the token's person, else 404; 401 without a person's token."""
        try:
            claims = self._tokens.keys.openid.claims_of(bearer_in(request), self._tokens.clock.now())
        except TokenRefused:
            return Response(status_code=401)
        instance = request.query_params.get("instanceRef", "")
        dialog = instance.lower().removeprefix(_DIALOG)
        if not instance.startswith(_DIALOG) or (str(claims.get("pid")), dialog) not in self._state.registers.dialogs:
            return Response(status_code=404)
        return JSONResponse({"dialogId": dialog, "instanceRef": instance})
