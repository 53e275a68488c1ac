"""Outages of the registers, and the page that causes them (spec 13, 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from support.simulator import BROWSER

if TYPE_CHECKING:
    from support.simulator import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = {
    "profile": ("POST", "/profile/api/v1/users/contactpoint/lookupsi"),
    "register": ("POST", "/register/api/v1/parties/nameslookup"),
    "authorization": ("POST", "/authorization/api/v1/decision"),
    "maskinporten": ("POST", "/maskinporten/token"),
    "condition": ("GET", "/sim/conditions/always"),
}


@pytest.mark.parametrize("target", PATHS)
async def test_a_target_fails_as_often_as_it_is_told_to(simulator: Running, target: str) -> None:
    method, path = PATHS[target]
    healthy = (await simulator.http.request(method, path, json={})).status_code
    await simulator.http.post("/sim/faults", json={"target": target, "mode": "error", "status": 502, "count": 2})
    statuses = [(await simulator.http.request(method, path, json={})).status_code for _ in range(3)]
    assert statuses == [502, 502, healthy]
    calls = (await simulator.http.get(f"/sim/calls?target={target}")).json()["calls"]
    assert [call["status"] for call in calls] == [healthy, 502, 502, healthy]


@pytest.mark.parametrize("target", PATHS)
async def test_a_target_can_answer_nonsense_or_nothing(simulator: Running, target: str) -> None:
    method, path = PATHS[target]
    await simulator.http.post("/sim/faults", json={"target": target, "mode": "garbage"})
    assert "<html>" in (await simulator.http.request(method, path, json={})).text
    await simulator.http.post("/sim/faults", json={"target": target, "mode": "timeout"})
    with pytest.raises(httpx.ReadTimeout):
        await simulator.http.request(method, path, json={}, timeout=0.1)


async def test_latency_slows_the_registers_too(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"latencyMs": 60})
    answer = await simulator.http.post(PATHS["profile"][1], json={"externalIdentities": []})
    assert answer.elapsed.total_seconds() >= 0.059


async def test_the_page_causes_faults_and_ends_them(simulator: Running) -> None:
    form = {"target": "profile", "mode": "error", "status": "", "count": "3"}
    answer = await simulator.http.post("/sim/faults", data=form, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sim/faults")
    faults = (await simulator.http.get("/sim/faults")).json()["faults"]
    assert faults == [{"target": "profile", "mode": "error", "status": 503, "count": 3}]
    assert "status 503" in (await simulator.http.get("/sim/faults", headers=BROWSER)).text
    await simulator.http.post("/sim/faults", data={**form, "count": "0"}, headers=BROWSER)
    assert "Everything works" in (await simulator.http.get("/sim/faults", headers=BROWSER)).text
