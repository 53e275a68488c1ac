"""Two owners never see, change or hinder each other's anything, whatever both do and in whichever order."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from altinn_notifications.app import routes
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.settings import GeneralSettings
from support.composed import COMPOSED as COMPOSED_EMAIL
from support.composed import a_composed_request, an_attachment
from support.first_generation import EMAIL_ORDERS, SMS_ORDERS, a_channel_request, an_email_request, an_sms_request
from support.first_generation import ORDERS as FIRST_GENERATION
from support.instant import EMAIL, OLDER, SMS, an_instant_email, an_instant_sms, an_older_instant_sms
from support.peers import service_among_peers
from support.requests import a_reminder, an_order_request
from support.service import API, ORDERS
from support.times import DAY, HOUR, NOON
from support.tokens import COMPOSED, CREATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from altinn_notifications.clock import FixedClock
    from support.service import Service

OWNERS = ("ttd", "annen")
FEED = f"{API}/future/shipment/feed"
OWN_ENDPOINTS = {Policy.CREATE, Policy.COMPOSED}
LATER = (NOON + DAY).isoformat()
PLACING: dict[str, Callable[[], dict[str, Any]]] = {
    ORDERS: lambda: an_order_request(requestedSendTime=LATER, reminders=[a_reminder()]),
    FIRST_GENERATION: lambda: a_channel_request("Email", requestedSendTime=LATER),
    EMAIL_ORDERS: lambda: an_email_request(requestedSendTime=LATER),
    SMS_ORDERS: lambda: an_sms_request(requestedSendTime=LATER),
    SMS: an_instant_sms,
    EMAIL: an_instant_email,
    OLDER: an_older_instant_sms,
    COMPOSED_EMAIL: lambda: a_composed_request(an_attachment(), requestedSendTime=(NOON + HOUR).isoformat()),
}
COMPLETED = """
    INSERT INTO status_feed (creator, order_id, created, entry) VALUES ($1, $2, $3, jsonb_build_object(
        'shipmentId', $4::text, 'status', 'Order_Completed', 'lastUpdate', '2026-03-02T08:02:40Z',
        'shipmentType', 'Notification', 'recipients', '[]'::jsonb))"""


@dataclass(frozen=True, slots=True)
class Step:
    """One owner orders something; `number` and `reference` are few, so that both owners use the same."""

    owner: str
    path: str
    number: int
    reference: str
    then_cancels: bool


STEPS = st.builds(
    Step,
    owner=st.sampled_from(OWNERS),
    path=st.sampled_from(sorted(PLACING)),
    number=st.integers(1, 2),
    reference=st.sampled_from(["sak-1", "sak-2"]),
    then_cancels=st.booleans(),
)


@dataclass(slots=True)
class Owner:
    """What one owner was told: the ids of its chains and orders, and the answers by idempotency id."""

    name: str
    ids: set[str] = field(default_factory=set)
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)


@pytest.fixture
async def service(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    async with service_among_peers(database_url, clock) as running:
        yield running


def ids_in(content: Any) -> set[str]:
    """Every UUID anywhere in an answer."""
    if isinstance(content, dict):
        return {found for value in content.values() for found in ids_in(value)}
    if isinstance(content, list):
        return {found for value in content for found in ids_in(value)}
    try:
        return {str(uuid.UUID(content))} if isinstance(content, str) else set()
    except ValueError:
        return set()


def without_trace(response: httpx.Response, sought: str) -> tuple[int, Any]:
    """What two answers must have in common if they are to tell nothing about the id that was sought."""
    content = response.json() if response.content else None
    if isinstance(content, dict):
        content.pop("traceId", None)
    return response.status_code, str(content).replace(sought, "")


class Tenants:
    """Two owners at one service, who choose their idempotency ids and references as badly as they can."""

    def __init__(self, service: Service, world: str) -> None:
        self.service = service
        self.world = world
        self.owners = {name: Owner(name) for name in OWNERS}

    async def call(self, owner: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = self.service.authorization(f"{owner}{self.world}", scopes=f"{CREATE} {COMPOSED}")
        return await self.service.client.request(method, path, headers=headers, json=body)

    async def take(self, step: Step) -> None:
        """Place the order. The same owner, id and kind of order must get the same answer again."""
        owner = self.owners[step.owner]
        request = PLACING[step.path]() | {"sendersReference": step.reference}
        if "idempotencyId" in request:
            request["idempotencyId"] = f"id-{step.number}"
        response = await self.call(step.owner, "POST", step.path, request)
        assert response.status_code in {200, 201, 202}, response.text
        kind = "instant" if "instant" in step.path else step.path
        if "idempotencyId" in request:
            assert owner.answers.setdefault((kind, request["idempotencyId"]), response.json()) == response.json()
        owner.ids |= ids_in(response.json())
        if step.then_cancels:
            for order_id in sorted(ids_in(response.json())):
                await self.call(step.owner, "PUT", f"{FIRST_GENERATION}/{order_id}/cancel")

    async def complete_everything(self) -> None:
        """Put an entry for every id into the feed of its owner."""
        for owner in self.owners.values():
            for one in owner.ids:
                entry = (owner.name + self.world, uuid.UUID(one), NOON - HOUR, one)
                await self.service.services.db.execute(COMPLETED, *entry)

    async def reads(self, owner: Owner) -> list[Any]:
        """All that an owner can read about what is its own."""
        paths = [path.replace("{id}", one) for path in reading() for one in sorted(owner.ids)]
        paths += [f"{FIRST_GENERATION}?sendersReference={name}" for name in ("sak-1", "sak-2")]
        feed = await self.call(owner.name, "GET", FEED)
        assert ids_in(feed.json()) == owner.ids
        answers = [feed, *[await self.call(owner.name, "GET", path) for path in paths]]
        return [without_trace(answer, "") for answer in answers]

    async def intrude(self, intruder: Owner, victim: Owner) -> None:
        """Try everything on what belongs to another, and expect what is said about an id that nobody has."""
        nobody = str(uuid.uuid4())
        for method, path in [*(("GET", path) for path in reading()), *(("PUT", path) for path in changing())]:
            expected = without_trace(await self.call(intruder.name, method, path.replace("{id}", nobody)), nobody)
            assert expected[0] == 404
            for one in victim.ids:
                answer = await self.call(intruder.name, method, path.replace("{id}", one))
                assert without_trace(answer, one) == expected, path
        for path in (f"{FIRST_GENERATION}?sendersReference=sak-1", f"{FIRST_GENERATION}?sendersReference=sak-2", FEED):
            answer = await self.call(intruder.name, "GET", path)
            assert answer.status_code == 200
            assert ids_in(answer.json()) <= intruder.ids


def own_routes(method: str) -> list[str]:
    found = [route for route in routes(GeneralSettings()) if route.policy in OWN_ENDPOINTS and route.method == method]
    return [route.path.replace("{id:guid}", "{id}") for route in found]


def reading() -> list[str]:
    """The paths that read one thing by its id."""
    return [path for path in own_routes("GET") if "{id}" in path]


def changing() -> list[str]:
    """The paths that change one thing."""
    return own_routes("PUT")


def test_every_endpoint_of_owners_is_tried() -> None:
    assert set(own_routes("POST")) == set(PLACING)
    assert {path for path in own_routes("GET") if "{id}" not in path} == {FIRST_GENERATION, FEED}
    assert not own_routes("DELETE")


async def test_nothing_leads_from_one_owner_to_another(service: Service) -> None:
    loop = asyncio.get_running_loop()

    async def live(steps: list[Step]) -> None:
        tenants = Tenants(service, uuid.uuid4().hex[:8])
        for step in steps:
            await tenants.take(step)
        one, other = tenants.owners.values()
        assert not one.ids & other.ids
        await tenants.complete_everything()
        before = await tenants.reads(one), await tenants.reads(other)
        await tenants.intrude(one, other)
        await tenants.intrude(other, one)
        assert (await tenants.reads(one), await tenants.reads(other)) == before

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.lists(STEPS, min_size=2, max_size=8))
    def lives(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(live(steps), loop).result()

    await asyncio.to_thread(lives)
