"""The first page: what to paste next, where messages arrive, and which addresses choose an outcome."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from altinn_notifications.channels.magic import EMAIL_ADDRESSES, EMAIL_WORDS, SMS_ENDINGS, SMS_NUMBERS
from altinn_notifications.settings import Environment
from altinn_notifications.simulator.clients import PRACTICE_CLIENTS
from altinn_notifications.simulator.examples import Examples
from altinn_notifications.simulator.owners import short_name_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from altinn_notifications.settings import Settings
    from altinn_notifications.simulator.clients import MaskinportenClient
    from altinn_notifications.simulator.keys import SigningKeys
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState


class StartPage:
    """Says hello."""

    def __init__(self, settings: Settings, state: SimulatorState, keys: SigningKeys, pages: Pages) -> None:
        self._service_url = settings.simulator.service_url.rstrip("/")
        key = settings.authentication.metrics_api_key
        self._metrics_key = key.get_secret_value() if key is not None and _is_for_show(settings) else ""
        self._state, self._keys, self._pages = state, keys, pages

    def routes(self) -> list[BaseRoute]:
        """The root."""
        return [Route("/", self.start, methods=["GET"])]

    async def start(self, request: Request) -> Response:
        """Everything a newcomer needs to send a first message and see it arrive."""
        examples = Examples(str(request.base_url).rstrip("/"), self._service_url, self._metrics_key)
        data: dict[str, Any] = {
            "service": self._service_url,
            "commands": [asdict(example) for example in examples.first()],
            "clients": [_client(client, self._keys) for client in PRACTICE_CLIENTS],
            **self._state.dump(),
        }
        return self._pages.answer(
            request,
            "start.html",
            data,
            topics=examples.topics(),
            email_words=EMAIL_WORDS,
            email_addresses=EMAIL_ADDRESSES,
            sms_endings=SMS_ENDINGS,
            sms_numbers=SMS_NUMBERS,
        )


def _is_for_show(settings: Settings) -> bool:
    """Whether secrets of the service may be read here: only where everything is on one machine."""
    return settings.general.environment is Environment.LOCAL


def _client(client: MaskinportenClient, keys: SigningKeys) -> dict[str, Any]:
    """A practice client with everything that is needed to sign as it; none of it is secret."""
    return {
        "clientId": client.client_id,
        "organisationNumber": client.organisation_number,
        "owner": short_name_of(client.organisation_number),
        "scopes": sorted(client.scopes),
        "privateJwk": client.private_jwk(keys),
    }
