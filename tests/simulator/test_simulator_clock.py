"""The clock of the platform, and the service that is told the time (spec 13, 16)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from altinn_notifications.clock import FixedClock, TurnableClock
from altinn_notifications.simulator.app import bound
from altinn_notifications.simulator.shared_time import SharedTime
from support.simulator import BROWSER, a_simulator
from support.times import NOON

if TYPE_CHECKING:
    from support.simulator import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEEK = 7 * 86_400


async def turned(simulator: Running, **change: Any) -> dict[str, Any]:
    answer = await simulator.http.put("/sim/clock", json=change)
    assert answer.status_code == 200, answer.text
    clock: dict[str, Any] = answer.json()
    return clock


async def test_the_clock_begins_at_the_machines_time(simulator: Running) -> None:
    assert await turned(simulator, offsetSeconds=0) == {
        "now": "2026-03-02T12:00:00Z",
        "offsetSeconds": 0,
        "service": {"followed": True, "status": 200},
    }


@pytest.mark.parametrize(
    "change", [{"offsetSeconds": WEEK}, {"advanceSeconds": WEEK}, {"now": "2026-03-09T13:00:00+01:00"}]
)
async def test_each_way_to_turn_it_leads_to_the_same_time(simulator: Running, change: dict[str, Any]) -> None:
    await turned(simulator, **change)
    clock = (await simulator.http.get("/sim/clock")).json()
    assert (clock["now"], clock["offsetSeconds"]) == ("2026-03-09T12:00:00Z", WEEK)
    (told,) = simulator.service.received
    assert (told.method, told.path) == ("PUT", "/notifications/api/v1/tests/clock")
    assert told.header("content-type") == "application/json"
    assert told.body == b'{"offsetSeconds":604800.0}'


async def test_turning_adds_up_and_goes_back(simulator: Running) -> None:
    await turned(simulator, advanceSeconds=60)
    await turned(simulator, advanceSeconds=0.5)
    assert (await turned(simulator, advanceSeconds=-120))["offsetSeconds"] == -59.5


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"offsetSeconds": 1, "advanceSeconds": 1},
        {"offsetSeconds": "soon"},
        {"offsetSeconds": 1e12},
        {"advanceSeconds": None},
        {"now": "2026-03-09T13:00:00"},
        {"now": "2099-01-01T00:00:00Z"},
        {"seconds": 1},
    ],
)
async def test_a_turn_that_makes_no_sense_is_refused_and_told_to_nobody(
    simulator: Running, change: dict[str, Any]
) -> None:
    assert (await simulator.http.put("/sim/clock", json=change)).status_code == 400
    assert (await simulator.http.get("/sim/clock")).json()["offsetSeconds"] == 0
    assert simulator.service.received == []


async def test_a_service_that_does_not_follow_is_told_of(simulator: Running) -> None:
    simulator.service.status = 404
    assert (await turned(simulator, advanceSeconds=1))["service"] == {"followed": False, "status": 404}
    page = (await simulator.http.get("/sim/clock", headers=BROWSER)).text
    assert "The service has not followed" in page
    assert "It answered 404." in page


async def test_a_service_that_is_away_does_not_keep_the_clock_from_turning() -> None:
    away = bound("127.0.0.1", 0)
    async with a_simulator(service_listener=away) as simulator:
        away.close()
        clock = await turned(simulator, advanceSeconds=WEEK)
        assert (clock["now"], clock["service"]) == ("2026-03-09T12:00:00Z", {"followed": False, "status": None})


async def test_messages_and_calls_are_of_the_turned_time(simulator: Running) -> None:
    await turned(simulator, advanceSeconds=WEEK)
    await simulator.send_sms("4799999001")
    assert (await simulator.phone("+4799999001"))[0]["receivedAt"] == "2026-03-09T12:00:00Z"
    assert (await simulator.http.get("/sim/calls?target=sms")).json()["calls"][0]["at"] == "2026-03-09T12:00:00Z"


async def test_a_reset_leaves_the_clock_and_makes_the_seed_fresh_at_its_time(simulator: Running) -> None:
    await turned(simulator, advanceSeconds=WEEK)
    await simulator.http.post("/sim/reset")
    assert (await simulator.http.get("/sim/clock")).json()["offsetSeconds"] == WEEK
    person = (await simulator.http.get("/sim/persons/12838530255")).json()
    assert person["emailLastUpdated"] == "2026-02-07T12:00:00Z"


async def test_the_page_turns_the_clock_without_scripts_and_every_page_says_so(simulator: Running) -> None:
    answer = await simulator.http.post("/sim/clock", data={"advanceSeconds": "604800"}, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sim/clock")
    for path in ("/", "/sim/mailbox", "/sim/clock"):
        assert (
            "The clock is turned: 09.03.2026 13:00:00 (+7 d)" in (await simulator.http.get(path, headers=BROWSER)).text
        )
    await simulator.http.post("/sim/clock", data={"now": "2026-07-01T09:00:00"}, headers=BROWSER)
    assert (await simulator.http.get("/sim/clock")).json()["now"] == "2026-07-01T07:00:00Z"
    await simulator.http.post("/sim/clock", data={"offsetSeconds": "0"}, headers=BROWSER)
    assert "The clock is turned" not in (await simulator.http.get("/", headers=BROWSER)).text


async def test_a_wrong_time_in_the_form_is_explained(simulator: Running) -> None:
    answer = await simulator.http.post("/sim/clock", data={"now": "noon"}, headers=BROWSER)
    assert answer.status_code == 400
    assert "This was not saved" in answer.text


def a_service(*answers: httpx.Response | Exception) -> httpx.AsyncClient:
    """A service that gives these answers in turn."""
    left = iter(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_a_new_platform_begins_in_the_time_that_the_service_kept() -> None:
    clock = TurnableClock(FixedClock(NOON))
    assert await SharedTime(clock, "http://service", a_service(httpx.Response(200, json={"offsetSeconds": 60}))).adopt()
    assert clock.now() == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("answer", [httpx.Response(404), httpx.Response(200, json=[]), httpx.Response(200, text="x")])
async def test_a_service_without_a_clock_to_turn_leaves_the_platform_in_the_present(answer: httpx.Response) -> None:
    clock = TurnableClock(FixedClock(NOON))
    assert not await SharedTime(clock, "http://service", a_service(answer)).adopt()
    assert clock.now() == NOON


async def test_a_service_that_is_still_starting_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("altinn_notifications.simulator.shared_time._ASK_AGAIN_SECONDS", 0)
    clock = TurnableClock(FixedClock(NOON))
    starting = (httpx.ConnectError("away"), httpx.Response(503), httpx.Response(200, json={"offsetSeconds": 60}))
    assert await SharedTime(clock, "http://service", a_service(*starting)).adopt()


async def test_who_turns_the_clock_before_the_service_is_there_has_the_last_word() -> None:
    clock = TurnableClock(FixedClock(NOON))
    time = SharedTime(clock, "http://service", a_service(httpx.ConnectError("away")))
    await time.turn(timedelta(hours=1))
    assert not await time.adopt()
    assert clock.offset == timedelta(hours=1)
