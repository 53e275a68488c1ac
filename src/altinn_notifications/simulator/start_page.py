"""The first page: what to paste next, where messages arrive, and which addresses choose an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from altinn_notifications.simulator.clients import PRACTICE_CLIENTS
from altinn_notifications.simulator.magic import EMAIL_ADDRESSES, EMAIL_WORDS, SMS_ENDINGS, SMS_NUMBERS
from altinn_notifications.simulator.owners import short_name_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from altinn_notifications.simulator.clients import MaskinportenClient
    from altinn_notifications.simulator.keys import SigningKeys
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState


class StartPage:
    """Says hello."""

    def __init__(self, service_url: str, state: SimulatorState, keys: SigningKeys, pages: Pages) -> None:
        self._service_url, self._state, self._keys, self._pages = service_url.rstrip("/"), state, keys, pages

    def routes(self) -> list[BaseRoute]:
        """The root."""
        return [Route("/", self.start, methods=["GET"])]

    async def start(self, request: Request) -> Response:
        """Everything a newcomer needs to send a first message and see it arrive."""
        here = str(request.base_url).rstrip("/")
        data: dict[str, Any] = {
            "service": self._service_url,
            "commands": commands(here, self._service_url),
            "clients": [_client(client, self._keys) for client in PRACTICE_CLIENTS],
            **self._state.dump(),
        }
        return self._pages.answer(
            request,
            "start.html",
            data,
            email_words=EMAIL_WORDS,
            email_addresses=EMAIL_ADDRESSES,
            sms_endings=SMS_ENDINGS,
            sms_numbers=SMS_NUMBERS,
        )


def _client(client: MaskinportenClient, keys: SigningKeys) -> dict[str, Any]:
    """A practice client with everything that is needed to sign as it; none of it is secret."""
    return {
        "clientId": client.client_id,
        "organisationNumber": client.organisation_number,
        "owner": short_name_of(client.organisation_number),
        "scopes": sorted(client.scopes),
        "privateJwk": client.private_jwk(keys),
    }


def commands(here: str, service: str) -> list[dict[str, str]]:
    """Shell commands from a token to a message's status, to be pasted one after the other."""
    api = f"{service}/notifications/api/v1/future"
    return [
        {"title": "Get a token", "command": _token(here)},
        {"title": "Order an email", "command": _order(api, "email", _EMAIL)},
        {"title": "Order an SMS", "command": _order(api, "sms", _SMS)},
        {"title": "Ask what became of it", "command": _status(api)},
    ]


_EMAIL: Final = """"recipientEmail": {
      "emailAddress": "kari@epost.example",
      "emailSettings": { "subject": "Ny melding", "body": "Du har en ny melding i Altinn." } }"""
_SMS: Final = """"recipientSms": {
      "phoneNumber": "+4799999001",
      "smsSettings": { "body": "Du har en ny melding i Altinn.", "sendingTimePolicy": "Anytime" } }"""


def _token(here: str) -> str:
    query = "org=ttd&orgNo=991825827&scopes=altinn:serviceowner/notifications.create"
    return f"TOKEN=$(curl -s '{here}/api/GetEnterpriseToken?{query}')"


def _order(api: str, kind: str, recipient: str) -> str:
    """A chain order; the id of its shipment is kept in a variable for the last command."""
    return f"""ANSWER=$(curl -s {api}/orders \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{{
    "idempotencyId": "{kind}-'$(date +%s)'",
    "recipient": {{ {recipient} }}
  }}')
echo "$ANSWER"
SHIPMENT=$(echo "$ANSWER" | grep -o '"shipmentId": *"[^"]*"' | head -1 | cut -d'"' -f4)"""


def _status(api: str) -> str:
    return f'curl -s {api}/shipment/$SHIPMENT -H "Authorization: Bearer $TOKEN"'
