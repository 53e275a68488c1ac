"""Made-up requests: whatever is sent, it is never the service's fault (design promise 14)."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.peers import service_among_peers
from support.requests import (
    a_reminder,
    an_order_request,
    sms_settings,
    to_email,
    to_external_identity,
    to_organization,
    to_person,
    to_sms,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.service import Service

VALID = an_order_request(
    to_email() | to_sms() | to_person(smsSettings=sms_settings()) | to_organization() | to_external_identity(),
    requestedSendTime="2035-03-01T08:00:00+01:00",
    conditionEndpoint="https://a.no/x",
    dialogportenAssociation={"dialogId": "d", "transmissionId": "t"},
    reminders=[a_reminder(), a_reminder(to_sms(), requestedSendTime="2035-03-01T08:00:00+01:00")],
)
ODD = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "7",
        "2",
        "a@b.no",
        "+4799999999",
        "9" * 400,
        "https://a.no",
        "http://",
        "2035-01-01T00:00Z",
    ]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for step, item in inner for found in [(*path, step), *places(item, (*path, step))]]


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A valid request with a few things replaced, removed or added."""
    request: dict[str, Any] = copy.deepcopy(VALID)
    for place in draw(st.lists(st.sampled_from(places(VALID)), min_size=1, max_size=4)):
        holder: Any = request
        try:
            for step in place[:-1]:
                holder = holder[step]
            if draw(st.booleans()):
                holder[place[-1]] = draw(ODD)
            else:
                del holder[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return request


@pytest.fixture
async def service(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    async with service_among_peers(database_url, clock) as running:
        yield running


async def test_random_and_spoiled_bodies_are_answered(service: Service) -> None:
    loop = asyncio.get_running_loop()

    def send(body: bytes) -> None:
        response = asyncio.run_coroutine_threadsafe(service.order(body), loop).result()
        assert response.status_code < 500, body

    @FEW
    @given(spoiled())
    def spoiled_bodies(request: dict[str, Any]) -> None:
        send(json.dumps(request).encode())

    @FEW
    @given(ODD)
    def odd_values(value: Any) -> None:
        send(json.dumps(value).encode())

    @FEW
    @given(st.binary(), st.integers(0, 2000))
    def damaged_bytes(damage: bytes, position: int) -> None:
        body = json.dumps(VALID).encode()
        send(body[:position] + damage + body[position + len(damage) :])

    for test in (spoiled_bodies, odd_values, damaged_bytes):
        await asyncio.to_thread(test)
