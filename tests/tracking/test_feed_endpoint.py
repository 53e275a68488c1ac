from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from altinn_notifications.api.problems import Problem
from altinn_notifications.api.shipments import feed_query
from altinn_notifications.lifecycle import Channel, OrderStatus, OrderType
from altinn_notifications.tracking.feed_entry import CorruptEntry, FeedRecipient, feed_entry, numbered
from support.rows import a_feed_document, a_feed_entry, insert
from support.times import MINUTE, NOON, SECOND

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.tokens import TokenIssuer


async def test_an_entry_looks_as_promised(db: Database, client: httpx.AsyncClient, clock: FixedClock) -> None:
    order_id = uuid4()
    entry = feed_entry(
        order_id=order_id,
        order_type=OrderType.Reminder,
        senders_reference="case-4711",
        status=OrderStatus.COMPLETED,
        last_update=NOON + 0.5 * SECOND,
        recipients=[
            FeedRecipient(Channel.SMS, "", "Failed_RecipientNotIdentified", NOON),
            FeedRecipient(Channel.EMAIL, "post@example.no", "Delivered", NOON),
        ],
    )
    await insert(db, a_feed_entry(order_id=order_id, entry=entry))
    clock.turn(2 * SECOND)
    response = await client.get("/shipment/feed")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert response.json() == [
        {
            "sequenceNumber": 1,
            "shipmentId": str(order_id),
            "sendersReference": "case-4711",
            "recipients": [
                {
                    "type": "Email",
                    "destination": "post@example.no",
                    "status": "Email_Delivered",
                    "lastUpdate": "2026-03-02T12:00:00Z",
                },
                {
                    "type": "SMS",
                    "destination": "",
                    "status": "SMS_Failed_RecipientNotIdentified",
                    "lastUpdate": "2026-03-02T12:00:00Z",
                },
            ],
            "status": "Order_Completed",
            "lastUpdate": "2026-03-02T12:00:00.5Z",
            "shipmentType": "Reminder",
            "type": "Reminder",
        }
    ]
    assert list(response.json()[0]) == [
        "sequenceNumber",
        "shipmentId",
        "sendersReference",
        "recipients",
        "status",
        "lastUpdate",
        "shipmentType",
        "type",
    ]


@pytest.mark.parametrize("reference", [None, "", "   "])
def test_a_blank_reference_is_left_out_of_an_entry(reference: str | None) -> None:
    entry = feed_entry(
        order_id=uuid4(),
        order_type=OrderType.Notification,
        senders_reference=reference,
        status=OrderStatus.SEND_CONDITION_NOT_MET,
        last_update=NOON,
        recipients=[],
    )
    assert "sendersReference" not in entry
    assert (entry["status"], entry["recipients"]) == ("Order_SendConditionNotMet", [])


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        "text",
        [],
        {},
        a_feed_document(recipients=None),
        a_feed_document(recipients={}),
        a_feed_document(recipients=["post@example.no"]),
        a_feed_document(recipients=[{"destination": "", "status": "Email_Lost", "lastUpdate": "x"}]),
        a_feed_document(status="Order_Lost"),
        a_feed_document(status=["Order_Completed"]),
        a_feed_document(shipmentId=None),
        a_feed_document(lastUpdate=7),
    ],
)
def test_an_entry_that_no_reader_could_understand_is_corrupt(entry: Any) -> None:
    with pytest.raises(CorruptEntry):
        numbered(1, entry)


def test_an_entry_without_a_type_is_still_an_entry() -> None:
    entry = numbered(7, a_feed_document(shipmentType=None, type=None))
    assert (entry["sequenceNumber"], "shipmentType" in entry) == (7, False)


async def test_a_feed_without_entries_is_an_empty_list(client: httpx.AsyncClient) -> None:
    response = await client.get("/shipment/feed")
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("seq=-1", "Seq"),
        ("seq=abc", "Seq"),
        ("seq=", "Seq"),
        ("seq=1.5", "Seq"),
        ("seq=9223372036854775808", "Seq"),
        ("pageSize=abc", "PageSize"),
        ("pageSize=2147483648", "PageSize"),
        ("orderBy=newest", "OrderBy"),
        ("orderBy=", "OrderBy"),
        ("orderBy=2", "OrderBy"),
    ],
)
async def test_an_unreadable_query_is_refused_under_the_name_of_its_value(
    client: httpx.AsyncClient, query: str, key: str
) -> None:
    response = await client.get(f"/shipment/feed?{query}")
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [key]


async def test_all_unreadable_values_are_reported_together(client: httpx.AsyncClient) -> None:
    response = await client.get("/shipment/feed?seq=x&pageSize=y&orderBy=z")
    assert sorted(response.json()["errors"]) == ["OrderBy", "PageSize", "Seq"]


@pytest.mark.parametrize(
    ("text", "size"), [("0", 1), ("-5", 1), ("1", 1), ("499", 499), ("500", 500), ("100000", 500), ("", 500)]
)
def test_a_page_size_is_brought_within_its_limits(text: str, size: int) -> None:
    assert feed_query({"pagesize": text}, largest_page=500).page_size == size


def test_without_values_the_largest_page_is_read_forward_from_the_start() -> None:
    query = feed_query({}, largest_page=500)
    assert (query.seq, query.page_size, query.descending) == (0, 500, False)


@pytest.mark.parametrize(
    ("text", "descending"), [("asc", False), ("ASC", False), ("desc", True), ("DESC", True), ("0", False), ("1", True)]
)
def test_the_direction_is_read_in_any_letter_case(text: str, descending: bool) -> None:  # noqa: FBT001 - a column of the table
    assert feed_query({"orderby": text}, largest_page=500).descending is descending


def test_a_number_too_long_for_any_integer_is_refused() -> None:
    with pytest.raises(Problem):
        feed_query({"seq": "9" * 5000}, largest_page=500)


async def test_names_of_values_are_read_in_any_letter_case_and_unknown_ones_ignored(
    db: Database, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    for _ in range(3):
        await insert(db, a_feed_entry())
    clock.turn(MINUTE)
    response = await client.get("/shipment/feed?SEQ=0&pagesize=2&ORDERBY=desc&since=yesterday")
    assert [entry["sequenceNumber"] for entry in response.json()] == [3, 2]


async def test_a_young_entry_is_returned_a_moment_later(
    db: Database, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    await insert(db, a_feed_entry())
    clock.turn(SECOND)
    assert (await client.get("/shipment/feed")).json() == []
    clock.turn(SECOND)
    assert len((await client.get("/shipment/feed")).json()) == 1


async def test_an_invalid_query_is_told_before_a_missing_organisation(
    client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.enterprise(org=None)}"}
    assert (await client.get("/shipment/feed?seq=-1", headers=headers)).status_code == 400
    assert (await client.get("/shipment/feed", headers=headers)).status_code == 403


async def test_credentials_are_judged_before_the_query(client: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    person = {"Authorization": f"Bearer {issuer.personal(scopes='openid')}"}
    assert (await client.get("/shipment/feed?seq=-1", headers={"Authorization": ""})).status_code == 401
    assert (await client.get("/shipment/feed?seq=-1", headers=person)).status_code == 403


async def test_a_content_type_that_is_not_json_is_refused_before_the_caller_is_looked_at(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/shipment/feed", headers={"Content-Type": "text/plain", "Authorization": ""})
    assert (response.status_code, response.content) == (415, b"")
    assert (await client.get("/shipment/feed", headers={"Content-Type": "application/json"})).status_code == 200
