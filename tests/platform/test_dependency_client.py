from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from altinn_notifications.platform.breaker import PAUSE_SECONDS, THRESHOLD
from altinn_notifications.platform.client import Answer, DependencyClient, http_client
from altinn_notifications.platform.dependencies import Circuit, Dependency, DependencyFailed
from support.platform_peer import PERSONS, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

KARI = "12838530255"
PATH = "users/contactpoint/lookup"
QUESTION = {"nationalIdentityNumbers": [KARI], "useStaleContactInfo": False}


class AnyAnswer(Answer):
    contact_points_list: list[object]


class Seconds:
    """A monotonic clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


def profile(peer: PlatformPeer, http: httpx.AsyncClient, seconds: Seconds, **changes: object) -> DependencyClient:
    settings = peer.settings(**changes).platform
    return DependencyClient(Dependency.PROFILE, settings.profile_base_url, http, settings, monotonic=seconds)


async def ask(client: DependencyClient) -> AnyAnswer:
    return await client.ask("persons", PATH, QUESTION, AnyAnswer)


async def failure_of(client: DependencyClient) -> DependencyFailed:
    with pytest.raises(DependencyFailed) as raised:
        await ask(client)
    return raised.value


@pytest.mark.parametrize(
    ("reply", "cause", "calls"),
    [
        (Reply(status=500), "status 500", 1),
        (Reply(status=400), "status 400", 1),
        (Reply(status=401), "status 401", 1),
        (Reply(status=302, headers={"Location": "/elsewhere"}), "status 302", 1),
        (Reply(status=502), "status 502", 3),
        (Reply(status=503), "status 503", 3),
        (Reply(status=504), "status 504", 3),
        (Reply(drop=True), "connection", 3),
        (Reply({"contactPointsList": []}, cut=True), "connection", 3),
        (Reply(b"<html>"), "unreadable answer", 1),
        (Reply(), "unreadable answer", 1),
        (Reply({}), "unreadable answer", 1),
        (Reply({"contactPointsList": None}), "unreadable answer", 1),
        (Reply([]), "unreadable answer", 1),
        (Reply(b"garbage", headers={"Content-Encoding": "gzip"}), "unreadable answer", 1),
    ],
)
async def test_every_unusable_answer_is_one_kind_of_failure(
    peer: PlatformPeer, http: httpx.AsyncClient, reply: Reply, cause: str, calls: int
) -> None:
    peer.answer_next(PERSONS, *[reply] * 3)
    failure = await failure_of(profile(peer, http, Seconds()))
    assert (failure.dependency, failure.operation, failure.cause) == (Dependency.PROFILE, "persons", cause)
    assert len(peer.calls) == calls


@pytest.mark.parametrize("trouble", [Reply(status=503), Reply(drop=True), Reply({"contactPointsList": []}, cut=True)])
async def test_passing_trouble_is_overcome_by_two_repeats(
    peer: PlatformPeer, http: httpx.AsyncClient, trouble: Reply
) -> None:
    peer.answer_next(PERSONS, trouble, trouble)
    assert (await ask(profile(peer, http, Seconds()))).contact_points_list == []
    assert len(peer.calls) == 3


async def test_nobody_there_is_a_failed_connection(http: httpx.AsyncClient, peer: PlatformPeer) -> None:
    peer.port = 1  # nothing listens there
    assert (await failure_of(profile(peer, http, Seconds()))).cause == "connection"


async def test_a_silent_dependency_is_given_up_when_the_time_is_over(
    peer: PlatformPeer, http: httpx.AsyncClient
) -> None:
    peer.answer_next(PERSONS, Reply(silent=True))
    failure = await failure_of(profile(peer, http, Seconds(), timeout_seconds=0.05))
    assert failure.cause == "timeout"
    assert len(peer.calls) == 1


async def test_repeats_are_part_of_the_time_limit(peer: PlatformPeer, http: httpx.AsyncClient) -> None:
    peer.answer_next(PERSONS, Reply(status=503), Reply(silent=True))
    failure = await failure_of(profile(peer, http, Seconds(), timeout_seconds=0.1))
    assert (failure.cause, len(peer.calls)) == ("timeout", 2)


async def test_any_success_will_do_and_names_are_read_in_any_letter_case(
    peer: PlatformPeer, http: httpx.AsyncClient
) -> None:
    peer.answer_next(PERSONS, Reply({"CONTACTPOINTSLIST": [1], "somethingNew": True}, status=201))
    assert (await ask(profile(peer, http, Seconds()))).contact_points_list == [1]


async def test_questions_are_json_in_utf_8(peer: PlatformPeer, http: httpx.AsyncClient) -> None:
    await ask(profile(peer, http, Seconds()))
    (call,) = peer.calls
    assert call.headers["content-type"] == "application/json; charset=utf-8"
    assert call.json == QUESTION


async def test_after_repeated_failures_the_dependency_is_left_alone_and_then_probed(
    peer: PlatformPeer, http: httpx.AsyncClient
) -> None:
    seconds = Seconds()
    client = profile(peer, http, seconds)
    peer.answer_next(PERSONS, *[Reply(status=500)] * (THRESHOLD + 1))
    for _ in range(THRESHOLD):
        assert client.health().circuit is Circuit.CLOSED
        await failure_of(client)
    assert client.health().circuit is Circuit.OPEN
    assert (await failure_of(client)).cause == "circuit open"
    assert len(peer.calls) == THRESHOLD

    seconds.now += PAUSE_SECONDS
    assert client.health().circuit is Circuit.HALF_OPEN
    assert (await failure_of(client)).cause == "status 500"
    assert client.health().circuit is Circuit.OPEN
    assert client.health().consecutive_failures == THRESHOLD + 1

    seconds.now += PAUSE_SECONDS
    await ask(client)
    assert client.health().circuit is Circuit.CLOSED


async def test_an_open_circuit_lets_one_probe_through_at_a_time(peer: PlatformPeer, http: httpx.AsyncClient) -> None:
    seconds = Seconds()
    client = profile(peer, http, seconds)
    peer.answer_next(PERSONS, *[Reply(status=500)] * THRESHOLD)
    for _ in range(THRESHOLD):
        await failure_of(client)
    seconds.now += PAUSE_SECONDS
    answers = await asyncio.gather(*(ask(client) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [AnyAnswer, DependencyFailed, DependencyFailed]


async def test_a_refused_question_does_not_open_the_circuit(peer: PlatformPeer, http: httpx.AsyncClient) -> None:
    client = profile(peer, http, Seconds())
    peer.answer_next(PERSONS, *[Reply(status=400)] * (2 * THRESHOLD))
    for _ in range(2 * THRESHOLD):
        await failure_of(client)
    assert client.health().circuit is Circuit.CLOSED


async def test_neither_logs_nor_errors_name_anybody(peer: PlatformPeer, http: httpx.AsyncClient) -> None:
    peer.answer_next(PERSONS, Reply({"contactPointsList": f"about {KARI}"}))
    with capture_logs() as logs:
        failure = await failure_of(profile(peer, http, Seconds()))
    assert [entry["event"] for entry in logs] == ["dependency_call_failed"]
    assert KARI not in f"{logs} {failure!r} {failure} {failure.__cause__}"
    assert failure.__suppress_context__


async def test_each_dependency_has_a_health_of_its_own(platform: Platform, peer: PlatformPeer) -> None:
    peer.answer_next(PERSONS, Reply(status=500))
    await platform.profile.persons([KARI], use_stale=False)
    assert {str(one.dependency): one.consecutive_failures for one in platform.health()} == {
        "profile": 1,
        "register": 0,
        "authorization": 0,
        "maskinporten": 0,
    }
