"""`GET` and `PUT /tests/clock`: who may turn which clock, and what keeps to the machine's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.clock import FARTHEST, TurnableClock
from altinn_notifications.settings import AuthenticationSettings, Environment, GeneralSettings
from support.requests import an_order_request
from support.service import API, keys_of, running_service
from support.times import DAY, HOUR, NOON
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from support.service import Service

CLOCK = f"{API}/tests/clock"


@pytest.fixture
async def service(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    async with running_service(database_url, TurnableClock(clock)) as running:
        yield running


async def turned(service: Service, seconds: Any) -> httpx.Response:
    return await service.client.put(CLOCK, json={"offsetSeconds": seconds})


async def shown(service: Service) -> dict[str, Any]:
    response = await service.client.get(CLOCK)
    assert response.status_code == 200
    content: dict[str, Any] = response.json()
    return content


async def test_a_clock_that_nobody_turned_shows_the_machines_time(service: Service) -> None:
    assert await shown(service) == {"offsetSeconds": 0, "now": "2026-03-02T12:00:00Z"}


@pytest.mark.parametrize(
    ("seconds", "now"),
    [
        (604_800, "2026-03-09T12:00:00Z"),
        (-86_400, "2026-03-01T12:00:00Z"),
        (0.5, "2026-03-02T12:00:00.5Z"),
        (1e3, "2026-03-02T12:16:40Z"),
        (FARTHEST.total_seconds(), "2036-02-28T12:00:00Z"),
    ],
)
async def test_a_turned_clock_shows_its_offset_at_once(service: Service, seconds: float, now: str) -> None:
    answer = await turned(service, seconds)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await shown(service) == {"offsetSeconds": seconds, "now": now}


async def test_the_clock_can_be_turned_back_to_the_machines(service: Service) -> None:
    await turned(service, 3600)
    await turned(service, 0)
    assert (await shown(service))["now"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"offsetSeconds": 315360001}', "$.offsetSeconds"),
        ('{"offsetSeconds": -1e99}', "$.offsetSeconds"),
        ('{"offsetSeconds": "3600"}', "$.offsetSeconds"),
        ('{"offsetSeconds": null}', "$.offsetSeconds"),
        ('{"offsetSeconds": NaN}', "$.offsetSeconds"),
        ("{}", "$"),
        ("", ""),
    ],
)
async def test_an_offset_that_is_no_number_or_too_far_is_refused(service: Service, body: str, key: str) -> None:
    response = await service.client.put(CLOCK, content=body, headers={"Content-Type": "application/json"})
    assert keys_of(response) == {key, "clockChange"}
    assert (await shown(service))["offsetSeconds"] == 0


async def test_the_rules_of_a_request_follow_the_turned_clock(service: Service) -> None:
    request = an_order_request(requestedSendTime=(NOON + HOUR).isoformat())
    assert (await service.order(request)).status_code == 201
    await turned(service, 2 * 3600)
    assert keys_of(await service.order(request)) == {"RequestedSendTime"}


@pytest.mark.parametrize("offset", [7 * DAY, -7 * DAY])
async def test_tokens_keep_to_the_machines_time(service: Service, offset: Any) -> None:
    await turned(service, offset.total_seconds())
    path = f"{API}/future/shipment/feed"
    by_platform = {"PlatformAccessToken": service.issuer.platform()}
    assert (await service.get(path)).status_code == 200
    assert (await service.client.get(path, headers=by_platform)).status_code == 200
    service.issuer.now = NOON + offset
    assert (await service.client.get(path, headers=service.authorization())).status_code == 401


async def test_every_process_follows_and_a_new_one_starts_at_the_turned_time(
    service: Service, database_url: str, clock: FixedClock
) -> None:
    async with running_service(database_url, TurnableClock(clock)) as other:
        await turned(service, 3600)

        async def has_followed() -> bool:
            return bool((await shown(other))["offsetSeconds"] == 3600)

        await until(has_followed, "the other API's clock is turned")
    async with running_service(database_url, TurnableClock(clock)) as later:
        assert (await shown(later))["now"] == "2026-03-02T13:00:00Z"


async def test_a_clock_that_is_not_made_for_it_cannot_be_turned(database_url: str, clock: FixedClock) -> None:
    async with running_service(database_url, clock) as service:
        assert await statuses(service) == [404, 404]


@pytest.mark.parametrize("environment", [Environment.PRODUCTION, Environment.TEST])
async def test_only_the_local_environment_has_such_an_endpoint(
    database_url: str, clock: FixedClock, environment: Environment
) -> None:
    general = GeneralSettings(environment=environment, base_uri="https://platform.altinn.no", console=False)
    secure = AuthenticationSettings(openid_base_url="https://platform.altinn.no/openid/", certificate_url=None)
    running = running_service(database_url, TurnableClock(clock), general=general, authentication=secure)
    async with running as service:
        assert await statuses(service) == [404, 404]
        assert service.services.clock.now() == NOON


async def statuses(service: Service) -> list[int]:
    return [(await service.client.get(CLOCK)).status_code, (await turned(service, 60)).status_code]


async def test_an_api_starts_before_its_database_is_migrated(database_url: str, clock: FixedClock) -> None:
    async with running_service(database_url, clock) as service:
        await service.services.db.execute("DROP TABLE turned_clock")
    async with running_service(database_url, TurnableClock(clock)) as service:
        assert (await shown(service))["offsetSeconds"] == 0
