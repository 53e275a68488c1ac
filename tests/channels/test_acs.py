"""The provider of Azure's email against peers on real sockets (spec 09, 3 and 4)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from altinn_notifications.channels.email.acs import AcsProvider
from altinn_notifications.channels.email.acs_signing import Account
from altinn_notifications.channels.protocol import (
    Accepted,
    Attachment,
    Deferred,
    PolledEmailProvider,
    Refused,
    Scope,
    Unfinished,
    Unknown,
)
from altinn_notifications.cli.configuration import WrongSettings, read_settings
from altinn_notifications.clock import FixedClock, TurnableClock
from altinn_notifications.settings import AcsSettings, Contradiction
from support.acs import KEY, acs_settings, provider_at
from support.emails import OPERATION_ID, an_email
from support.gateway_peer import DROP, HANG, Answer, GatewayPeer
from support.times import DAY, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.gateway_peer import ReceivedRequest

OURS = str(OPERATION_ID)
TAKEN = Answer(json.dumps({"id": OURS, "status": "NotStarted"}), 202)
NOT_KNOWN = Answer(json.dumps({"error": {"code": "NotFound", "message": ""}}), 404)
BUSY = Answer("", 503)
DOWN = Unknown("HTTP 503", Scope.PROVIDER)


@pytest.fixture
async def peer() -> AsyncIterator[GatewayPeer]:
    async with GatewayPeer() as listening:
        listening.otherwise = lambda _: TAKEN
        yield listening


def endpoint(peer: GatewayPeer) -> str:
    return f"http://127.0.0.1:{peer.port}/acs/"


async def sent(peer: GatewayPeer, **changes: Any) -> Any:
    """What becomes of one mail at `peer`."""
    async with provider_at(endpoint(peer)) as provider:
        return await provider.send(an_email(**changes))


def posts(peer: GatewayPeer) -> list[ReceivedRequest]:
    return [request for request in peer.requests if request.line.startswith("POST")]


async def test_a_submission_is_one_signed_post_under_our_own_operation_id(peer: GatewayPeer) -> None:
    assert await sent(peer) == Accepted(OURS, is_final=False)
    (request,) = peer.requests
    target = "/acs/emails:send?api-version=2025-09-01"
    assert request.line == f"POST {target} HTTP/1.1"
    headers = request.headers
    assert (headers["content-type"], headers["accept"]) == ("application/json", "application/json")
    assert headers["operation-id"] == OURS
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    assert headers["x-ms-date"] == "Mon, 02 Mar 2026 12:00:00 GMT"
    assert headers["x-ms-content-sha256"] == digest
    text = f"POST\n{target}\n{headers['x-ms-date']};127.0.0.1:{peer.port};{digest}"
    signature = base64.b64encode(hmac.digest(KEY, text.encode(), "sha256")).decode()
    expected = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    assert headers["authorization"] == expected


async def test_requests_are_dated_by_the_machine_however_far_our_clock_is_turned(peer: GatewayPeer) -> None:
    turned = TurnableClock(FixedClock(NOON))
    turned.offset = 3 * DAY
    async with provider_at(endpoint(peer), turned) as provider:
        await provider.send(an_email())
    assert peer.requests[0].headers["x-ms-date"] == "Mon, 02 Mar 2026 12:00:00 GMT"


async def test_a_plain_mail_holds_only_its_plain_text(peer: GatewayPeer) -> None:
    await sent(peer)
    assert json.loads(peer.requests[0].body) == {
        "senderAddress": "noreply@altinn.cloud",
        "recipients": {"to": [{"address": "kari@example.com"}]},
        "content": {"subject": "Ny melding i Altinn", "plainText": "Hei!\nDu har ny post."},
    }


async def test_an_html_mail_holds_only_its_html(peer: GatewayPeer) -> None:
    await sent(peer, is_html=True, body="<p>Hei</p>")
    content = json.loads(peer.requests[0].body)["content"]
    assert content == {"subject": "Ny melding i Altinn", "html": "<p>Hei</p>"}


async def test_attachments_go_in_order_as_base64_with_padding(peer: GatewayPeer) -> None:
    files = (Attachment("b.pdf", "application/pdf", b"%PDF-1"), Attachment("a.txt", "text/plain", bytes(100)))
    await sent(peer, attachments=files)
    assert json.loads(peer.requests[0].body)["attachments"] == [
        {"name": "b.pdf", "contentType": "application/pdf", "contentInBase64": "JVBERi0x"},
        {"name": "a.txt", "contentType": "text/plain", "contentInBase64": base64.b64encode(bytes(100)).decode()},
    ]


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"to_address": " "}, "Failed_InvalidEmailFormat"),
        ({"from_address": ""}, "Failed"),
        ({"subject": " "}, "Failed"),
        ({"body": "\n"}, "Failed"),
        ({"attachments": (Attachment("a.pdf", "application/pdf", b""),)}, "Failed"),
    ],
)
async def test_what_the_vendors_library_refuses_is_refused_without_a_call(
    peer: GatewayPeer, changes: dict[str, Any], result: str
) -> None:
    outcome = await sent(peer, **changes)
    assert isinstance(outcome, Refused)
    assert outcome.result == result
    assert peer.requests == []


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_call_is_repeated_three_times_under_the_same_id(peer: GatewayPeer, status: int) -> None:
    peer.next(*[Answer("", status)] * 3)
    assert await sent(peer) == Accepted(OURS, is_final=False)
    assert [request.headers["operation-id"] for request in peer.requests] == [OURS] * 4


async def test_a_503_through_all_repeats_is_four_calls_and_the_default_pause(peer: GatewayPeer) -> None:
    peer.otherwise = lambda _: BUSY
    assert await sent(peer) == DOWN
    assert len(peer.requests) == 4


async def test_a_501_is_not_repeated(peer: GatewayPeer) -> None:
    peer.next(Answer("", 501))
    assert await sent(peer) == Unknown("HTTP 501", Scope.PROVIDER)
    assert len(peer.requests) == 1


async def test_a_429_is_one_call_and_pauses_as_long_as_it_asks(peer: GatewayPeer) -> None:
    peer.next(Answer("", 429, headers={"Retry-After": "120"}))
    assert await sent(peer) == Deferred(Scope.PROVIDER, "HTTP 429", 2 * MINUTE)
    assert len(peer.requests) == 1


async def test_a_short_wish_to_wait_is_honoured_between_repeats(peer: GatewayPeer) -> None:
    peer.next(Answer("", 503, headers={"Retry-After": "1"}))
    begun = asyncio.get_running_loop().time()
    assert await sent(peer) == Accepted(OURS, is_final=False)
    assert asyncio.get_running_loop().time() - begun >= 1


async def test_a_long_wish_to_wait_ends_the_call(peer: GatewayPeer) -> None:
    peer.next(Answer("", 503, headers={"Retry-After": "3600"}))
    assert await sent(peer) == DOWN
    assert len(peer.requests) == 1


async def test_nobody_listening_pauses_the_provider_and_leaves_no_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with provider_at(f"http://127.0.0.1:{port}") as provider:
        assert await provider.send(an_email()) == Deferred(Scope.PROVIDER, "the provider is not reachable")


@pytest.mark.parametrize("step", [DROP, HANG])
async def test_a_lost_answer_leaves_the_outcome_unknown(peer: GatewayPeer, step: object) -> None:
    peer.next(*[step] * 4)
    async with provider_at(endpoint(peer), timeout_seconds=0.1) as provider:
        assert await provider.send(an_email()) == Unknown("the provider gave no answer", Scope.PROVIDER)
    assert {request.headers["operation-id"] for request in peer.requests} == {OURS}


async def test_a_repeat_that_is_put_off_leaves_what_came_before_it_in_doubt(peer: GatewayPeer) -> None:
    peer.next(DROP, Answer("", 429, headers={"Retry-After": "120"}))
    assert await sent(peer) == Unknown("HTTP 429", Scope.PROVIDER, 2 * MINUTE)
    peer.next(DROP, Answer("", 401))
    assert await sent(peer) == Unknown("HTTP 401", Scope.PROVIDER, misconfigured=True)


async def test_a_conflict_after_a_lost_answer_means_that_the_mail_was_taken(peer: GatewayPeer) -> None:
    peer.next(DROP, Answer("", 409))
    assert await sent(peer) == Accepted(OURS, is_final=False)
    peer.next(Answer("", 409))
    assert isinstance(await sent(peer), Refused)


async def test_a_wrong_key_is_an_outage_that_only_an_operator_ends(peer: GatewayPeer) -> None:
    peer.next(Answer("", 401))
    assert await sent(peer) == Deferred(Scope.PROVIDER, "HTTP 401", misconfigured=True)


async def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(peer: GatewayPeer) -> None:
    peer.next(Answer("<html>", 202))
    assert await sent(peer) == Unknown("HTTP 202 without an operation id")


# A repeat after an unknown outcome asks first.


async def test_a_mail_that_may_have_arrived_is_asked_for_and_not_sent_again(peer: GatewayPeer) -> None:
    peer.next(Answer(json.dumps({"id": OURS, "status": "Running"})))
    assert await sent(peer, may_have_arrived=True) == Accepted(OURS, is_final=False)
    (question,) = peer.requests
    assert question.line == f"GET /acs/emails/operations/{OURS}?api-version=2025-09-01 HTTP/1.1"
    nothing = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert question.headers["x-ms-content-sha256"] == nothing
    assert "operation-id" not in question.headers


async def test_a_mail_that_never_arrived_is_submitted_under_the_same_id(peer: GatewayPeer) -> None:
    peer.next(NOT_KNOWN)
    assert await sent(peer, may_have_arrived=True) == Accepted(OURS, is_final=False)
    assert [request.headers["operation-id"] for request in posts(peer)] == [OURS]


async def test_a_conflict_on_a_repeated_id_counts_as_accepted(peer: GatewayPeer) -> None:
    peer.next(NOT_KNOWN, Answer("", 409))
    assert await sent(peer, may_have_arrived=True) == Accepted(OURS, is_final=False)


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_while_nobody_can_say_whether_it_arrived_nothing_is_submitted(peer: GatewayPeer, status: int) -> None:
    peer.otherwise = lambda _: Answer("", status)
    assert isinstance(await sent(peer, may_have_arrived=True), Unknown)
    assert posts(peer) == []


async def test_a_question_without_an_answer_is_asked_again_later(peer: GatewayPeer) -> None:
    peer.next(*[DROP] * 4)
    outcome = await sent(peer, may_have_arrived=True)
    assert outcome == Unknown("asked what became of it: the provider gave no answer")
    assert posts(peer) == []


# Polling.


async def test_a_poll_gets_the_operation(peer: GatewayPeer) -> None:
    peer.next(Answer(json.dumps({"id": OURS, "status": "Succeeded"})))
    async with provider_at(endpoint(peer)) as provider:
        assert isinstance(provider, PolledEmailProvider)
        assert await provider.poll(OURS) == Accepted(OURS)
    assert peer.requests[0].line.startswith(f"GET /acs/emails/operations/{OURS}?")


async def test_a_poll_without_any_answer_is_no_news(peer: GatewayPeer) -> None:
    peer.next(*[DROP] * 4)
    async with provider_at(endpoint(peer)) as provider:
        assert await provider.poll(OURS) == Unfinished(trouble="the provider gave no answer")


async def test_a_poll_that_is_throttled_waits_as_long_as_it_is_told(peer: GatewayPeer) -> None:
    peer.next(Answer("", 429, headers={"Retry-After": "7"}))
    async with provider_at(endpoint(peer)) as provider:
        assert await provider.poll(OURS) == Unfinished(7 * SECOND, "HTTP 429")


async def test_an_id_that_the_provider_chose_is_one_segment_of_the_path(peer: GatewayPeer) -> None:
    async with provider_at(endpoint(peer)) as provider:
        await provider.poll("../a b?c")
    assert peer.requests[0].line.startswith("GET /acs/emails/operations/..%2Fa%20b%3Fc?api-version")


async def test_connections_stay_open_between_mails(peer: GatewayPeer) -> None:
    async with provider_at(endpoint(peer)) as provider:
        for _ in range(3):
            await provider.send(an_email(operation_id=uuid4()))
        assert peer.connections == 1
        await asyncio.gather(*(provider.send(an_email(operation_id=uuid4())) for _ in range(4)))
        assert peer.connections <= 4


# The account.


@pytest.mark.parametrize(
    "text",
    [
        "endpoint=https://x.communication.azure.com/;accesskey=AAEC",
        "AccessKey=AAEC;Endpoint=https://x.communication.azure.com",
        " endpoint = https://x.communication.azure.com// ; ACCESSKEY = AAEC ;",
    ],
)
def test_an_account_is_read_in_any_order_and_letter_case_without_slashes_at_its_end(text: str) -> None:
    account = Account.parse(text)
    assert (account.endpoint, account.key) == ("https://x.communication.azure.com", b"\0\1\2")


def test_a_key_keeps_its_equals_signs() -> None:
    assert Account.parse("endpoint=http://a;accesskey=AA==").key == b"\0"


@pytest.mark.parametrize(
    "text", ["", "endpoint=https://a", "accesskey=AAEC", "endpoint=ftp://a;accesskey=AAEC", "endpoint=a;accesskey=A="]
)
def test_an_account_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it must name an endpoint"):
        Account.parse(text)


def test_a_key_that_is_not_base64_stops_the_start_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "NOTIFICATIONS_ACS_CONNECTION_STRING"
    monkeypatch.setenv(name, "endpoint=https://a;accesskey=secret!")
    with pytest.raises(WrongSettings) as caught:
        read_settings(os.environ)
    assert caught.value.mistakes == [f"{name}: its accesskey is not base64"]


def test_without_an_account_the_process_says_which_setting_is_missing() -> None:
    with pytest.raises(Contradiction, match="NOTIFICATIONS_ACS_CONNECTION_STRING"):
        AcsProvider(AcsSettings(), FixedClock(NOON))


def test_the_vendors_defaults_are_ours() -> None:
    settings = acs_settings("http://a", retry_delay_ms=800)
    assert (settings.api_version, settings.poll_interval_ms) == ("2025-09-01", 8000)
    assert timedelta(milliseconds=settings.retry_delay_ms) == timedelta(seconds=0.8)
