"""Where tokens come from on the local platform: OpenID, Maskinporten, exchange, and the quick ways in (spec 13, 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from altinn_notifications.authentication.policies import Policy
from altinn_notifications.authentication.tokens import TokenRefused
from altinn_notifications.simulator.exchange import (
    ALTINN_TOKEN_SECONDS,
    PLATFORM_TOKEN_SECONDS,
    NotExchangeable,
    exchanged,
    lifetime,
    organisation_claims,
)
from altinn_notifications.simulator.maskinporten import AUTHORITY, GrantRefused, Maskinporten
from altinn_notifications.simulator.owners import OWNERS, STRANGER, number_of, organisation_list, short_name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.keys import SigningKeys
    from altinn_notifications.simulator.observation import Endpoint

OPENID_PATH: Final = "/authentication/api/v1/openid/"
DISCOVERY_PATH: Final = f"{OPENID_PATH}.well-known/openid-configuration"
EXCHANGE_PROVIDERS: Final = frozenset({"maskinporten", "id-porten", "altinnstudio"})
PLATFORM_ISSUERS: Final = frozenset({"platform", *(owner.short_name for owner in OWNERS)})
_LONGEST_SECONDS: Final = 366 * 24 * 3600
_NOT_STORED: Final = {"Cache-Control": "no-store"}
_A_PERSON: Final = {"userId": "20001", "partyId": "50001", "pid": "10848127138"}


class BadQuery(Exception):
    """A query value that makes no token; the text says which and why."""


class TokenState:
    """What token issuing remembers: keys, used assertions, and how published numbers are written.

    `clock` is one that nobody turns, because those who make and check tokens elsewhere have not turned theirs.
    """

    def __init__(self, base_url: str, clock: Clock, keys: SigningKeys) -> None:
        self.base_url, self.clock, self.keys = base_url.removesuffix("/"), clock, keys
        self.maskinporten = Maskinporten(f"{self.base_url}/maskinporten/", keys)
        self.base64url = False
        """Whether the OpenID keys are published in base64url, unlike the platform's."""

    @property
    def openid_issuer(self) -> str:
        """The `iss` of Altinn tokens."""
        return f"{self.base_url}{OPENID_PATH}"


def routes(state: TokenState, observe: Callable[[Endpoint], Endpoint] = lambda endpoint: endpoint) -> list[Route]:
    """Every endpoint that issues tokens or publishes what verifies them; `observe` is put around Maskinporten's."""
    return [*_Publishing(state).routes(), *_Issuing(state).routes(observe), *_QuickTokens(state).routes()]


