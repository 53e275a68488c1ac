"""The SMS provider against a gateway on a real socket (spec 10, 3 to 5 and 14)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from altinn_notifications.channels.protocol import Accepted, Deferred, OutgoingSms, Refused, Scope, Unknown
from altinn_notifications.channels.sms.gateway_xml import head, message, validity_minutes
from altinn_notifications.channels.sms.link import LinkProvider
from altinn_notifications.channels.sms.segments import as_sent
from altinn_notifications.lifecycle import SmsResult
from altinn_notifications.settings import SmsSettings
from support.gateway_peer import DROP, HANG, Answer, GatewayPeer, accepted, answered
from support.tls import localhost_identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOTIFICATION_ID = UUID("6f0e3c8a-0f4c-4a6e-8f8e-0d9b7c1a2e3f")


def an_sms(**changes: Any) -> OutgoingSms:
    """An ordinary SMS to one person."""
    sms = OutgoingSms(NOTIFICATION_ID, "Altinn", "+4799999999", "Du har ny post i Altinn", timedelta(hours=48))
    return replace(sms, **changes)


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayPeer]:
    async with GatewayPeer() as peer:
        yield peer


@asynccontextmanager
async def provider_for(gateway: GatewayPeer, **changes: Any) -> AsyncIterator[LinkProvider]:
    values = {"gateway_endpoint": gateway.url, "gateway_username": "altinn", "gateway_password": "hemmelig", **changes}
    provider = LinkProvider(SmsSettings(**values))
    yield provider
    await provider.close()


async def test_one_sms_is_one_post_with_the_elements_in_order(gateway: GatewayPeer) -> None:
    async with provider_for(gateway) as provider:
        await provider.send(an_sms())
    [request] = gateway.requests
    assert request.line == "POST /sms/gateway HTTP/1.1"
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert request.body.startswith(b'<?xml version="1.0" encoding="iso-8859-1"?>')
    session = fromstring(request.body)
    assert [element.tag for element in session] == ["CLIENT", "PW", "MSGLST"]
    assert (session.findtext("CLIENT"), session.findtext("PW")) == ("altinn", "hemmelig")
    assert {element.tag: element.text for element in request.message} == {
        "ID": "1",
        "TEXT": "Du har ny post i Altinn",
        "SND": "Altinn",
        "RCV": "4799999999",
        "TTL": "2880",
    }
    assert [element.tag for element in request.message] == ["ID", "TEXT", "SND", "RCV", "TTL"]


async def test_text_survives_whichever_encoding_the_gateway_believes(gateway: GatewayPeer) -> None:
    text = "Blåbær & <syltetøy> €\U0001f550"
    async with provider_for(gateway) as provider:
        await provider.send(an_sms(body=text))
    body = gateway.requests[0].body
    assert body.isascii()
    for encoding in ("utf-8", "iso-8859-1"):
        assert fromstring(body.decode(encoding)).findtext("MSGLST/MSG/TEXT") == text


async def test_a_password_is_escaped_and_never_logged(gateway: GatewayPeer) -> None:
    gateway.next(answered("", logon="<LOGON>FAIL</LOGON><REASON>Wrong password a&amp;b</REASON>"))
    with capture_logs() as lines:
        async with provider_for(gateway, gateway_password="a&b<c") as provider:
            outcome = await provider.send(an_sms(body="hemmelig\atekst"))
    assert fromstring(gateway.requests[0].body).findtext("PW") == "a&b<c"
    assert "a&b" not in str(lines) + str(outcome)
    assert "tekst" not in str(lines)


async def test_control_characters_are_removed_with_a_warning(gateway: GatewayPeer) -> None:
    with capture_logs() as lines:
        async with provider_for(gateway) as provider:
            await provider.send(an_sms(body="Hei\x07 p\ud800å\tdeg\r\nog\rdeg\ufffe"))
    assert gateway.requests[0].value("TEXT") == "Hei på\tdeg\nog\ndeg"
    assert lines == [
        {"event": "sms_control_characters_removed", "log_level": "warning", "notification_id": NOTIFICATION_ID}
    ]


@pytest.mark.parametrize("stored", ["+4799999999", "004799999999", "4799999999", "+47 99 99 99 99", " 0047 99999999 "])
async def test_the_number_is_sent_in_the_form_that_the_gateway_documents(gateway: GatewayPeer, stored: str) -> None:
    async with provider_for(gateway) as provider:
        await provider.send(an_sms(mobile_number=stored))
    assert gateway.requests[0].value("RCV") == "4799999999"


async def test_a_long_text_is_passed_on_whole(gateway: GatewayPeer) -> None:
    async with provider_for(gateway) as provider:
        await provider.send(an_sms(body=2145 * "a"))
    assert gateway.requests[0].value("TEXT") == 2145 * "a"


async def test_a_long_sender_is_passed_on_unchanged(gateway: GatewayPeer) -> None:
    async with provider_for(gateway) as provider:
        await provider.send(an_sms(sender="Digitaliseringsdirektoratet"))
    assert gateway.requests[0].value("SND") == "Digitaliseringsdirektoratet"


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(60, 1), (89, 2), (90, 2), (172_800, 2880), (29, 1), (0, 1), (61, 2), (360, 6)]
)
def test_validity_is_whole_minutes_rounded_up_and_never_zero(seconds: int, minutes: int) -> None:
    assert validity_minutes(timedelta(seconds=seconds)) == minutes


async def test_text_outside_the_gsm_alphabet_goes_as_ucs_2_when_that_is_wanted(gateway: GatewayPeer) -> None:
    async with provider_for(gateway, unicode_when_needed=True) as provider:
        await provider.send(an_sms(body="Привет"))
        await provider.send(an_sms(body="Hei på deg €"))
    assert gateway.requests[0].value("OP") == "9"
    assert gateway.requests[0].value("TEXT") == "041f04400438043204350442"
    assert [element.tag for element in gateway.requests[0].message] == ["ID", "TEXT", "SND", "RCV", "OP", "TTL"]
    assert gateway.requests[1].value("OP") is None
    assert gateway.requests[1].value("TEXT") == "Hei på deg €"


async def test_text_outside_the_gsm_alphabet_goes_as_it_is_by_default(gateway: GatewayPeer) -> None:
    async with provider_for(gateway) as provider:
        await provider.send(an_sms(body="Привет"))
    assert gateway.requests[0].value("OP") is None
    assert gateway.requests[0].value("TEXT") == "Привет"


@given(st.text(), st.text(), st.text(), st.booleans())
def test_whatever_the_text_the_document_is_ascii_and_well_formed(
    text: str,
    sender: str,
    password: str,
    unicode_when_needed: bool,  # noqa: FBT001 - hypothesis passes it by position
) -> None:
    rest = message(sender, "+4799999999", text, minutes=1, unicode_when_needed=unicode_when_needed)
    document = head("user", password) + rest
    assert document.isascii()
    found = fromstring(document)
    sent = found.findtext("MSGLST/MSG/TEXT")
    expected = as_sent(text)
    if found.findtext("MSGLST/MSG/OP") == "9":
        assert bytes.fromhex(sent or "").decode("utf-16-be") == expected
    else:
        assert sent == expected


# What the gateway's answer means: the table of spec 10, 5.2.


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (accepted("ref-1"), Accepted("ref-1")),
        (accepted(None), Accepted(None)),
        (accepted(" "), Accepted(None)),
        (
            answered("<MSG><ID>1</ID><STATUS>FAIL</STATUS><INFO>Invalid RCV '12345678'. Try again</INFO></MSG>"),
            Refused(SmsResult.INVALID_RECIPIENT, "Invalid RCV '***'. Try again"),
        ),
        (
            answered("<MSG><ID>1</ID><STATUS>FAIL</STATUS><INFO>invalid rcv</INFO></MSG>"),
            Refused(SmsResult.FAILED, "invalid rcv"),
        ),
        (
            answered("<MSG><ID>1</ID><STATUS>FAIL</STATUS><INFO>No credit for +47 99 99 99 99</INFO></MSG>"),
            Refused(SmsResult.FAILED, "No credit for +***"),
        ),
        (
            answered("<MSG><ID>1</ID><STATUS>FAIL</STATUS></MSG>"),
            Refused(SmsResult.FAILED, "the gateway gave no reason"),
        ),
        (answered("<MSG><ID>1</ID></MSG>"), Refused(SmsResult.FAILED, "the gateway gave no reason")),
        (
            answered("<MSG><ID>1</ID><STATUS>ok</STATUS></MSG>"),
            Refused(SmsResult.FAILED, "the gateway gave no reason"),
        ),
    ],
)
async def test_an_answer_that_tells_what_became_of_the_message(
    gateway: GatewayPeer, answer: Answer, expected: Accepted | Refused
) -> None:
    gateway.next(answer)
    async with provider_for(gateway) as provider:
        assert await provider.send(an_sms()) == expected


@pytest.mark.parametrize("reason", ["<REASON>no such user</REASON>", ""])
async def test_wrong_credentials_fail_no_recipient(gateway: GatewayPeer, reason: str) -> None:
    gateway.next(answered("", logon=f"<LOGON>FAIL</LOGON>{reason}"))
    async with provider_for(gateway) as provider:
        outcome = await provider.send(an_sms())
    assert outcome == Deferred(Scope.PROVIDER, "the gateway does not let us in", misconfigured=True)


@pytest.mark.parametrize("status", [301, 400, 500, 503, 504])
async def test_a_status_other_than_2xx_means_that_nothing_was_sent(gateway: GatewayPeer, status: int) -> None:
    gateway.next(replace(accepted(), status=status), replace(accepted(), status=status, cut=10))
    async with provider_for(gateway) as provider:
        for _ in range(2):
            assert await provider.send(an_sms()) == Deferred(Scope.CALL, f"the gateway answered HTTP {status}")


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_status_about_the_account_is_for_an_operator_to_mend(gateway: GatewayPeer, status: int) -> None:
    gateway.next(Answer("", status=status))
    async with provider_for(gateway) as provider:
        outcome = await provider.send(an_sms())
    assert outcome == Deferred(Scope.PROVIDER, f"the gateway answered HTTP {status}", misconfigured=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "17"}, 17),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Tue, 03 Mar 2026 12:01:30 GMT", "Date": "Tue, 03 Mar 2026 12:00:00 GMT"}, 90),
        ({"Retry-After": "Tue, 03 Mar 2026 12:01:30 GMT"}, None),
    ],
)
async def test_a_gateway_that_has_too_much_to_do_is_left_alone_as_long_as_it_asks(
    gateway: GatewayPeer, headers: dict[str, str], seconds: int | None
) -> None:
    gateway.next(Answer("", status=429, headers=headers))
    async with provider_for(gateway) as provider:
        outcome = await provider.send(an_sms())
    wish = None if seconds is None else timedelta(seconds=seconds)
    assert outcome == Deferred(Scope.PROVIDER, "the gateway answered HTTP 429", wish)


async def test_an_outage_that_tells_its_end_concerns_the_whole_gateway(gateway: GatewayPeer) -> None:
    gateway.next(Answer("", status=503, headers={"Retry-After": "120"}))
    async with provider_for(gateway) as provider:
        outcome = await provider.send(an_sms())
    assert outcome == Deferred(Scope.PROVIDER, "the gateway answered HTTP 503", timedelta(seconds=120))


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html></html>"),
        Answer("<html>"),
        Answer(""),
        Answer("", status=204),
        Answer("x" * 200_000),
        Answer('<?xml version="1.0" encoding="klingon"?><SESSION/>'),
        Answer('<!DOCTYPE a [<!ENTITY b "c">]><SESSION><LOGON>&b;</LOGON></SESSION>'),
        answered(""),
        answered("<MSG><ID>2</ID><STATUS>OK</STATUS></MSG>"),
        answered("<MSG><STATUS>OK</STATUS></MSG>"),
        answered("<MSG><ID>1</ID><STATUS>OK</STATUS></MSG>", logon=""),
        replace(accepted(), cut=40),
        HANG,
        DROP,
    ],
)
async def test_an_answer_that_does_not_tell_leaves_the_outcome_unknown(gateway: GatewayPeer, answer: object) -> None:
    gateway.next(answer)
    async with provider_for(gateway, gateway_timeout_seconds=0.3) as provider:
        assert isinstance(await provider.send(an_sms()), Unknown)
        assert isinstance(await provider.send(an_sms()), Accepted)


async def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        provider = LinkProvider(SmsSettings(gateway_endpoint=f"http://127.0.0.1:{free.getsockname()[1]}/"))
        assert await provider.send(an_sms()) == Deferred(Scope.PROVIDER, "the gateway is not reachable")
        await provider.close()


@pytest.mark.parametrize("host", ["gateway.invalid", "a" * 64 + ".example"])
async def test_a_name_that_cannot_be_looked_up_means_that_nothing_was_sent(host: str) -> None:
    provider = LinkProvider(SmsSettings(gateway_endpoint=f"http://{host}/"))
    assert await provider.send(an_sms()) == Deferred(Scope.PROVIDER, "the gateway is not reachable")
    await provider.close()


async def test_a_gateway_that_we_do_not_trust_is_told_nothing(tmp_path: Path) -> None:
    async with GatewayPeer(tls=localhost_identity(tmp_path).server) as gateway, provider_for(gateway) as provider:
        assert await provider.send(an_sms()) == Deferred(Scope.PROVIDER, "the gateway is not reachable")
    assert gateway.requests == []


async def test_a_gateway_that_we_trust_is_spoken_to_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = localhost_identity(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))
    async with GatewayPeer(tls=identity.server) as gateway, provider_for(gateway) as provider:
        assert isinstance(await provider.send(an_sms()), Accepted)


async def test_connections_are_kept_open_between_messages(gateway: GatewayPeer) -> None:
    async with provider_for(gateway) as provider:
        for _ in range(3):
            await asyncio.gather(*(provider.send(an_sms()) for _ in range(4)))
    assert len(gateway.requests) == 12
    assert gateway.connections == 4


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_connection_that_the_gateway_closed_is_replaced_and_the_message_goes_once(
    gateway: GatewayPeer,
    keep_alive: bool,  # noqa: FBT001 - a parameter set
) -> None:
    gateway.next(replace(accepted("first"), keep_alive=keep_alive))
    async with provider_for(gateway) as provider:
        assert await provider.send(an_sms()) == Accepted("first")
        gateway.hang_up()
        await gateway.wait_until_gone()
        assert isinstance(await provider.send(an_sms()), Accepted)
    assert len(gateway.requests) == 2
    assert gateway.connections == 2


async def test_a_cancelled_call_leaves_nothing_behind(gateway: GatewayPeer) -> None:
    gateway.next(HANG)
    async with provider_for(gateway) as provider:
        sending = asyncio.ensure_future(provider.send(an_sms()))
        await asyncio.wait_for(gateway.has_request.wait(), timeout=5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await provider.send(an_sms()), Accepted)
    assert gateway.connections == 2


async def test_neither_number_nor_text_shows_in_an_outcome(gateway: GatewayPeer) -> None:
    gateway.next(Answer("x", status=500), DROP, answered("<MSG><ID>1</ID><INFO>Invalid RCV 4799999999</INFO></MSG>"))
    async with provider_for(gateway) as provider:
        outcomes = [await provider.send(an_sms()) for _ in range(3)]
    assert "99999" not in str(outcomes)
    assert "post" not in str(outcomes)
