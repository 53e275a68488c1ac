"""The whole local platform on real sockets and in real time, and the service's own clients of it."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import jwt
from pydantic import SecretStr

from altinn_notifications.clock import SystemClock
from altinn_notifications.orders.model import NotificationChannel, Recipient
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.platform.dependencies import DependencyFailed
from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.recipients.drafts import drafts_for_order
from altinn_notifications.recipients.lookup import resolve, resolve_names
from altinn_notifications.settings import PlatformSettings
from altinn_notifications.simulator.app import bound, create_simulator, http_config
from altinn_notifications.simulator.clients import CONDITION_SCOPE, SERVICE_CLIENT
from altinn_notifications.simulator.keys import SigningKeys
from altinn_notifications.simulator.maskinporten import GRANT_TYPE
from support.orders import EMAIL, SMS, an_order
from support.simulator import Service, serving, serving_config, simulator_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.recipients.contacts import Contacts
    from altinn_notifications.recipients.drafts import Draft
    from altinn_notifications.settings import Settings

OFFICE_HOURS = SendWindow(9, 17)


@cache
def keys_directory() -> TemporaryDirectory[str]:
    """Where one test process keeps its key pairs, because making them is slow."""
    return TemporaryDirectory()


@dataclass(slots=True)
class World:
    """A simulator at `url`, a service behind it that remembers what it was told, and the service's clients."""

    url: str
    http: httpx.AsyncClient
    platform: Platform
    service: Service
    settings: Settings

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, path: str, body: Any) -> Any:
        answer = await self.http.put(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fault(self, target: str, mode: str = "error", count: int = 3) -> None:
        """Let the next calls fail; three are as many as the service makes before it gives up."""
        answer = await self.http.post("/sim/faults", json={"target": target, "mode": mode, "count": count})
        assert answer.status_code == 200, answer.text

    async def calls(self, target: str) -> list[dict[str, Any]]:
        """What a part of the platform was asked, the newest first, with bodies read."""
        calls: list[dict[str, Any]] = (await self.get(f"/sim/calls?target={target}"))["calls"]
        return calls

    async def maskinporten_token(self) -> str:
        """An access token of the service's own client for condition checks."""
        keys = SigningKeys(SystemClock().now(), Path(keys_directory().name))
        now = int(SystemClock().now().timestamp())
        claims = {"iss": SERVICE_CLIENT.client_id, "aud": self.settings.platform.maskinporten_base_url}
        times = {"iat": now, "exp": now + 60, "jti": str(uuid4())}
        signer = SERVICE_CLIENT.signing_key(keys).private_key
        headers = {"kid": SERVICE_CLIENT.key_id}
        assertion = jwt.encode({**claims, **times, "scope": CONDITION_SCOPE}, signer, "RS256", headers=headers)
        form = {"grant_type": GRANT_TYPE, "assertion": assertion}
        token: str = (await self.http.post("/maskinporten/token", data=form)).json()["access_token"]
        return token

    async def turn(self, **change: float) -> dict[str, Any]:
        answer: dict[str, Any] = await self.put("/sim/clock", change)
        return answer

    async def contacts(self, order: Order, *, registration: bool = False) -> Contacts:
        """What the service finds out about an order's recipients. Raises `DependencyFailed`."""
        found = (await resolve([order], self.platform, registration=registration))[order.id]
        if isinstance(found, DependencyFailed):
            raise found
        return found

    async def drafts(self, order: Order, *, registration: bool = False) -> list[Draft]:
        """What the service would make of an order. Raises `DependencyFailed`."""
        contacts = await self.contacts(order, registration=registration)
        names = (await resolve_names([(order, contacts)], self.platform))[order.id]
        if isinstance(names, DependencyFailed):
            raise names
        return drafts_for_order(order, contacts, names, window=OFFICE_HOURS)

    async def sent(self, order: Order, *, registration: bool = False) -> list[str]:
        """The addresses that the service would write to."""
        return [draft.destination for draft in await self.drafts(order, registration=registration) if draft.destination]

    async def results(self, order: Order) -> list[str]:
        """The results that the order's notifications begin with."""
        return [str(draft.result) for draft in await self.drafts(order)]


def order_to(*numbers: str, channel: str = "EmailAndSms", **changes: Any) -> Order:
    """An order to persons, organisations or external identities, told apart by their look."""
    recipients = tuple(map(_recipient, numbers))
    return an_order(recipients=recipients, channel=NotificationChannel(channel), email=EMAIL, sms=SMS, **changes)


def greeting(*numbers: str, **changes: Any) -> Order:
    """An email order whose subject names the recipient."""
    return replace(order_to(*numbers, channel="Email", **changes), email=replace(EMAIL, subject="Hei $recipientName$"))


def _recipient(number: str) -> Recipient:
    if number.startswith("urn:"):
        return Recipient(external_identity=number)
    return Recipient(national_identity_number=number) if len(number) == 11 else Recipient(organization_number=number)


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    """Everything, on free ports."""
    service = Service()
    folder = Path(keys_directory().name)
    with bound("127.0.0.1", 0) as behind, bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        settings = simulator_settings(f"http://127.0.0.1:{behind.getsockname()[1]}", port=port, keys_directory=folder)
        settings.platform = _platform_settings(f"http://localhost:{port}", folder)
        app = create_simulator(settings, SystemClock())
        url = f"http://127.0.0.1:{port}"
        async with (
            serving(service, behind),
            serving_config(http_config(app), listener),
            httpx.AsyncClient(base_url=url) as http,
            _clients(settings) as platform,
        ):
            yield World(url, http, platform, service, settings)


@asynccontextmanager
async def _clients(settings: Settings) -> AsyncIterator[Platform]:
    platform = open_platform(settings)
    try:
        yield platform
    finally:
        await platform.close()


def _platform_settings(url: str, folder: Path) -> PlatformSettings:
    """As `run` sets them, but with quick repeats."""
    keys = SigningKeys(SystemClock().now(), folder)
    jwk = base64.b64encode(json.dumps(SERVICE_CLIENT.private_jwk(keys)).encode()).decode()
    return PlatformSettings(
        profile_base_url=f"{url}/profile/api/v1/",
        register_base_url=f"{url}/register/api/v1/",
        authorization_base_url=f"{url}/authorization/api/v1/",
        maskinporten_base_url=f"{url}/maskinporten/",
        maskinporten_client_id=SERVICE_CLIENT.client_id,
        maskinporten_jwk=SecretStr(jwk),
        access_token_key_file=keys.access_token_file("platform"),
        retry_delay_ms=1,
        timeout_seconds=5,
    )
