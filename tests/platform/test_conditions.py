from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from altinn_notifications.platform.clients import open_platform
from altinn_notifications.platform.conditions import Condition, ConditionAnswer, evaluated
from altinn_notifications.platform.guarded_fetch import Fetched
from altinn_notifications.settings import Environment, GeneralSettings, Settings
from support.platform_peer import CONDITION, TOKEN, Reply, connected, encoded_jwk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer


@pytest.fixture
async def platform(peer: PlatformPeer) -> AsyncIterator[Platform]:
    async with connected(peer, maskinporten_jwk=encoded_jwk()) as clients:
        yield clients


@pytest.mark.parametrize(
    ("status", "body", "condition"),
    [
        (200, b'{"sendNotification": true}', Condition.MET),
        (200, b'{"sendNotification": false, "because": "read"}', Condition.NOT_MET),
        (201, b'{"sendNotification": true}', Condition.MET),
        (299, b'{"sendNotification": false}', Condition.NOT_MET),
        (200, b'\xef\xbb\xbf{"sendNotification": true}', Condition.MET),
        (204, b"", Condition.INCONCLUSIVE),
        (200, b" \r\n", Condition.INCONCLUSIVE),
        (200, b"{}", Condition.INCONCLUSIVE),
        (200, b"null", Condition.INCONCLUSIVE),
        (200, b"true", Condition.INCONCLUSIVE),
        (200, b'[{"sendNotification": true}]', Condition.INCONCLUSIVE),
        (200, b'{"SendNotification": true}', Condition.INCONCLUSIVE),
        (200, b'{"sendNotification": "true"}', Condition.INCONCLUSIVE),
        (200, b'{"sendNotification": 1}', Condition.INCONCLUSIVE),
        (200, b'{"sendNotification": null}', Condition.INCONCLUSIVE),
        (200, b"<html>", Condition.INCONCLUSIVE),
        (200, b"\xff\xfe\xff", Condition.INCONCLUSIVE),
        (200, b"[" * 60_000, Condition.INCONCLUSIVE),
        (302, b"", Condition.INCONCLUSIVE),
        (404, b'{"sendNotification": false}', Condition.INCONCLUSIVE),
        (500, b'{"sendNotification": true}', Condition.INCONCLUSIVE),
    ],
)
def test_only_a_boolean_in_a_successful_answer_decides(status: int, body: bytes, condition: Condition) -> None:
    answer = evaluated(Fetched(status, body))
    assert answer.condition is condition
    assert (answer.reason is None) is (condition is not Condition.INCONCLUSIVE)


async def test_the_endpoint_is_asked_as_ordered_with_a_token(platform: Platform, peer: PlatformPeer) -> None:
    answer = await platform.conditions.check(f"{peer.url}{CONDITION}?seen=true&a=%2F%20b#part")
    assert answer == ConditionAnswer(Condition.MET)
    (call,) = peer.calls_to(CONDITION)
    assert (call.method, call.target, call.body) == ("GET", f"{CONDITION}?seen=true&a=%2F%20b", b"")
    assert call.headers["authorization"] == "Bearer token-1"
    assert call.headers["host"] == f"127.0.0.1:{peer.port}"


async def test_a_refused_token_is_renewed_once_within_the_check(platform: Platform, peer: PlatformPeer) -> None:
    peer.answer_next(CONDITION, Reply(status=401))
    answer = await platform.conditions.check(f"{peer.url}{CONDITION}")
    assert answer.condition is Condition.MET
    assert [call.headers["authorization"] for call in peer.calls_to(CONDITION)] == ["Bearer token-1", "Bearer token-2"]


async def test_a_second_refusal_is_inconclusive(platform: Platform, peer: PlatformPeer) -> None:
    peer.answer_next(CONDITION, Reply(status=401), Reply(status=401))
    answer = await platform.conditions.check(f"{peer.url}{CONDITION}")
    assert answer == ConditionAnswer(Condition.INCONCLUSIVE, "status 401")
    assert len(peer.calls_to(TOKEN)) == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=500), "status 500"),
        (Reply(b"x" * 70_000), "answer too large"),
        (Reply(drop=True), "unreadable answer"),
        (Reply({"sendNotification": True}, cut=True), "unreadable answer"),
        (Reply(status=302, headers={"Location": "http://127.0.0.1/"}), "unusable redirect"),
        (Reply(status=302, headers={"Location": "/condition"}), "unusable redirect"),
        (Reply(status=302), "status 302"),
    ],
)
async def test_what_goes_wrong_on_the_wire_is_inconclusive_and_not_repeated(
    platform: Platform, peer: PlatformPeer, reply: Reply, reason: str
) -> None:
    peer.answer_next(CONDITION, reply)
    assert await platform.conditions.check(f"{peer.url}{CONDITION}") == ConditionAnswer(Condition.INCONCLUSIVE, reason)
    assert len(peer.calls_to(CONDITION)) == 1