def bearer_in(request: Request) -> str:
    """The request's bearer token, or the empty string, which no key has signed."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class _Publishing:
    """What anybody may read: documents, keys, certificates, the list of organisations."""

    def __init__(self, state: TokenState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(DISCOVERY_PATH, self.discovery),
            Route(f"{DISCOVERY_PATH}/jwks", self.openid_keys),
            Route("/maskinporten/.well-known/oauth-authorization-server", self.maskinporten_metadata),
            Route("/maskinporten/jwk", self.maskinporten_keys),
            Route("/sim/keys/{issuer}-access-token-public-cert.pem", self.certificate),
            Route("/orgs/altinn-orgs.json", self.organisations),
        ]

    async def discovery(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self._state.openid_issuer,
                "jwks_uri": f"{self._state.base_url}{DISCOVERY_PATH}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["pairwise"],
            }
        )

    async def openid_keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self._state.keys.openid.public_jwk(base64url=self._state.base64url)]})

    async def maskinporten_metadata(self, _request: Request) -> Response:
        return JSONResponse(self._state.maskinporten.metadata())

    async def maskinporten_keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self._state.keys.maskinporten.public_jwk(base64url=True)]})

    async def certificate(self, request: Request) -> Response:
        issuer = request.path_params["issuer"]
        if issuer not in PLATFORM_ISSUERS:
            return PlainTextResponse("There is no such issuer here.\n", 404)
        return Response(self._state.keys.access_token(issuer).certificate_pem, media_type="application/x-pem-file")

    async def organisations(self, _request: Request) -> Response:
        return JSONResponse(organisation_list())


class _Issuing:
    """The way of a service owner's system: Maskinporten's grant, then the exchange (spec 11, 7)."""

    def __init__(self, state: TokenState) -> None:
        self._state = state

    def routes(self, observe: Callable[[Endpoint], Endpoint]) -> list[Route]:
        return [
            Route("/maskinporten/token", observe(self.grant), methods=["POST"]),
            Route("/authentication/api/v1/exchange/{provider}", self.exchange),
        ]

    async def grant(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("latin-1")))
        try:
            answer = self._state.maskinporten.grant(form, self._state.clock.now())
        except GrantRefused as refused:
            error = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(error, 400, _NOT_STORED)
        return JSONResponse(answer, headers=_NOT_STORED)

    async def exchange(self, request: Request) -> Response:
        """An Altinn token for a Maskinporten token.

        `test` changes nothing, because here Digdir's number is the test department's anyway. Nobody here issues tokens
        of the other two providers, so none is accepted.
        """
        provider = request.path_params["provider"].lower()
        if provider not in EXCHANGE_PROVIDERS:
            return Response(status_code=400)
        if "x-altinn-enterpriseuser-authentication" in request.headers:
            return Response(status_code=410)
        if provider != "maskinporten":
            return Response(status_code=401)
        try:
            return _in_wanted_form(request, self._exchanged(bearer_in(request)))
        except (TokenRefused, NotExchangeable):
            return Response(status_code=401)

    def _exchanged(self, token: str) -> str:
        now = self._state.clock.now()
        claims = self._state.maskinporten.claims_of(token, now)
        return self._state.keys.openid.sign(exchanged(claims, self._state.openid_issuer, now))


class _QuickTokens:
    """Tokens for the asking, as the platform's own test tool gives them (spec 11, 7.4)."""

    def __init__(self, state: TokenState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/api/GetEnterpriseToken", self.enterprise),
            Route("/api/GetPersonalToken", self.personal),
            Route("/api/GetPlatformAccessToken", self.platform),
        ]

    async def enterprise(self, request: Request) -> Response:
        """An organisation's token: `org` (default ttd; empty for none), `orgNo`, `scopes`, `ttl`."""
        return _answer(self._enterprise, request.query_params)

    async def personal(self, request: Request) -> Response:
        """A person's token: `userId`, `partyId`, `pid`, `scopes`, `ttl`."""
        return _answer(self._personal, request.query_params)

    async def platform(self, request: Request) -> Response:
        """An app's platform access token: `org` (default ttd), `app`, `ttl`."""
        return _answer(self._platform, request.query_params)

    def _enterprise(self, query: Mapping[str, str]) -> str:
        short_name, number = _organisation(query)
        return self._state.keys.openid.sign(
            {
                "scope": _scopes(query, default=Policy.CREATE.value),
                "token_type": "Bearer",
                "client_id": str(uuid4()),
                "consumer": {"authority": AUTHORITY, "ID": f"0192:{number}"},
                "jti": str(uuid4()),
                **organisation_claims(short_name, number, self._state.openid_issuer),
                **lifetime(self._state.clock.now(), _seconds(query, ALTINN_TOKEN_SECONDS)),
            }
        )

    def _personal(self, query: Mapping[str, str]) -> str:
        person = {name: query.get(name) or default for name, default in _A_PERSON.items()}
        return self._state.keys.openid.sign(
            {
                "scope": _scopes(query, default="altinn:portal/enduser"),
                "nameid": person["userId"],
                "urn:altinn:userid": person["userId"],
                "urn:altinn:partyid": person["partyId"],
                "pid": person["pid"],
                "urn:altinn:authenticatemethod": "BankID",
                "urn:altinn:authlevel": 3,
                "iss": self._state.openid_issuer,
                "jti": str(uuid4()),
                **lifetime(self._state.clock.now(), _seconds(query, ALTINN_TOKEN_SECONDS)),
            }
        )

    def _platform(self, query: Mapping[str, str]) -> str:
        issuer = query.get("org") or "ttd"
        if issuer not in PLATFORM_ISSUERS:
            raise BadQuery(f"org must be one of {', '.join(sorted(PLATFORM_ISSUERS))}")
        return self._state.keys.access_token(issuer).sign(
            {
                "urn:altinn:app": query.get("app") or "demo-app",
                "iss": issuer,
                "aud": "platform.altinn.no",
                **lifetime(self._state.clock.now(), _seconds(query, PLATFORM_TOKEN_SECONDS), backdated=5),
            }
        )


def _answer(make: Callable[[Mapping[str, str]], str], query: Mapping[str, str]) -> Response:
    try:
        return PlainTextResponse(make(query), headers=_NOT_STORED)
    except BadQuery as error:
        return PlainTextResponse(f"{error}\n", 400)


def _organisation(query: Mapping[str, str]) -> tuple[str | None, str]:
    """Short name, if any, and number: either follows from the other where the list of owners has it."""
    number = query.get("orgNo")
    short_name = query.get("org", (short_name_of(number) if number else OWNERS[0].short_name))
    return short_name or None, number or number_of(short_name or "") or STRANGER


def _scopes(query: Mapping[str, str], *, default: str) -> str:
    return " ".join(query.get("scopes", default).replace(",", " ").split())


def _seconds(query: Mapping[str, str], default: int) -> int:
    """The wished lifetime; a negative one makes a token that has expired already."""
    text = query.get("ttl") or str(default)
    try:
        seconds = int(text)
    except ValueError:
        raise BadQuery("ttl must be a whole number of seconds") from None
    if abs(seconds) > _LONGEST_SECONDS:
        raise BadQuery("ttl must be at most a year")
    return seconds


def _in_wanted_form(request: Request, token: str) -> Response:
    """The token as text, or in JSON's quotes for those who ask for JSON (spec 11, 7.2)."""
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(token, headers=_NOT_STORED)
    return PlainTextResponse(token, headers=_NOT_STORED)
