"""The lookups of the support staff (spec 07, 1): who may, what is refused, what is found, and what it costs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.lifecycle import OrderType
from altinn_notifications.tracking.notices import FIND_NOTICES, Identity, Kind, find_notices
from support.platform_peer import running_peer
from support.rows import a_stored_email, a_stored_order, a_stored_sms, insert
from support.service import API, errors_of, keys_of, running_service
from support.times import DAY, HOUR, NOON, SECOND
from support.tokens import SUPPORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.platform_peer import PlatformPeer
    from support.rows import StoredOrder
    from support.service import Service

LOOKUPS = f"{API}/future/dashboard/recipients/notifications"
PERSON, ORGANIZATION = "12838530255", "319900241"


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    """The registers."""
    async with running_peer() as running:
        yield running


async def look_up(service: Service, kind: str = "nin", number: str | None = PERSON, **query: str) -> httpx.Response:
    """A support agent's question."""
    header = "NationalIdentityNumber" if kind == "nin" else "OrganizationNumber"
    headers = service.authorization(None, scopes=SUPPORT) | ({} if number is None else {header: number})
    return await service.client.get(f"{LOOKUPS}/{kind}", params=query, headers=headers)


async def found(service: Service, kind: str = "nin", number: str = PERSON, **query: str) -> list[dict[str, Any]]:
    """What such a question is answered with."""
    response = await look_up(service, kind, number, **query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    notices: list[dict[str, Any]] = response.json()
    return notices


async def sent(db: Database, *, at: Any = NOON - HOUR, number: str = PERSON, **changes: Any) -> StoredOrder:
    """An order that became one email to the person."""
    order = await insert(db, a_stored_order(requested_send_time=at, status="Completed", **changes))
    email = a_stored_email(order.id, national_identity_number=number, requested_send_time=at, result="Delivered")
    await insert(db, email)
    return order


def ids(notices: list[dict[str, Any]]) -> list[str]:
    return [notice["shipmentId"] for notice in notices]


@pytest.mark.parametrize("kind", ["nin", "orgnumber"])
async def test_only_the_support_scope_opens_the_lookups(service: Service, kind: str) -> None:
    path, number = f"{LOOKUPS}/{kind}", {"NationalIdentityNumber": PERSON, "OrganizationNumber": ORGANIZATION}
    app = number | {"PlatformAccessToken": service.issuer.platform()}
    other = number | service.authorization()
    own = number["NationalIdentityNumber" if kind == "nin" else "OrganizationNumber"]
    for headers, status in ((number, 401), (app, 401), (other, 403)):
        refused = await service.client.get(path, headers=headers)
        assert (refused.status_code, refused.content) == (status, b"")
    assert await found(service, kind, own) == []


async def test_the_lookups_are_not_in_the_published_document(service: Service) -> None:
    assert "dashboard" not in (await service.client.get("/swagger/v1/swagger.json")).text


@pytest.mark.parametrize("number", [None, "", " ", "1" * 10, "1" * 12, "1283853025x"])
async def test_an_identity_number_has_eleven_digits(service: Service, number: str | None) -> None:
    assert keys_of(await look_up(service, number=number)) == {"NationalIdentityNumber"}


async def test_an_identity_number_may_have_wrong_check_digits(service: Service) -> None:
    assert await found(service, number="12838530256") == []


@pytest.mark.parametrize("number", [None, "", "1" * 8, "1" * 10, "31990024x"])
async def test_an_organisation_number_has_nine_digits(service: Service, number: str | None) -> None:
    assert keys_of(await look_up(service, "orgnumber", number)) == {"OrganizationNumber"}


async def test_the_number_is_read_from_the_header_and_never_from_the_query(service: Service) -> None:
    response = await look_up(service, number=None, nationalIdentityNumber=PERSON, nin=PERSON)
    assert keys_of(response) == {"NationalIdentityNumber"}


async def test_names_of_headers_and_query_are_read_in_any_letter_case(service: Service, db: Database) -> None:
    order = await sent(db, at=NOON - 9 * DAY)
    headers = service.authorization(None, scopes=SUPPORT) | {"nationalidentitynumber": f" {PERSON} "}
    response = await service.client.get(
        f"{LOOKUPS}/NIN?FROM=2026-02-20T00:00:00Z&tO=2026-02-25T00:00Z", headers=headers
    )
    assert ids(response.json()) == [str(order.id)]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, {"From"}),
        ({"from": "2026-03-01T00:00:01Z", "to": "2026-03-01T00:00:00Z"}, {"From"}),
        ({"from": "2026-03-01T00:00:00"}, {"From"}),
        ({"from": "2026-03-01"}, {"From"}),
        ({"from": "yesterday"}, {"From"}),
        ({"from": "2026-03-01T00:00:00 02:00"}, {"From"}),
        ({"to": "2026-02-30T00:00:00Z"}, {"To"}),
        ({"to": "2026-03-01T00:00:00"}, {"To"}),
        ({"to": "2026-03-03T12:00:00Z"}, {"To"}),
        ({"from": "2026-03-03T12:00:00Z"}, {"From"}),
        ({"from": "2016-03-01T12:00:00Z"}, {"From"}),
        ({"from": "0001-01-01T00:00:00Z"}, {"From"}),
        ({"to": "2026-02-22T12:00:00Z"}, {"To"}),
        ({"to": "2026-02-23T12:00:00Z"}, {"To"}),
        ({"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z"}, {"From", "To"}),
        ({"from": "x", "to": "2026-03-05T00:00:00Z"}, {"From"}),  # what cannot be read is told first, on its own
    ],
)
async def test_a_span_that_cannot_be_searched_is_refused(
    service: Service, query: dict[str, str], keys: set[str]
) -> None:
    assert keys_of(await look_up(service, **query)) == keys