async def test_a_slow_endpoint_is_inconclusive(peer: PlatformPeer) -> None:
    peer.answer_next(CONDITION, Reply(silent=True))
    async with connected(peer, maskinporten_jwk=encoded_jwk(), timeout_seconds=0.1) as platform:
        await platform.conditions._tokens.token()
        answer = await platform.conditions.check(f"{peer.url}{CONDITION}")
    assert answer == ConditionAnswer(Condition.INCONCLUSIVE, "timeout")


async def test_nobody_listening_is_inconclusive(platform: Platform) -> None:
    answer = await platform.conditions.check("http://127.0.0.1:1/")
    assert answer == ConditionAnswer(Condition.INCONCLUSIVE, "connection")


async def test_without_a_token_the_endpoint_is_not_asked(peer: PlatformPeer) -> None:
    async with connected(peer) as platform:
        answer = await platform.conditions.check(f"{peer.url}{CONDITION}")
    assert answer == ConditionAnswer(Condition.INCONCLUSIVE, "no token: not configured")
    assert peer.calls == []


async def test_a_maskinporten_that_is_down_is_inconclusive(platform: Platform, peer: PlatformPeer) -> None:
    peer.answer_next(TOKEN, *[Reply(status=503)] * 3)
    answer = await platform.conditions.check(f"{peer.url}{CONDITION}")
    assert answer == ConditionAnswer(Condition.INCONCLUSIVE, "no token: status 503")


async def test_credentials_in_the_url_do_not_replace_the_token(platform: Platform, peer: PlatformPeer) -> None:
    await platform.conditions.check(f"http://user:secret@127.0.0.1:{peer.port}{CONDITION}")
    assert peer.calls_to(CONDITION)[0].headers["authorization"] == "Bearer token-1"
    assert peer.calls_to(CONDITION)[0].headers["host"] == f"127.0.0.1:{peer.port}"


async def test_logs_never_hold_the_address(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="altinn_notifications")
    with capture_logs() as logs:
        await platform.conditions.check("http://127.0.0.1:1/about/12838530255")
    assert [entry["event"] for entry in logs] == ["send_condition_inconclusive"]
    assert "12838530255" not in f"{logs} {caplog.text}"


@pytest.mark.parametrize(
    ("environment", "hosts", "allowed"),
    [
        (Environment.LOCAL, None, True),
        (Environment.TEST, None, False),
        (Environment.PRODUCTION, None, False),
        (Environment.LOCAL, "", False),
        (Environment.PRODUCTION, "10.0.0.0/8, 127.0.0.1", True),
        (Environment.PRODUCTION, "localhost", False),
    ],
)
async def test_this_machine_is_asked_only_where_it_is_allowed(
    peer: PlatformPeer, environment: Environment, hosts: str | None, *, allowed: bool
) -> None:
    changes: dict[str, Any] = {"maskinporten_jwk": encoded_jwk()}
    settings = peer.settings(**changes, **({} if hosts is None else {"condition_allowed_hosts": hosts}))
    platform = open_platform(Settings(general=GeneralSettings(environment=environment), platform=settings.platform))
    answer = await platform.conditions.check(f"{peer.url}{CONDITION}")
    await platform.close()
    expected = (
        ConditionAnswer(Condition.MET) if allowed else ConditionAnswer(Condition.INCONCLUSIVE, "address not allowed")
    )
    assert answer == expected


async def test_one_host_is_not_asked_more_than_a_few_times_at_once(platform: Platform, peer: PlatformPeer) -> None:
    answers = await asyncio.gather(*(platform.conditions.check(f"{peer.url}{CONDITION}") for _ in range(100)))
    assert {answer.condition for answer in answers} == {Condition.MET}
    assert peer.most_concurrent <= 32
