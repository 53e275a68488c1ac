from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from altinn_notifications.clock import FixedClock
from altinn_notifications.lifecycle import Channel
from altinn_notifications.settings import Environment, GeneralSettings
from altinn_notifications.tracking.daily_export import ROWS_AT_ONCE, write_day
from support.metrics_site import KEY, METRICS, metrics_client
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.times import DAY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.database.pool import Database

NOW = datetime(2026, 3, 1, 6, 0, 0, 123_456, tzinfo=UTC)
TODAY = datetime(2026, 3, 1, tzinfo=UTC)
YESTERDAY = TODAY - DAY / 2
WITH_KEY = {"X-API-Key": KEY}
PRODUCTION = GeneralSettings(environment=Environment.TEST, environment_name="Production")
COMMON = ["ShipmentId", "SendersReference", "RequestedSendTime", "CreatorName", "ResourceId", "Result"]
SMS_COLUMNS = [
    "SmsId", *COMMON, "GatewayReference", "Rate", "MobileNumberPrefix", "AltinnSmsCount", "AltinnSmsBodyLength",
    "AltinnSmsCustomBodyLength",
]  # fmt: skip
EMAIL_COLUMNS = ["EmailId", *COMMON, "OperationId"]
FINAL_SMS = {"result": "Delivered", "result_time": YESTERDAY}
FINAL_EMAIL = {"result": "Delivered", "result_time": YESTERDAY}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def site(database_url: str, clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    async with metrics_client(database_url, clock, general=PRODUCTION) as client:
        yield client


async def rows_of(site: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    answer = await site.post(f"{METRICS}/{kind}", headers=WITH_KEY)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(answer.content)).to_pylist()
    assert answer.headers["x-total-filetransfer-count"] == str(len(rows))
    return rows


async def the_row_of(site: httpx.AsyncClient, kind: str) -> dict[str, Any]:
    (row,) = await rows_of(site, kind)
    return row


# Edge cases 20 to 26 of spec 07.


@pytest.mark.parametrize("key", [KEY, None, "  "])
async def test_without_the_right_key_nobody_gets_a_file(database_url: str, clock: FixedClock, key: str | None) -> None:
    """Whatever is sent when none is configured; a missing, empty or different one when it is."""
    wrong: tuple[dict[str, str], ...] = ({}, {"X-API-Key": ""}, {"X-API-Key": "another"})
    async with metrics_client(database_url, clock, key=key) as site:
        for headers in wrong if key == KEY else (*wrong, WITH_KEY):
            for kind in ("sms", "email"):
                answer = await site.post(f"{METRICS}/{kind}", headers=headers)
                assert (answer.status_code, list(answer.json())) == (401, ["error"]), (kind, headers)
                assert answer.json()["error"]


async def test_a_blank_key_is_none(site: httpx.AsyncClient) -> None:
    """Sent by hand, since a client library refuses to."""
    url = site.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {METRICS}/sms HTTP/1.1\r\nHost: {url.host}\r\nX-API-Key:    \r\nContent-Length: 0\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'"error"' in answer


async def test_the_header_may_be_spelled_in_small_letters_and_its_first_value_counts(site: httpx.AsyncClient) -> None:
    assert (await site.post(f"{METRICS}/sms", headers={"x-api-key": KEY})).status_code == 200
    for keys, status in (((KEY, "another"), 200), (("another", KEY), 401)):
        answer = await site.post(f"{METRICS}/sms", headers=[("X-API-Key", key) for key in keys])
        assert answer.status_code == status


async def test_the_headers_describe_the_file(site: httpx.AsyncClient, db: Database) -> None:
    order = await insert(db, a_stored_order())
    for _ in range(3):
        await insert(db, a_stored_sms(order.id, **FINAL_SMS))
    answer = await site.post(f"{METRICS}/sms", headers=WITH_KEY)
    digest = hashlib.md5(answer.content, usedforsecurity=False).digest()
    headers = answer.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-file-hash"] == base64.b64encode(digest).decode()
    assert headers["x-file-size"] == headers["content-length"] == str(len(answer.content))
    assert headers["x-total-filetransfer-count"] == "3"
    assert headers["x-generated-at"] == "2026-03-01T06:00:00.1234560+00:00"
    assert headers["x-environment"] == "Production"
    assert headers["content-disposition"] == 'attachment; filename="20260228_sms_notifications_Production.parquet"'


@pytest.mark.parametrize(("kind", "names"), [("sms", SMS_COLUMNS), ("email", EMAIL_COLUMNS)])
async def test_a_day_without_any_is_a_file_with_the_schema_and_no_rows(
    site: httpx.AsyncClient, kind: str, names: list[str]
) -> None:
    answer = await site.post(f"{METRICS}/{kind}", headers=WITH_KEY)
    assert (answer.status_code, answer.headers["x-total-filetransfer-count"]) == (200, "0")
    file = parquet.ParquetFile(io.BytesIO(answer.content))
    assert file.metadata.num_rows == 0
    assert file.schema_arrow.names == names
    for index, name in enumerate(names):
        column = file.schema.column(index)
        is_number = name in {"SmsId", "EmailId"} or name.startswith("AltinnSms")
        expected = ("INT64" if name.endswith("Id") else "INT32") if is_number else "BYTE_ARRAY"
        assert (column.physical_type, column.max_definition_level) == (expected, 0 if is_number else 1), name
        assert is_number or column.logical_type.type == "STRING"


RATES = {
    "+4791234567": ("innland", "+479"),
    "004791234567": ("innland", "0047"),
    "+  4791234567": ("innland", "+  4"),
    "+4612345678": ("utland", "+461"),
    "4791234567": ("utland", "4791"),
    "": ("n/a", ""),
}


async def test_the_rate_follows_from_the_beginning_of_the_number(site: httpx.AsyncClient, db: Database) -> None:
    order = await insert(db, a_stored_order())
    expected = {}
    for number, rate in RATES.items():
        result = "Delivered" if number else "Failed_RecipientNotIdentified"
        sms = await insert(db, a_stored_sms(order.id, destination=number, result=result, result_time=YESTERDAY))
        expected[str(sms.id)] = rate
    rows = await rows_of(site, "sms")
    assert {row["ShipmentId"]: (row["Rate"], row["MobileNumberPrefix"]) for row in rows} == expected


async def test_only_what_is_final_is_in_the_file(site: httpx.AsyncClient, db: Database) -> None:
    order = await insert(db, a_stored_order())
    for result in ("New", "Sending", "Accepted", "Failed_TTL"):
        await insert(db, a_stored_sms(order.id, result=result, result_time=YESTERDAY))
    for result in ("New", "Sending", "Succeeded", "Failed_TTL", "Failed_Bounced"):
        await insert(db, a_stored_email(order.id, result=result, result_time=YESTERDAY))
    assert [row["Result"] for row in await rows_of(site, "sms")] == ["Failed_TTL"]
    assert sorted(row["Result"] for row in await rows_of(site, "email")) == ["Failed_Bounced", "Failed_TTL"]


async def test_yesterday_is_that_of_utc_and_by_the_time_of_the_result(site: httpx.AsyncClient, db: Database) -> None:
    order = await insert(db, a_stored_order(requested_send_time=TODAY - 30 * DAY))
    moments = [TODAY - DAY - timedelta(microseconds=1), TODAY - DAY, TODAY - timedelta(microseconds=1), TODAY]
    emails = [await insert(db, a_stored_email(order.id, result="Failed", result_time=moment)) for moment in moments]
    found = {row["ShipmentId"] for row in await rows_of(site, "email")}
    assert found == {str(email.id) for email in emails[1:3]}


@pytest.mark.parametrize(
    ("general", "environment"),
    [
        (PRODUCTION, "Production"),
        (GeneralSettings(environment_name=" "), "Unknown"),
        (GeneralSettings(environment_name=""), "Unknown"),
        (GeneralSettings(environment=Environment.TEST), "Test"),
    ],
)
async def test_the_file_is_named_by_day_and_environment(
    database_url: str, clock: FixedClock, general: GeneralSettings, environment: str
) -> None:
    async with metrics_client(database_url, clock, general=general) as site:
        headers = (await site.post(f"{METRICS}/email", headers=WITH_KEY)).headers
        name = f"20260228_email_notifications_{environment}.parquet"
        assert headers["content-disposition"] == f'attachment; filename="{name}"'
        assert headers["x-environment"] == environment


async def test_what_is_absent_is_an_empty_text_but_for_the_resource(site: httpx.AsyncClient, db: Database) -> None:
    bare = await insert(db, a_stored_order(senders_reference=None, resource_id=None))
    await insert(db, a_stored_email(bare.id, **FINAL_EMAIL))
    row = await the_row_of(site, "email")
    assert (row["SendersReference"], row["ResourceId"], row["OperationId"]) == ("", None, "")


async def test_every_column_says_what_it_is_named_after(site: httpx.AsyncClient, db: Database) -> None:
    due = datetime(2026, 2, 28, 9, 30, 0, 250_000, tzinfo=UTC)
    order = await insert(
        db,
        a_stored_order(
            creator="skd", requested_send_time=due, resource_id="urn:altinn:resource:tax",
            sms={"sender": "Skatt", "body": "Hei 🕐 $recipientName$"},
        ),
    )  # fmt: skip
    sms = await insert(
        db, a_stored_sms(order.id, body="Hei 🕐 Kari", segments=2, provider_reference="ref-1", **FINAL_SMS)
    )
    email = await insert(db, a_stored_email(order.id, provider_reference="op-1", **FINAL_EMAIL))
    common = {
        "SendersReference": "case-4711",
        "RequestedSendTime": "2026-02-28T09:30:00.2500000Z",
        "CreatorName": "skd",
        "ResourceId": "urn:altinn:resource:tax",
        "Result": "Delivered",
    }
    row = await the_row_of(site, "sms")
    number = row.pop("SmsId")
    assert row == {
        **common,
        "ShipmentId": str(sms.id),
        "GatewayReference": "ref-1",
        "Rate": "innland",
        "MobileNumberPrefix": "+479",
        "AltinnSmsCount": 2,
        "AltinnSmsBodyLength": 21,
        "AltinnSmsCustomBodyLength": 10,
    }
    row = await the_row_of(site, "email")
    assert row.pop("EmailId") != number
    assert row == {**common, "ShipmentId": str(email.id), "OperationId": "op-1"}


async def test_a_message_keeps_its_number_and_has_it_alone(site: httpx.AsyncClient, db: Database) -> None:
    order = await insert(db, a_stored_order())
    for _ in range(20):
        await insert(db, a_stored_sms(order.id, **FINAL_SMS))
    first = {row["ShipmentId"]: row["SmsId"] for row in await rows_of(site, "sms")}
    await db.execute("UPDATE notification_states SET report = '{}'")
    assert {row["ShipmentId"]: row["SmsId"] for row in await rows_of(site, "sms")} == first
    assert len(set(first.values())) == 20


async def test_no_address_and_no_text_is_in_a_file(site: httpx.AsyncClient, db: Database) -> None:
    order = await insert(db, a_stored_order(sms={"sender": "Skatt", "body": "private matters"}))
    await insert(db, a_stored_sms(order.id, national_identity_number=None, body="very private", **FINAL_SMS))
    text = str(await rows_of(site, "sms"))
    assert not [secret for secret in ("99999999", "private") if secret in text]


# Without the library, and with many rows.


async def test_without_the_extra_the_answer_says_what_to_install(
    site: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "altinn_notifications.tracking.daily_export")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = await site.post(f"{METRICS}/sms", headers=WITH_KEY)
    assert (answer.status_code, answer.json()["errorCode"]) == (501, "exports-not-installed")
    explained = await site.get("/errors")
    assert "altinn-notifications[exports]" in explained.text


MANY = 3 * ROWS_AT_ONCE + 1
INSERT_MANY = """
    WITH ids AS (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)),
    messages AS (
        INSERT INTO notifications (id, order_id, channel, position, destination, created, expiry, body)
        SELECT id, $2::uuid, 'Sms', 0, '+4799999999', $3::timestamptz, $3::timestamptz, repeat('x', 500) FROM ids
    )
    INSERT INTO notification_states (notification_id, order_id, creator, channel, lane, result, result_time, expiry)
    SELECT id, $2::uuid, 'ttd', 'Sms', 'sms-anytime', 'Delivered', $3::timestamptz, $3::timestamptz FROM ids"""


async def test_a_large_day_is_written_in_groups_that_are_never_all_in_memory(db: Database) -> None:
    order = await insert(db, a_stored_order())
    await db.execute(INSERT_MANY, MANY, order.id, YESTERDAY)
    tracemalloc.start()
    file = await write_day(db, Channel.SMS, since=TODAY - DAY, until=TODAY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    with file.content as content:
        read = parquet.ParquetFile(content)
        assert (file.rows, read.metadata.num_rows, read.num_row_groups) == (MANY, MANY, 4)
        assert len(set(read.read(["SmsId"])["SmsId"].to_pylist())) == MANY
    assert peak < 30_000_000  # about one group; all rows would be three times that


async def test_the_days_rows_are_found_without_reading_all_there_are(db: Database) -> None:
    order = await insert(db, a_stored_order())
    for back in range(4):
        await db.execute(INSERT_MANY, 5_000, order.id, YESTERDAY - back * 30 * DAY)
    await db.execute("ANALYZE notification_states")
    plan = await db.fetch(
        "EXPLAIN SELECT count(*) FROM notification_states WHERE result_time >= $1 AND result_time < $2",
        TODAY - DAY,
        TODAY,
    )
    assert any("notification_states_by_time" in row[0] for row in plan)
