"""The local platform as Azure's email: signatures, one mail per operation id, magic words, throttling (spec 13, 15)."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio

from altinn_notifications.channels.email.acs_signing import signed_headers
from altinn_notifications.channels.protocol import Accepted, Attachment, Deferred, Refused, Scope, Unfinished, Unknown
from support.acs import KEY, provider_at
from support.emails import an_email
from support.simulator import Running, eventually
from support.times import HOUR, MINUTE, NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.channels.email.acs import AcsProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
VERSION = "?api-version=2025-09-01"
BODY: dict[str, Any] = {
    "senderAddress": "noreply@altinn.no",
    "recipients": {"to": [{"address": "kari@example.no"}]},
    "content": {"subject": "Ny melding", "plainText": "Hei"},
}


@pytest_asyncio.fixture(loop_scope="module")
async def acs(simulator: Running) -> AsyncIterator[AcsProvider]:
    """Our own provider at the simulator, which ends operations at once."""
    await simulator.http.put("/sim/settings", json={"operationDelayMs": 0})
    async with provider_at(f"{simulator.http.base_url}/acs") as provider:
        yield provider


async def ask(simulator: Running, method: str, target: str, *, json: Any = None, **changes: Any) -> httpx.Response:
    """A signed request; `key`, `at` and `headers` change who signs, when, and what is sent besides."""
    request = simulator.http.build_request(method, f"/acs/{target}", json=json)
    signed = signed_headers(changes.get("key", KEY), method, request.url, request.content, at=changes.get("at", NOON))
    request.headers.update(signed | changes.get("headers", {}))
    return await simulator.http.send(request)


def to(address: str, **changes: Any) -> Any:
    return an_email(to_address=address, operation_id=uuid4(), **changes)


async def test_a_mail_appears_in_the_mailbox_with_the_way_it_came(simulator: Running, acs: AcsProvider) -> None:
    files = (Attachment("brev.pdf", "application/pdf", b"%PDF"),)
    email = to("kari@example.no", is_html=True, body="<p>Blåbær</p>", attachments=files)
    assert await acs.send(email) == Accepted(str(email.operation_id), is_final=False)
    (mail,) = await simulator.mailbox("kari@example.no")
    assert (mail["way"], mail["subject"], mail["operationId"]) == ("ACS", email.subject, str(email.operation_id))
    whole = (await simulator.http.get(mail["url"])).json()
    assert whole["html"].strip() == "<p>Blåbær</p>"
    assert whole["attachments"][0]["name"] == "brev.pdf"
    assert (await simulator.http.get(whole["attachments"][0]["url"])).content == b"%PDF"
    assert await acs.poll(str(email.operation_id)) == Accepted(str(email.operation_id))


async def test_pages_show_the_way_a_mail_came(simulator: Running, acs: AcsProvider) -> None:
    await acs.send(to("kari@example.no"))
    page = (await simulator.http.get("/sim/mailbox", headers={"Accept": "text/html"})).text
    assert "<td>ACS</td>" in page


async def test_the_same_operation_id_twice_is_one_mail(simulator: Running, acs: AcsProvider) -> None:
    email = to("kari@example.no")
    first, second = await acs.send(email), await acs.send(email)
    assert first == second
    assert len(await simulator.mailbox("kari@example.no")) == 1
    await acs.send(replace(email, operation_id=uuid4()))
    assert len(await simulator.mailbox("kari@example.no")) == 2


async def test_an_operation_is_first_not_started_then_running_then_ended(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"operationDelayMs": 400})
    answer = await ask(simulator, "POST", f"emails:send{VERSION}", json=BODY)
    operation = answer.json()
    assert (answer.status_code, operation["status"]) == (202, "NotStarted")
    assert answer.headers["operation-location"].endswith(f"/acs/emails/operations/{operation['id']}")
    assert answer.headers["retry-after"] == "30"
    seen: list[str] = []

    async def has_ended() -> bool:
        status = (await ask(simulator, "GET", f"emails/operations/{operation['id']}{VERSION}")).json()["status"]
        seen.extend([status] if status not in seen else [])
        return bool(status == "Succeeded")

    await eventually(has_ended)
    assert seen == ["NotStarted", "Running", "Succeeded"]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("kari", "Delivered"),
        ("bounced", "Bounced"),
        ("kari+filteredspam", "FilteredSpam"),
        ("QUARANTINED", "Quarantined"),
        ("failed", "Failed"),
        ("expanded", "Expanded"),
    ],
)
async def test_a_report_is_posted_under_the_operation_id(
    simulator: Running, acs: AcsProvider, word: str, state: str
) -> None:
    email = to(f"{word}@example.no")
    await acs.send(email)
    await eventually(simulator.service.mail_reports)
    (report,) = simulator.service.mail_reports()
    assert (report["messageId"], report["status"]) == (str(email.operation_id), state)


async def test_a_mail_without_report_succeeds_and_that_is_all(simulator: Running, acs: AcsProvider) -> None:
    silent, reported = to("noreport@example.no"), to("kari@example.no")
    await acs.send(silent)
    await acs.send(reported)
    assert await acs.poll(str(silent.operation_id)) == Accepted(str(silent.operation_id))
    await eventually(simulator.service.mail_reports)
    assert [report["messageId"] for report in simulator.service.mail_reports()] == [str(reported.operation_id)]


@pytest.mark.parametrize(
    ("word", "result"),
    [("invalidformat", "Failed_InvalidEmailFormat"), ("toolarge", "Failed_PayloadTooLarge"), ("refused", "Failed")],
)
async def test_a_refusal_makes_no_mail(simulator: Running, acs: AcsProvider, word: str, result: str) -> None:
    outcome = await acs.send(to(f"{word}@example.no"))
    assert isinstance(outcome, Refused)
    assert outcome.result == result
    assert await simulator.mailbox(f"{word}@example.no") == []


async def test_suppressed_recipients_fail_the_operation(simulator: Running, acs: AcsProvider) -> None:
    email = to("suppressed@example.no")
    assert await acs.send(email) == Accepted(str(email.operation_id), is_final=False)
    outcome = await acs.poll(str(email.operation_id))
    assert isinstance(outcome, Refused)
    assert outcome.result == "Failed_SupressedRecipient"
    assert await simulator.mailbox("suppressed@example.no") == []


async def test_a_running_operation_never_ends(simulator: Running, acs: AcsProvider) -> None:
    email = to("running@example.no")
    await acs.send(email)
    assert await acs.poll(str(email.operation_id)) == Unfinished()
    assert len(await simulator.mailbox("running@example.no")) == 1


async def test_a_rate_limit_holds_once_and_names_its_wait(acs: AcsProvider) -> None:
    email = to("ratelimit@example.no")
    throttled = Deferred(Scope.PROVIDER, "HTTP 429 TooManyRequests", timedelta(seconds=5))
    assert await acs.send(email) == throttled
    assert await acs.send(email) == Accepted(str(email.operation_id), is_final=False)


async def test_a_transient_error_comes_twice_and_the_call_repeats_itself(simulator: Running, acs: AcsProvider) -> None:
    email = to("transient@example.no")
    assert await acs.send(email) == Accepted(str(email.operation_id), is_final=False)
    calls = (await simulator.http.get("/sim/calls?target=acs")).json()["calls"]
    assert [call["status"] for call in calls] == [202, 503, 503]


async def test_the_calls_that_people_look_at_show_no_signature(simulator: Running, acs: AcsProvider) -> None:
    await acs.send(to("kari@example.no"))
    (call,) = (await simulator.http.get("/sim/calls?target=acs")).json()["calls"]
    (shown,) = [header["value"] for header in call["headers"] if header["name"] == "authorization"]
    assert shown == "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=***"


async def test_outages_on_demand_reach_this_target_too(simulator: Running, acs: AcsProvider) -> None:
    await simulator.http.post("/sim/faults", json={"target": "acs", "mode": "error", "count": 4})
    email = to("kari@example.no")
    assert await acs.send(email) == Unknown("HTTP 503", Scope.PROVIDER)
    await simulator.http.post("/sim/faults", json={"target": "acs", "mode": "garbage", "count": 1})
    assert await acs.poll(str(email.operation_id)) == Unfinished(trouble="an answer that cannot be read")
    assert await acs.send(replace(email, may_have_arrived=True)) == Accepted(str(email.operation_id), is_final=False)


async def test_more_than_ten_megabytes_are_too_large(acs: AcsProvider) -> None:
    files = (Attachment("stor.pdf", "application/pdf", bytes(11_534_336)),)
    outcome = await acs.send(to("kari@example.no", attachments=files))
    assert isinstance(outcome, Refused)
    assert outcome.result == "Failed_PayloadTooLarge"


async def test_a_reset_forgets_operations(simulator: Running, acs: AcsProvider) -> None:
    email = to("kari@example.no")
    await acs.send(email)
    await simulator.http.post("/sim/reset")
    poll = await acs.poll(str(email.operation_id))
    assert poll == Unfinished(trouble="HTTP 404 NotFound")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": b"another key"},
        {"at": NOON + HOUR},
        {"headers": {"x-ms-content-sha256": base64.b64encode(bytes(32)).decode()}},
        {"headers": {"x-ms-date": "yesterday"}},
        {"headers": {"Authorization": "Bearer x"}},
    ],
)
async def test_a_request_that_is_not_signed_for_now_is_denied(simulator: Running, changes: dict[str, Any]) -> None:
    answer = await ask(simulator, "POST", f"emails:send{VERSION}", json=BODY, **changes)
    assert answer.status_code == 401
    assert answer.headers["x-ms-error-code"] == answer.json()["error"]["code"] == "Denied"


async def test_a_clock_that_differs_by_some_minutes_is_forgiven(simulator: Running) -> None:
    answer = await ask(simulator, "POST", f"emails:send{VERSION}", json=BODY, at=NOON + 14 * MINUTE)
    assert answer.status_code == 202


@pytest.mark.parametrize("version", ["?api-version=2023-03-31", "?api-version=1999-01-01", ""])
async def test_only_versions_that_exist_are_answered(simulator: Running, version: str) -> None:
    answer = await ask(simulator, "POST", f"emails:send{version}", json=BODY)
    assert answer.status_code == (202 if "2023" in version else 400)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"recipients": {"to": [{"address": "kari"}]}}, "Invalid format for email address"),
        ({"recipients": {"to": []}}, "recipients.to"),
        ({"content": {"subject": "Hei"}}, "plainText"),
        ({"content": {"subject": "", "plainText": "Hei"}}, "content.subject"),
        ({"senderAddress": ""}, "senderAddress"),
        ({"attachments": [{"name": "a", "contentType": "text/plain", "contentInBase64": "?"}]}, "base64"),
    ],
)
async def test_a_body_that_cannot_be_used_is_refused(simulator: Running, changes: dict[str, Any], text: str) -> None:
    answer = await ask(simulator, "POST", f"emails:send{VERSION}", json=BODY | changes)
    assert answer.status_code == 400
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize("operation_id", ["not-a-uuid", ""])
async def test_an_operation_id_must_be_a_uuid(simulator: Running, operation_id: str) -> None:
    answer = await ask(simulator, "POST", f"emails:send{VERSION}", json=BODY, headers={"Operation-Id": operation_id})
    assert answer.status_code == 400
