"""The endpoints of spec 09, 7.4 and 8.3 and spec 10, 7, in the whole application on a real database."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from altinn_notifications.settings import EmailSettings, SmsSettings
from support.emails import OPERATION_ID
from support.mails import a_dsn, an_automatic_reply
from support.service import running_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.service import Service

EVENTS = "/notifications/email/api/v1/reports"
DSN = "/notifications/email/api/v1/reports/dsn"
SMS = "/notifications/sms/api/v1/reports"
KEY = "nøkkel+med/tegn"
REPORT = {
    "eventType": "Microsoft.Communication.EmailDeliveryReportReceived",
    "data": {"messageId": "4f1c", "status": "Bounced"},
}
VALIDATION = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "abc"}}
XML = (
    '<?xml version="1.0"?><!DOCTYPE MSGLST SYSTEM "pswincom_report_request.dtd"><MSGLST>'
    "<MSG><ID>4</ID><REF>r-1</REF><RCV>4799999999</RCV><STATE>DELIVRD</STATE></MSG>"
    "<MSG><ID>9</ID><RCV>4799999998</RCV><STATE>BARRED</STATE></MSG></MSGLST>"
)


@pytest.fixture
async def service(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    email = EmailSettings(report_access_key=KEY)
    sms = SmsSettings(report_username="gateway", report_password="hem:melig å")
    async with running_service(database_url, clock, email=email, sms=sms) as running:
        yield running


async def post_events(service: Service, body: Any, **query: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return await service.client.post(EVENTS, params=query or {"accesskey": KEY}, content=content, headers=headers)


async def post_sms(service: Service, body: str | bytes = XML, **headers: str) -> httpx.Response:
    standard = {"Content-Type": "application/xml", "Authorization": basic("gateway:hem:melig å")}
    sent = {name: value for name, value in (standard | headers).items() if value}
    return await service.client.post(SMS, content=body, headers=sent)


def basic(credentials: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(credentials.encode()).decode()}"


async def stored(db: Database) -> list[tuple[Any, ...]]:
    rows = await db.fetch("SELECT provider, channel, provider_reference, result FROM delivery_reports ORDER BY id")
    return [tuple(row) for row in rows]


async def dead(db: Database) -> list[tuple[Any, ...]]:
    rows = await db.fetch("SELECT channel, reason, delivery_report FROM dead_delivery_reports ORDER BY id")
    return [tuple(row) for row in rows]


# Email through Event Grid.


@pytest.mark.parametrize("query", [{"x": "1"}, {"accesskey": ""}, {"accesskey": "feil"}, {"accesskey": KEY + " "}])
async def test_without_the_key_nothing_is_read_and_no_handshake_answered(
    service: Service, db: Database, query: dict[str, str]
) -> None:
    for body in ([REPORT], [VALIDATION], b"not json"):
        response = await post_events(service, body, **query)
        assert response.status_code == 401
        assert "abc" not in response.text
        assert len(response.text) < 100
    assert await stored(db) == []


async def test_an_unset_key_lets_nobody_in(database_url: str, clock: FixedClock) -> None:
    for key in (None, ""):
        async with running_service(database_url, clock, email=EmailSettings(report_access_key=key)) as service:
            assert (await post_events(service, [REPORT], accesskey="")).status_code == 401
            assert (await service.client.post(EVENTS, json=[REPORT])).status_code == 401
            assert (await service.client.post(DSN, content=a_dsn())).status_code == 401


async def test_a_report_is_stored_before_it_is_acknowledged(service: Service, db: Database) -> None:
    for body in ([REPORT], REPORT):
        response = await post_events(service, body)
        assert (response.status_code, response.content) == (200, b"")
    assert await stored(db) == [(1, "Email", "4f1c", "Failed_Bounced")] * 2


async def test_the_handshake_is_answered_with_the_code(service: Service, db: Database) -> None:
    response = await post_events(service, [REPORT, VALIDATION])
    assert response.status_code == 200
    assert response.json() == {"validationResponse": "abc"}
    assert await stored(db) == []


async def test_an_unknown_status_is_set_aside_and_the_next_report_applied(service: Service, db: Database) -> None:
    unknown = REPORT | {"data": {"messageId": "4f1c", "status": "bounced"}}
    with capture_logs() as lines:
        response = await post_events(service, [unknown, REPORT, {"eventType": "Other"}])
    assert response.status_code == 200
    assert [row[2] for row in await stored(db)] == ["4f1c"]
    assert await dead(db) == [(1, "INVALID_DELIVERY_REPORT", unknown)]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["delivery_report_invalid"]


async def test_a_body_that_is_not_json_is_a_400_for_those_with_the_key(service: Service) -> None:
    response = await post_events(service, b"<html>")
    assert response.status_code == 400
    assert len(response.text) < 100


async def test_another_content_type_is_refused_before_the_key_is_looked_at(service: Service) -> None:
    response = await service.client.post(EVENTS, content=b"x", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


async def test_characters_that_the_database_cannot_hold_do_no_harm(service: Service, db: Database) -> None:
    data = REPORT["data"] | {"statusMessage": "a\0\ud800"}  # type: ignore[operator]  # the literal above is a dict
    for status in ("Bounced", "unknown"):
        assert (await post_events(service, REPORT | {"data": data | {"status": status}})).status_code == 200
    assert len(await stored(db)) == len(await dead(db)) == 1


# Email through mail servers.


async def test_a_bounce_is_stored_under_its_operation_id(service: Service, db: Database) -> None:
    response = await service.client.post(
        DSN, params={"accesskey": KEY}, content=a_dsn(), headers={"Content-Type": "message/rfc822"}
    )
    assert (response.status_code, response.content) == (200, b"")
    assert await stored(db) == [(3, "Email", str(OPERATION_ID), "Failed_Bounced")]


async def test_a_bounce_that_names_no_mail_becomes_a_dead_report(service: Service, db: Database) -> None:
    raw = a_dsn(envelope_id=None, returned_id=None, returned_message_id=None)
    assert (await service.client.post(DSN, params={"accesskey": KEY}, content=raw)).status_code == 200
    [(channel, reason, payload)] = await dead(db)
    assert (channel, reason) == (3, "INVALID_DELIVERY_REPORT")
    assert "Final-Recipient: rfc822; kari@example.com" in payload


async def test_mail_that_changes_nothing_is_taken_and_logged_without_a_name(service: Service, db: Database) -> None:
    with capture_logs() as lines:
        for raw in (a_dsn(action="delayed"), an_automatic_reply()):
            assert (await service.client.post(DSN, params={"accesskey": KEY}, content=raw)).status_code == 200
    assert await stored(db) == await dead(db) == []
    dropped = [line for line in lines if line["event"] == "delivery_status_dropped"]
    assert [line["operation_id"] for line in dropped] == [str(OPERATION_ID), None]
    assert "kari" not in str(lines)


@pytest.mark.parametrize(
    ("content_type", "accesskey", "expected"),
    [
        ("application/json", "feil", 415),
        ("text/plain", KEY, 415),
        ("message/rfc822", "feil", 401),
        ("message/rfc822", KEY, 400),
        ("Message/RFC822; charset=utf-8", KEY, 400),
    ],
)
async def test_content_type_then_key_then_body_are_judged(
    service: Service, content_type: str, accesskey: str, expected: int
) -> None:
    headers = {"Content-Type": content_type}
    response = await service.client.post(DSN, params={"accesskey": accesskey}, content=b"Hei", headers=headers)
    assert response.status_code == expected


# SMS.


async def test_every_sms_report_is_stored_and_answered_in_order(service: Service, db: Database) -> None:
    response = await post_sms(service)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/xml")
    assert response.text == (
        '<?xml version="1.0"?><MSGLST><MSG><ID>4</ID><STATUS>OK</STATUS></MSG>'
        "<MSG><ID>9</ID><STATUS>OK</STATUS></MSG></MSGLST>"
    )
    assert await stored(db) == [(2, "Sms", "r-1", "Delivered")]
    [(channel, reason, payload)] = await dead(db)
    assert (channel, reason) == (2, "INVALID_DELIVERY_REPORT")
    assert payload["sendResult"] == "Failed_BarredReceiver"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic aW52YWxpZA==",
        "Basic not-base64!",
        "Basic " + base64.b64encode(b"gateway:\xff").decode(),
        basic("gateway:feil"),
        basic("Gateway:hem:melig å"),
        basic("feil:hem:melig å"),
        basic("gateway:hem:melig å", scheme="Bearer"),
        base64.b64encode("gateway:hem:melig å".encode()).decode(),
        basic(":"),
    ],
)
async def test_wrong_credentials_are_a_401_with_an_empty_body(
    service: Service, db: Database, authorization: str
) -> None:
    response = await post_sms(service, Authorization=authorization)
    assert (response.status_code, response.content) == (401, b"")
    assert response.headers["www-authenticate"] == "Basic"
    assert await stored(db) == []


async def test_the_scheme_may_be_written_in_any_letter_case(service: Service) -> None:
    for scheme in ("basic", "BASIC"):
        assert (await post_sms(service, Authorization=basic("gateway:hem:melig å", scheme))).status_code == 200


@pytest.mark.parametrize(("username", "password"), [("", ""), ("gateway", ""), ("", "hemmelig")])
async def test_credentials_that_are_not_configured_let_nobody_in(
    database_url: str, clock: FixedClock, username: str, password: str
) -> None:
    sms = SmsSettings(report_username=username, report_password=password)
    async with running_service(database_url, clock, sms=sms) as service:
        assert (await post_sms(service, Authorization=basic(f"{username}:{password}"))).status_code == 401


@pytest.mark.parametrize("content_type", ["application/xml", "text/xml; charset=utf-8", "Text/Plain", ""])
async def test_the_gateways_content_types_are_accepted(service: Service, content_type: str) -> None:
    assert (await post_sms(service, **{"Content-Type": content_type})).status_code == 200


async def test_another_content_type_is_refused_before_the_credentials(service: Service) -> None:
    response = await post_sms(service, **{"Content-Type": "application/json", "Authorization": ""})
    assert response.status_code == 415


@pytest.mark.parametrize("body", ["", " ", "<MSGLST/>", "<MSGLST>", XML.replace("<STATE>BARRED</STATE>", "")])
async def test_a_document_that_cannot_be_used_is_a_400_and_nothing_of_it_is_kept(
    service: Service, db: Database, body: str
) -> None:
    response = await post_sms(service, body)
    assert response.status_code == 400
    assert 0 < len(response.text) < 100
    assert await stored(db) == await dead(db) == []
    assert (await post_sms(service, body, Authorization="")).status_code == 401


async def test_the_charset_of_the_content_type_decodes_the_body(service: Service, db: Database) -> None:
    body = XML.replace("r-1", "blåbær")
    await post_sms(service, body.encode(), **{"Content-Type": "text/xml; charset=UTF-8"})
    await post_sms(service, body.encode("iso-8859-1"), **{"Content-Type": "text/xml"})
    assert [row[2] for row in await stored(db)] == ["blåbær", "blåbær"]


async def test_reports_that_cannot_be_stored_are_not_acknowledged(service: Service) -> None:
    await service.services.db.close()
    key = {"accesskey": KEY}
    answers = [
        await post_events(service, [REPORT]),
        await service.client.post(DSN, params=key, content=a_dsn()),
        await post_sms(service),
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(503, b"")] * 3