async def test_what_cannot_be_read_is_told_before_what_breaks_a_rule(service: Service) -> None:
    assert keys_of(await look_up(service, number=None, **{"from": "x", "to": "2026-03-05T00:00Z"})) == {
        "From",
        "NationalIdentityNumber",
    }
    assert keys_of(await look_up(service, number="1", to="2026-03-05T00:00Z")) == {
        "To",
        "NationalIdentityNumber",
    }


async def test_every_broken_rule_of_a_time_is_told(service: Service) -> None:
    errors = errors_of(await look_up(service, **{"from": "2026-03-04T00:00:00Z", "to": "2026-03-03T00:00:00Z"}))
    assert {key: len(messages) for key, messages in errors.items()} == {"From": 2, "To": 1}


async def test_ten_years_back_is_not_too_far(service: Service, db: Database) -> None:
    order = await sent(db, at=NOON.replace(year=2016))
    assert ids(await found(service, **{"from": "2016-03-02T12:00:00Z"})) == [str(order.id)]


async def test_a_time_with_an_offset_is_the_same_moment(service: Service, db: Database) -> None:
    before = await sent(db, at=NOON - timedelta(hours=14, seconds=1))
    after = await sent(db, at=NOON - timedelta(hours=14))
    assert ids(await found(service, **{"from": "2026-03-02T00:00:00+02:00"})) == [str(after.id)]
    assert ids(await found(service, to="2026-03-02T00:00:00+02:00")) == [str(before.id)]


async def test_without_a_span_the_last_seven_days_are_searched(service: Service, db: Database) -> None:
    yesterday, week = await sent(db, at=NOON - DAY), await sent(db, at=NOON - 7 * DAY)
    await sent(db, at=NOON - 30 * DAY)
    await sent(db, at=NOON - 7 * DAY - SECOND)
    await sent(db, at=NOON)
    assert ids(await found(service)) == [str(yesterday.id), str(week.id)]


async def test_each_end_of_the_span_has_its_own_default(service: Service, db: Database) -> None:
    old, five, recent = [await sent(db, at=NOON - days * DAY) for days in (30, 5, 1)]
    assert ids(await found(service, **{"from": "2026-01-15T00:00:00Z"})) == [
        str(order.id) for order in (recent, five, old)
    ]
    assert ids(await found(service, to="2026-02-27T12:00:00Z")) == [str(five.id)]


async def test_the_span_includes_its_start_and_not_its_end(service: Service, db: Database) -> None:
    start, _ = await sent(db, at=NOON - 2 * DAY), await sent(db, at=NOON - DAY)
    assert ids(await found(service, **{"from": "2026-02-28T12:00:00Z", "to": "2026-03-01T12:00:00Z"})) == [
        str(start.id)
    ]


async def test_an_order_is_listed_once_with_its_emails_before_its_sms(service: Service, db: Database) -> None:
    order = await insert(
        db,
        a_stored_order(
            creator="ttd",
            type=OrderType.Reminder,
            channel="EmailAndSms",
            resource_id="urn:altinn:resource:some-service",
            requested_send_time=NOON - HOUR,
        ),
    )
    same = {"national_identity_number": PERSON, "requested_send_time": NOON - HOUR}
    await insert(db, a_stored_sms(order.id, position=0, result="Accepted", destination="+4799999001", **same))
    await insert(
        db, a_stored_email(order.id, position=2, result="Failed_SupressedRecipient", destination="b@x.no", **same)
    )
    await insert(db, a_stored_email(order.id, position=1, result="New", destination="a@x.no", **same))
    await insert(db, a_stored_email(order.id, position=3, destination="other@x.no"))
    (notice,) = await found(service)
    identity, moment = {"nationalIdentityNumber": PERSON}, {"resultTime": "2026-03-02T12:00:00Z"}
    assert notice == {
        "shipmentId": str(order.id),
        "creatorName": "ttd",
        "resourceId": "urn:altinn:resource:some-service",
        "sendersReference": "case-4711",
        "requestedSendTime": "2026-03-02T11:00:00Z",
        "notificationChannel": "EmailAndSms",
        "notificationType": "Reminder",
        "deliveryAttempts": [
            {**identity, "channel": "email", "emailAddress": "a@x.no", "result": "New", **moment},
            {**identity, "channel": "email", "emailAddress": "b@x.no", "result": "Failed_SupressedRecipient", **moment},
            {**identity, "channel": "sms", "mobileNumber": "+4799999001", "result": "Accepted", **moment},
        ],
    }


