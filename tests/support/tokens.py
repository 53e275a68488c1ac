"""The platform as the service meets it: an issuer of tokens that publishes its keys on a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from altinn_notifications.settings import AuthenticationSettings
from altinn_notifications.simulator.keys import SigningKeys
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from altinn_notifications.simulator.keys import SigningKey

CREATE = "altinn:serviceowner/notifications.create"
COMPOSED = "altinn:serviceowner/notifications.composedemail.create"
SUPPORT = "altinn:notifications.support.admin"
END_USER = "altinn:portal/enduser"
OPENID = "/authentication/api/v1/openid/"
DISCOVERY = f"{OPENID}.well-known/openid-configuration"
CERTIFICATES = "/certificates/"


@cache
def a_key(name: str) -> SigningKey:
    """A key pair of this name, made once in a test run because making one is slow."""
    return SigningKeys(NOON).access_token(name)


class TokenIssuer:
    """Signs tokens and publishes what verifies them. Change `now`, `key`, `base64url` or `certificates` as needed.

    `requests` are the paths that were asked for.
    """

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.key = a_key("openid")
        self.base64url = False
        self.certificates = {issuer: a_key(issuer).certificate_pem for issuer in ("ttd", "skd", "platform")}
        self.requests: list[str] = []
        self._server: asyncio.Server | None = None
        self._port = 0
        self._rotations = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def settings(self, **changes: Any) -> AuthenticationSettings:
        """Settings of a service that trusts this issuer."""
        return AuthenticationSettings(
            **{"openid_base_url": f"{self.url}{OPENID}", "certificate_url": f"{self.url}{CERTIFICATES}", **changes}
        )

    async def go_up(self) -> None:
        """Listen, after the first time on the same port as before."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def go_down(self) -> None:
        """Refuse connections until `go_up`."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def rotate(self) -> None:
        """Sign with, and publish, another key from now on."""
        self._rotations += 1
        self.key = a_key(f"openid-{self._rotations}")

    def enterprise(self, org: str | None = "ttd", scopes: str = CREATE, ttl: int = 1800, **claims: Any) -> str:
        """An Altinn token of an organisation, as the exchange makes it. A claim that is None is left out."""
        content = {
            "scope": scopes,
            "token_type": "Bearer",
            "client_id": "a-client",
            "urn:altinn:org": org,
            "urn:altinn:orgNumber": "991825827",
            "urn:altinn:authlevel": 3,
            "iss": f"{self.url}{OPENID}",
            **self._times(ttl),
        }
        return self.sign(content | claims)

    def personal(self, user_id: int = 20001, scopes: str = CREATE, ttl: int = 1800, **claims: Any) -> str:
        """An Altinn token of a person."""
        content = {"scope": scopes, "urn:altinn:userid": str(user_id), "iss": f"{self.url}{OPENID}", **self._times(ttl)}
        return self.sign(content | claims)

    def platform(
        self, issuer: str = "ttd", app: str = "apps-test", ttl: int = 300, key: SigningKey | None = None, **claims: Any
    ) -> str:
        """A platform access token; by default signed with the issuer's own key."""
        content = {"urn:altinn:app": app, "iss": issuer, "aud": "platform.altinn.no", **self._times(ttl)}
        return self.sign(content | claims, key or a_key(issuer))

    def sign(self, claims: dict[str, Any], key: SigningKey | None = None) -> str:
        """A token of these claims, without those that are None."""
        return (key or self.key).sign({name: value for name, value in claims.items() if value is not None})

    def _times(self, ttl: int) -> dict[str, int]:
        issued = int(self.now.timestamp())
        return {"iat": issued, "nbf": issued - 5, "exp": issued + ttl}

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
        self.requests.append(path)
        body = self._document(path)
        status = b"404 Not Found" if body is None else b"200 OK"
        content = body or b""
        length = str(len(content)).encode()
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %b\r\nConnection: close\r\n\r\n%b" % (status, length, content))
        writer.close()
        await writer.wait_closed()

    def _document(self, path: str) -> bytes | None:
        if path == DISCOVERY:
            return json.dumps({"issuer": f"{self.url}{OPENID}", "jwks_uri": f"{self.url}{DISCOVERY}/jwks"}).encode()
        if path == f"{DISCOVERY}/jwks":
            return json.dumps({"keys": [self.key.public_jwk(base64url=self.base64url)]}).encode()
        issuer = path.removeprefix(CERTIFICATES).removesuffix("-access-token-public-cert.pem")
        return self.certificates.get(issuer)


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    """A token that claims anything and proves nothing."""
    parts = (json.dumps({"alg": algorithm, "typ": "JWT"}), json.dumps(claims), "no signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


@asynccontextmanager
async def running_issuer(now: datetime = NOON) -> AsyncIterator[TokenIssuer]:
    """An issuer that listens as long as the block lasts."""
    issuer = TokenIssuer(now)
    await issuer.go_up()
    try:
        yield issuer
    finally:
        await issuer.go_down()
