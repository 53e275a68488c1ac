from __future__ import annotations

import aiosmtplib
import jwt
import pytest

from altinn_notifications.simulator.app import bound
from support.simulator import GATEWAY_PASSWORD, Running, a_mail, a_simulator, session

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_START = {
    "settings": {
        "reportDelayMs": 0,
        "operationDelayMs": 500,
        "latencyMs": 0,
        "allowList": [],
        "contactDelaySeconds": 0,
        "jwksBase64Url": False,
    },
    "faults": [],
    "mailbox": {"messages": 0, "reportsWaiting": 0},
    "phones": {"messages": 0, "reportsWaiting": 0},
    "files": 4,
    "registers": {"persons": 27, "organisations": 11, "users": 510, "grants": 259, "dialogs": 0},
    "conditions": 9,
}


async def test_a_reset_brings_everything_back_to_the_start(simulator: Running) -> None:
    settings = {
        "reportDelayMs": 60_000,
        "operationDelayMs": 500,
        "latencyMs": 1,
        "allowList": ["+4799999001"],
        "contactDelaySeconds": 600,
        "jwksBase64Url": True,
    }
    await simulator.http.put("/sim/settings", json=settings)
    await simulator.send_sms("4799999001")
    await simulator.http.post("/sim/faults", json={"target": "smtp", "mode": "garbage", "count": 3})
    assert (await simulator.http.get("/sim/state")).json() == {
        **AT_START,
        "settings": settings,
        "faults": [{"target": "smtp", "mode": "garbage", "status": 451, "count": 3}],
        "phones": {"messages": 1, "reportsWaiting": 1},
    }
    assert (await simulator.http.post("/sim/reset")).json() == AT_START
    assert (await simulator.http.get("/sim/state")).json() == AT_START
    assert (await simulator.http.get("/sim/calls")).json() == {"calls": []}
    assert await simulator.phone("4799999001") == []


async def test_a_reset_forgets_the_attempts_of_magic_numbers(simulator: Running) -> None:
    for _ in range(2):
        answer = await simulator.http.post("/sms/gateway", content=session("4741000002"))
        assert answer.status_code == 503
        await simulator.http.post("/sim/reset")


async def test_a_setting_that_is_not_named_stays(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"reportDelayMs": 5})
    answer = await simulator.http.put("/sim/settings", json={"allowList": ["004799999001", "47 99 99 90 03"]})
    assert answer.json() == {
        "reportDelayMs": 5,
        "operationDelayMs": 500,
        "latencyMs": 0,
        "allowList": ["+4799999001", "+4799999003"],
        "contactDelaySeconds": 0,
        "jwksBase64Url": False,
    }


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        ({"reportDelayMs": -1}, {"reportDelayMs"}),
        ({"latencyMs": 3_600_001}, {"latencyMs"}),
        ({"allowList": "x"}, {"allowList"}),
        ({"latency": 1, "reportDelayMs": "soon"}, {"latency", "reportDelayMs"}),
    ],
)
async def test_a_wrong_setting_is_named_and_nothing_changes(
    simulator: Running, body: dict[str, object], properties: set[str]
) -> None:
    answer = await simulator.http.put("/sim/settings", json=body)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, properties)
    assert (await simulator.http.get("/sim/state")).json() == AT_START


async def test_latency_makes_the_gateway_slow(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"latencyMs": 60})
    answer = await simulator.http.post("/sms/gateway", content=session("4799999001"))
    assert answer.elapsed.total_seconds() >= 0.059


async def test_keys_are_published_in_base64url_when_told_so(simulator: Running) -> None:
    jwks = "/authentication/api/v1/openid/.well-known/openid-configuration/jwks"
    as_the_platform = (await simulator.http.get(jwks)).json()["keys"][0]["n"]
    await simulator.http.put("/sim/settings", json={"jwksBase64Url": True})
    as_the_standard = (await simulator.http.get(jwks)).json()["keys"][0]["n"]
    assert as_the_standard == as_the_platform.replace("+", "-").replace("/", "_").rstrip("=")


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        ({"target": "notifications", "mode": "error"}, {"target"}),
        ({"target": "nobody", "mode": "error"}, {"target"}),
        ({"target": "sms", "mode": "explode"}, {"mode"}),
        ({"target": "sms", "mode": "error", "status": 200}, {"status"}),
        ({"target": "sms", "mode": "error", "count": -1}, {"count"}),
        ({}, {"target", "mode"}),
    ],
)
async def test_a_fault_that_cannot_be_is_refused(
    simulator: Running, body: dict[str, object], properties: set[str]
) -> None:
    answer = await simulator.http.post("/sim/faults", json=body)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, properties)


async def test_what_is_no_json_is_a_bad_request(simulator: Running) -> None:
    assert (await simulator.http.post("/sim/faults", content=b"{")).status_code == 400


async def test_a_new_fault_replaces_the_one_before_and_a_count_of_zero_ends_it(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "sms", "mode": "garbage", "count": 9})
    answer = await simulator.http.post("/sim/faults", json={"target": "sms", "mode": "error"})
    assert answer.json() == {"faults": [{"target": "sms", "mode": "error", "status": 503, "count": 1}]}
    answer = await simulator.http.post("/sim/faults", json={"target": "sms", "mode": "error", "count": 0})
    assert answer.json() == {"faults": []}