async def test_what_an_order_does_not_have_is_left_out(service: Service, db: Database) -> None:
    await sent(db, senders_reference=None)
    (notice,) = await found(service)
    assert not {"sendersReference", "resourceId"} & notice.keys()


async def test_a_reserved_person_is_found_with_an_empty_address(service: Service, db: Database) -> None:
    order = await insert(db, a_stored_order(requested_send_time=NOON - HOUR, status="Completed"))
    reserved = {"national_identity_number": PERSON, "result": "Failed_RecipientReserved", "destination": ""}
    await insert(db, a_stored_email(order.id, requested_send_time=NOON - HOUR, **reserved))
    (notice,) = await found(service)
    assert [(a["emailAddress"], a["result"]) for a in notice["deliveryAttempts"]] == [("", "Failed_RecipientReserved")]


async def test_orders_of_all_creators_are_listed_newest_first(service: Service, db: Database) -> None:
    of_ttd = await sent(db, at=NOON - 2 * HOUR, creator="ttd")
    twins = [await sent(db, at=NOON - HOUR, creator="skd") for _ in range(2)]
    listed = await found(service)
    assert ids(listed) == [*sorted(str(order.id) for order in twins), str(of_ttd.id)]
    assert [notice["creatorName"] for notice in listed] == ["skd", "skd", "ttd"]


async def test_organisations_and_persons_are_looked_up_apart(service: Service, db: Database) -> None:
    order = await insert(db, a_stored_order(requested_send_time=NOON - HOUR))
    to_organisation = {"organization_number": ORGANIZATION, "requested_send_time": NOON - HOUR}
    await insert(db, a_stored_email(order.id, **to_organisation))
    await sent(db)
    (notice,) = await found(service, "orgnumber", ORGANIZATION)
    assert [(a["organizationNumber"], "nationalIdentityNumber" in a) for a in notice["deliveryAttempts"]] == [
        (ORGANIZATION, False)
    ]
    assert await found(service, "orgnumber", PERSON[:9]) == []


async def test_an_order_to_a_person_is_found_as_soon_as_it_is_processed(
    database_url: str, clock: FixedClock, peer: PlatformPeer
) -> None:
    peer.persons = [{"nationalIdentityNumber": PERSON, "email": "begge@epost.example", "reservation": False}]
    body = {
        "notificationChannel": "Email",
        "recipients": [{"nationalIdentityNumber": PERSON}],
        "emailTemplate": {"subject": "Hello", "body": "There is news."},
    }
    async with running_service(database_url, clock, platform=peer.settings().platform) as service:
        placed = await service.post(f"{API}/orders", body)
        clock.turn(SECOND)
        assert await found(service) == []
        await service.client.post(f"{API}/trigger/pastdueorders")
        (notice,) = await found(service)
    assert notice["shipmentId"] == placed.json()["orderId"]
    assert [attempt["emailAddress"] for attempt in notice["deliveryAttempts"]] == ["begge@epost.example"]


CROWD = """
    WITH made AS (
        INSERT INTO orders (id, type, creator, created, requested_send_time, channel, content)
        SELECT gen_random_uuid(), 0, 'skd', at, at, 'Email', '{}'
        FROM (SELECT $1::timestamptz - n * interval '20 minutes' AS at FROM generate_series(1, $2::int) n) AS times
        RETURNING id, requested_send_time AS at
    ), noticed AS (
        INSERT INTO notifications (id, order_id, channel, position, destination, organization_number, created, expiry,
            requested_send_time)
        SELECT gen_random_uuid(), id, 'Email', 0, 'post@x.no', $3, at, at, at FROM made RETURNING id, order_id, created
    )
    INSERT INTO notification_states (notification_id, order_id, creator, channel, lane, result, result_time, expiry)
    SELECT id, order_id, 'skd', 'Email', 'email', 'Delivered', created, created FROM noticed"""


async def pages_read(db: Database, identity: Identity) -> int:
    """How many pages of the database a search in one day a month ago reads."""
    since = NOON - 30 * DAY
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL jit = off")
        query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {FIND_NOTICES[identity.kind]}"
        (plan,) = json.loads(await connection.fetchval(query, identity.number, since, since + DAY, None))
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def test_a_search_reads_as_much_as_it_finds_however_many_orders_there_are(db: Database) -> None:
    identity, read = Identity(Kind.ORGANIZATION, ORGANIZATION), []
    for number in (5_000, 20_000):
        await db.execute("TRUNCATE orders, notifications, notification_states")
        await db.execute(CROWD, NOON, number, ORGANIZATION)
        await db.execute("ANALYZE orders, notifications, notification_states")
        assert len(await find_notices(db, identity, since=NOON - 30 * DAY, until=NOON - 29 * DAY)) == 72
        read.append(await pages_read(db, identity))
    assert read[1] < 1.5 * read[0]
    assert read[1] < 72 * 15
