"""The send conditions, asked by hand and by the service (spec 13, 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from altinn_notifications.platform.conditions import Condition
from support.simulator import BROWSER

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def said(world: World, name: str, times: int = 2) -> list[str]:
    """What the service makes of the first answers."""
    url = f"{world.url}/sim/conditions/{name}"
    answers = [await world.platform.conditions.check(url) for _ in range(times)]
    return [answer.reason or answer.condition.value for answer in answers]


async def calls(world: World, name: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = (await world.get(f"/sim/conditions/{name}/calls"))["calls"]
    return answer


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("always", ["met", "met"]),
        ("never", ["not met", "not met"]),
        ("flip", ["met", "not met"]),
        ("fail-once", ["status 500", "met"]),
        ("fail", ["status 500", "status 500"]),
        ("nobody", ["empty answer", "empty answer"]),
        ("wrongtype", ["no boolean sendNotification", "no boolean sendNotification"]),
        ("unauthorized-once", ["met", "met"]),
        ("unknown", ["status 404", "status 404"]),
    ],
)
async def test_a_seeded_condition_answers_as_its_name_says(world: World, name: str, answers: list[str]) -> None:
    assert await said(world, name) == answers


async def test_a_slow_condition_takes_longer_than_the_service_waits(world: World) -> None:
    assert (await world.get("/sim/conditions/slow/calls"))["answers"]["delayMs"] == 60_000
    await world.put("/sim/conditions/quick", {"delayMs": 30})
    assert await said(world, "quick", 1) == ["met"]
    token = {"Authorization": f"Bearer {await world.maskinporten_token()}"}
    with pytest.raises(httpx.ReadTimeout):
        await world.http.get("/sim/conditions/slow", headers=token, timeout=0.1)
    assert (await calls(world, "slow"))[0]["status"] == 200  # seen although nobody waits for the answer any more


async def test_a_refused_token_is_renewed_once_and_both_are_in_the_log(world: World) -> None:
    await said(world, "unauthorized-once", 1)
    second, first = await calls(world, "unauthorized-once")
    assert (first["status"], second["status"]) == (401, 200)
    assert first["claims"]["jti"] != second["claims"]["jti"]
    assert second["claims"]["scope"] == "altinn:system/notifications.condition.check"
    assert second["claims"]["consumer"]["ID"] == "0192:991825827"


async def test_the_sequence_begins_anew_for_each_query_and_when_it_is_set(world: World) -> None:
    assert await said(world, "fail-once?try=1") == ["status 500", "met"]
    assert await said(world, "fail-once?try=2") == ["status 500", "met"]
    assert [call["query"] for call in await calls(world, "fail-once")] == ["try=2", "try=2", "try=1", "try=1"]
    await world.http.post("/sim/conditions/fail-once/calls", data={"again": ""})
    assert await said(world, "fail-once?try=1") == ["status 500", "met"]


async def test_a_condition_answers_what_it_is_told(world: World) -> None:
    answers = {"sequence": [{"status": 204}, {"body": "no JSON"}], "sendNotification": False}
    told = await world.put("/sim/conditions/mine", answers)
    assert told["answers"]["sequence"][0]["status"] == 204
    assert await said(world, "mine", 3) == ["empty answer", "not JSON", "not met"]


@pytest.mark.parametrize(
    ("name", "body"),
    [("mine", {"status": 99}), ("mine", {"delayMs": -1}), ("mine", {"send": True}), ("a%20b", {}), ("mine", [])],
)
async def test_an_answer_that_cannot_be_is_refused(world: World, name: str, body: Any) -> None:
    assert (await world.http.put(f"/sim/conditions/{name}", json=body)).status_code == 400


async def test_only_a_maskinporten_token_with_the_scope_is_answered(world: World) -> None:
    altinn = (await world.http.get("/api/GetEnterpriseToken")).text
    for headers in ({}, {"Authorization": f"Bearer {altinn}"}, {"Authorization": "Basic x"}):
        answer = await world.http.get("/sim/conditions/always", headers=headers)
        assert answer.status_code == 401
    assert [call["claims"] for call in await calls(world, "always")] == [None, None, None]


async def test_a_faulty_playground_is_inconclusive(world: World) -> None:
    await world.fault("condition", "error", count=1)
    assert await said(world, "always") == ["status 503", "met"]
    await world.fault("condition", "garbage", count=1)
    assert await said(world, "always", 1) == ["not JSON"]


async def test_the_page_sets_one_answer_for_ever(world: World) -> None:
    page = "/sim/conditions/flip/calls"
    for says, expected in (("false", "not met"), ("perhaps", "no boolean sendNotification")):
        answer = await world.http.post(page, data={"sendNotification": says, "status": "200"}, headers=BROWSER)
        assert answer.status_code == 303
        assert await said(world, "flip", 2) == [expected, expected]


async def test_the_pages_show_answers_and_calls_and_renew_themselves(world: World) -> None:
    before = (await world.http.get("/sim/conditions", headers=BROWSER)).text
    assert f"{world.url.replace('127.0.0.1', 'localhost')}/sim/conditions/unauthorized-once" in before
    assert "true, then false" in before
    poll = "/sim/conditions/always/calls?seen=" + str((before.split("seen=")[1]).split('"')[0])
    assert (await world.http.get(poll, headers={"HX-Request": "true"})).status_code == 204
    await said(world, "always", 1)
    assert "token accepted" in (await world.http.get(poll, headers={"HX-Request": "true"})).text


async def test_a_reset_restores_the_seeded_answers_and_forgets_the_calls(world: World) -> None:
    await world.put("/sim/conditions/never", {"sendNotification": True})
    await world.put("/sim/conditions/mine", {})
    await said(world, "never", 1)
    await world.http.post("/sim/reset")
    assert await calls(world, "never") == []
    assert (await world.http.get("/sim/conditions/mine/calls")).status_code == 404
    url = f"{world.url}/sim/conditions/never"
    assert (await world.platform.conditions.check(url)).condition is Condition.NOT_MET