async def test_calls_are_shown_without_passwords_keys_and_signatures(simulator: Running) -> None:
    token = jwt.encode({"urn:altinn:org": "ttd"}, "x" * 32)
    signature = token.rpartition(".")[2]
    headers = {
        "Authorization": f"Bearer {token}",
        "PlatformAccessToken": token,
        "Cookie": f"AltinnStudioRuntime={token}",
        "X-API-Key": "very-secret",
    }
    await simulator.http.get("/notifications/api/v1/orders?accesskey=very-secret&x=1", headers=headers)
    await simulator.http.get("/notifications/x", auth=("user", "very-secret"))
    await simulator.send_sms("4799999001", "Hei på deg")
    answer = await simulator.http.get("/sim/calls")
    for secret in (signature, "very-secret", GATEWAY_PASSWORD, "gateway&amp;password", "dXNlcjp2ZXJ5LXNlY3JldA"):
        assert secret not in answer.text
    sms, _, order = answer.json()["calls"]
    assert (sms["target"], sms["method"], sms["path"], sms["status"]) == ("sms", "POST", "/sms/gateway", 200)
    assert "Hei på deg" in sms["body"]
    assert "<PW>***</PW>" in sms["body"]
    assert order["path"] == "/notifications/api/v1/orders?accesskey=***&x=1"
    assert order["tokens"][0]["claims"] == {"urn:altinn:org": "ttd"}
    assert order["tokens"][0]["header"]["alg"] == "HS256"


async def test_a_password_cut_off_by_the_length_of_what_is_kept_stays_masked(simulator: Running) -> None:
    long = f"<SESSION><CLIENT>{4050 * 'x'}</CLIENT><PW>very-secret{4096 * 'y'}</PW></SESSION>"
    await simulator.http.post("/sms/gateway", content=long)
    (call,) = (await simulator.http.get("/sim/calls")).json()["calls"]
    assert "very-secret" not in call["body"]
    assert len(call["body"]) <= 4096


async def test_what_cannot_be_decoded_is_no_token(simulator: Running) -> None:
    await simulator.http.get("/notifications/x", headers={"Authorization": "Bearer eyJx.eyJy.z"})
    (call,) = (await simulator.http.get("/sim/calls")).json()["calls"]
    assert call["tokens"] == []
    assert {"name": "authorization", "value": "Bearer eyJx.eyJy.***"} in call["headers"]


async def test_mail_is_a_call_with_its_envelope_and_the_reply(simulator: Running) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        await smtp.sendmail("bounce+1@altinn.no", ["kari@epost.example"], a_mail(), mail_options=["ENVID=op-1"])
    (call,) = (await simulator.http.get("/sim/calls?target=smtp")).json()["calls"]
    assert (call["method"], call["path"], call["status"]) == ("MAIL", "kari@epost.example", 250)
    headers = {header["name"]: header["value"] for header in call["headers"]}
    assert (headers["MAIL FROM"], headers["ENVID"]) == ("bounce+1@altinn.no", "op-1")


async def test_calls_are_chosen_by_target_the_newest_first(simulator: Running) -> None:
    await simulator.send_sms("4799999001", "one")
    await simulator.http.get("/notifications/x")
    await simulator.send_sms("4799999001", "two")
    calls = (await simulator.http.get("/sim/calls")).json()["calls"]
    assert [call["target"] for call in calls] == ["sms", "notifications", "sms"]
    sms = (await simulator.http.get("/sim/calls?target=sms")).json()["calls"]
    assert ["two" in call["body"] for call in sms] == [True, False]
    assert (await simulator.http.get("/sim/calls?target=nobody")).status_code == 400


async def test_the_last_five_hundred_calls_are_kept(simulator: Running) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        for number in range(501):
            await smtp.sendmail("a@b.example", [f"noreport+{number}@d.example"], a_mail())
    calls = (await simulator.http.get("/sim/calls?target=smtp")).json()["calls"]
    assert len(calls) == 500
    assert (calls[0]["path"], calls[-1]["path"]) == ("noreport+500@d.example", "noreport+1@d.example")


async def test_a_job_calls_the_services_trigger_once(simulator: Running) -> None:
    answer = await simulator.http.post("/sim/run/pastdueorders")
    assert (answer.status_code, answer.json()) == (200, {"job": "pastdueorders", "status": 200})
    (request,) = simulator.service.received
    assert (request.method, request.target) == ("POST", b"/notifications/api/v1/trigger/pastdueorders")


async def test_a_job_the_service_fails_at_is_a_502(simulator: Running) -> None:
    simulator.service.status = 500
    answer = await simulator.http.post("/sim/run/terminateexpirednotifications")
    assert (answer.status_code, answer.json()["status"]) == (502, 500)


async def test_a_job_nobody_knows_is_a_404_that_names_the_others(simulator: Running) -> None:
    answer = await simulator.http.post("/sim/run/nothing")
    assert answer.status_code == 404
    assert "sendemail" in answer.text
    assert simulator.service.received == []


async def test_a_job_of_a_service_that_is_away_is_a_502() -> None:
    away = bound("127.0.0.1", 0)
    async with a_simulator(service_listener=away) as simulator:
        away.close()
        answer = await simulator.http.post("/sim/run/sendemail")
    assert (answer.status_code, answer.json()) == (502, {"job": "sendemail", "status": None})
