"""What a newcomer must be able to do after one start command, as far as it is about the doors: spec 13, 17."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest
import pytest_asyncio

from support.composed import COMPOSED, SCOPE, an_attachment
from support.databases import a_database
from support.first_generation import EMAIL_ORDERS, SMS_ORDERS, a_channel_request, an_email_request, an_sms_request
from support.first_generation import ORDERS as FIRST_ORDERS
from support.instant import an_instant_email, an_instant_sms
from support.local_run import a_local_run, results
from support.requests import a_reminder, an_order_request, email_settings, sms_settings, to_email, to_person, to_sms
from support.seed_cases import O1, P01, P02
from support.service import API, ORDERS
from support.tokens import CREATE, SUPPORT
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.local_run import LocalRun

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

DASHBOARD: Final = f"{API}/future/dashboard/recipients/notifications"
METRICS: Final = f"{API}/metrics"
ASSERTION: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRun]:
    """Everything as one command starts it; only the last tests turn its clock."""
    async with (
        a_database() as url,
        a_local_run(url, tmp_path_factory.mktemp("local"), EMAIL_INTERMITTENT_ERROR_DELAY_SECONDS="1") as running,
    ):
        yield running


async def quick_token(local: LocalRun) -> dict[str, str]:
    answer = await local.http.get(f"{local.platform_url}/api/GetEnterpriseToken?org=ttd&scopes={CREATE}")
    return {"Authorization": f"Bearer {answer.text}"}


async def exchanged_token(local: LocalRun) -> dict[str, str]:
    """A token of Maskinporten for a client of the start page, exchanged for one of Altinn."""
    (client,) = [one for one in (await local.see("/"))["clients"] if one["clientId"] == "sim-client-ttd"]
    known = await local.see("/maskinporten/.well-known/oauth-authorization-server")
    now = int(time.time())
    claims = {"iss": client["clientId"], "aud": known["issuer"], "scope": CREATE, "iat": now, "exp": now + 60}
    key = client["privateJwk"]
    headers = {"kid": key["kid"]}
    assertion = jwt.encode(claims | {"jti": uuid.uuid4().hex}, jwt.PyJWK(key).key, "RS256", headers=headers)
    form = {"grant_type": ASSERTION, "assertion": assertion}
    granted = (await local.http.post(f"{local.platform_url}/maskinporten/token", data=form)).json()
    exchange = f"{local.platform_url}/authentication/api/v1/exchange/maskinporten"
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    return {"Authorization": f"Bearer {(await local.http.get(exchange, headers=bearer)).text}"}


async def platform_token(local: LocalRun) -> dict[str, str]:
    answer = await local.http.get(f"{local.platform_url}/api/GetPlatformAccessToken?org=ttd&app=demo-app")
    return {"PlatformAccessToken": answer.text}


@pytest.mark.parametrize("way", [quick_token, exchanged_token, platform_token])
async def test_a_token_is_had_in_three_ways_and_opens_the_api(local: LocalRun, way: Any) -> None:
    answer = await local.http.post(local.api_url + ORDERS, json=an_order_request(), headers=await way(local))
    assert answer.status_code == 201, answer.text
    shipment = await local.ended(answer.json()["notification"]["shipmentId"])
    assert results(shipment) == [("kari@example.no", "Email_Delivered")]


ADDRESSES: Final = {"emailAddress": "a@epost.example", "mobileNumber": "+4799999042"}


@pytest.mark.parametrize(
    ("path", "body", "delivered"),
    [
        (EMAIL_ORDERS, an_email_request, ["Email"] * 4),
        (SMS_ORDERS, an_sms_request, ["SMS"] * 4),
        (FIRST_ORDERS, lambda *to: a_channel_request("EmailPreferred", *to), ["Email"] * 4),
        (FIRST_ORDERS, lambda *to: a_channel_request("SmsPreferred", *to), ["SMS"] * 4),
    ],
    ids=["email", "sms", "email-preferred", "sms-preferred"],
)
async def test_first_generation_orders_of_all_kinds_reach_addresses_persons_and_organisations(
    local: LocalRun, path: str, body: Any, delivered: list[str]
) -> None:
    address = "emailAddress" if delivered[0] == "Email" else "mobileNumber"
    everybody = [
        {address: ADDRESSES[address]},
        {"nationalIdentityNumber": P01},
        {"organizationNumber": O1},
    ]
    request = body(*everybody)
    policy = {"sendingTimePolicy": "Anytime"} if path == SMS_ORDERS else {}
    answer = await local.call("POST", path, request | policy)
    assert answer.status_code == 202, answer.text
    assert answer.json()["recipientLookup"]["status"] == "Success"
    order = answer.json()["orderId"]
    shipment = await local.ended(order)
    assert [status for _, status in results(shipment)] == [f"{channel}_Delivered" for channel in delivered]
    kind = "email" if delivered[0] == "Email" else "sms"
    summary = (await local.call("GET", f"{FIRST_ORDERS}/{order}/notifications/{kind}")).json()
    assert (summary["generated"], summary["succeeded"]) == (4, 4)


async def test_instant_messages_leave_in_the_request_and_are_not_repeated(local: LocalRun) -> None:
    for path, body in (("sms", an_instant_sms("+4799999777")), ("email", an_instant_email("straks@epost.example"))):
        answers = [await local.call("POST", f"{ORDERS}/instant/{path}", body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 200]
        shipment = await local.ended(answers[0].json()["notification"]["shipmentId"])
        assert [status.partition("_")[2] for _, status in results(shipment)] == ["Delivered"]
    assert len((await local.see("/sim/phones/+4799999777/messages"))["messages"]) == 1
    assert len((await local.see("/sim/mailbox/straks@epost.example"))["messages"]) == 1


async def test_an_instant_sms_whose_gateway_is_away_is_taken_the_second_time(local: LocalRun) -> None:
    """Spec 13, 44."""
    body = an_instant_sms("+4741000002")
    first, second = [await local.call("POST", f"{ORDERS}/instant/sms", body) for _ in range(2)]
    assert (first.status_code, first.json()["code"], second.status_code) == (503, "NOT-00004", 201)


async def test_a_file_of_the_platform_comes_as_an_attachment(local: LocalRun) -> None:
    answer = await local.http.put(f"{local.platform_url}/sim/files/svar.txt", content=b"Vedtaket er klart.")
    attachment = an_attachment(answer.json()["url"], filename="svar.txt", mimeType="text/plain")
    recipient = {"emailAddress": "vedlegg@epost.example", "emailSettings": email_settings(attachments=[attachment])}
    taken = await local.call("POST", COMPOSED, an_order_request(recipient), scope=SCOPE)
    assert taken.status_code == 201, taken.text
    shipment = await local.ended(taken.json()["notification"]["shipmentId"])
    assert results(shipment) == [("vedlegg@epost.example", "Email_Delivered")]
    (mail,) = (await local.see("/sim/mailbox/vedlegg@epost.example"))["messages"]
    source = (await local.http.get(f"{local.platform_url}{mail['url']}/raw")).text
    assert 'filename="svar.txt"' in source


async def test_support_sees_what_a_person_and_an_organisation_got(local: LocalRun) -> None:
    numbers = {"nin": ("NationalIdentityNumber", P01), "orgnumber": ("OrganizationNumber", O1)}
    answer = await local.call(
        "POST", EMAIL_ORDERS, an_email_request({"nationalIdentityNumber": P01}, {"organizationNumber": O1})
    )
    shipment = await local.ended(answer.json()["orderId"])
    for path, (header, number) in numbers.items():
        headers = {header: number}
        assert (await local.call("GET", f"{DASHBOARD}/{path}", headers=headers)).status_code == 403
        found = (await local.call("GET", f"{DASHBOARD}/{path}", scope=SUPPORT, headers=headers)).json()
        (notice,) = [one for one in found if one["shipmentId"] == shipment["shipmentId"]]
        assert {attempt["result"] for attempt in notice["deliveryAttempts"]} == {"Delivered"}


async def test_two_owners_see_nothing_of_each_other(local: LocalRun) -> None:
    body = an_order_request()
    ours, theirs = [await local.order(body, creator=creator) for creator in ("ttd", "annen")]
    assert (ours.status_code, theirs.status_code) == (201, 201)  # an idempotency id is an owner's own
    our_shipment, their_shipment = [one.json()["notification"]["shipmentId"] for one in (ours, theirs)]
    assert our_shipment != their_shipment
    await asyncio.gather(local.ended(our_shipment), local.ended(their_shipment, creator="annen"))
    for path in (f"{API}/future/shipment/{our_shipment}", f"{FIRST_ORDERS}/{our_shipment}"):
        assert (await local.call("GET", path)).status_code == 200
        assert (await local.call("GET", path, creator="annen")).status_code == 404
    assert (await local.call("PUT", f"{FIRST_ORDERS}/{our_shipment}/cancel", creator="annen")).status_code == 404
    feed = f"{API}/future/shipment/feed?seq=0&pageSize=500"

    async def is_told() -> bool:
        entries = (await local.call("GET", feed, creator="annen")).json()
        assert our_shipment not in {entry["shipmentId"] for entry in entries}
        return their_shipment in {entry["shipmentId"] for entry in entries}

    await until(is_told, "the other owner is told of its own")
    assert their_shipment not in {entry["shipmentId"] for entry in await local.feed()}


@pytest.mark.parametrize("mode", ["error", "garbage"])
async def test_what_a_provider_could_not_take_is_delivered_once_when_it_is_back(local: LocalRun, mode: str) -> None:
    mark = f"merke {uuid.uuid4().hex}"
    for target in ("smtp", "sms"):
        await local.tell("POST", "/sim/faults", {"target": target, "mode": mode, "count": 10_000})
    bodies = [
        an_order_request(to_email("utfall@epost.example", subject=mark)),
        an_order_request(to_sms("+4799999043", body=mark, sendingTimePolicy="Anytime")),
    ]
    shipments = [(await local.ordered(body))[0] for body in bodies]

    async def are_met() -> bool:
        faults = (await local.see("/sim/faults"))["faults"]
        return len(faults) == 2 and all(each["count"] < 10_000 for each in faults)

    await until(are_met, "both have failed", seconds=20)
    assert await local.received(mark) == []
    for target in ("smtp", "sms"):
        await local.tell("POST", "/sim/faults", {"target": target, "mode": "error", "count": 0})
    ended = [await local.ended(shipment) for shipment in shipments]
    assert [status for one in ended for _, status in results(one)] == ["Email_Delivered", "SMS_Delivered"]
    assert await local.received(mark) == [("+4799999043", mark), ("utfall@epost.example", mark)]


async def test_a_chain_asks_its_conditions_and_reminds_when_its_time_comes(local: LocalRun) -> None:
    mark = f"merke {uuid.uuid4().hex}"
    always = f"{local.platform_url}/sim/conditions/always"
    both = {
        "channelSchema": "EmailAndSms",
        "emailSettings": email_settings(subject=mark),
        "smsSettings": sms_settings(body=mark, sendingTimePolicy="Anytime"),
    }
    reminders = [
        a_reminder(to_person(P02, emailSettings=email_settings(subject=mark)), conditionEndpoint=always),
        a_reminder(to_email("paaminn@epost.example", subject=mark), delayDays=3),
    ]
    chain = an_order_request(to_person(P01, **both), conditionEndpoint=always, reminders=reminders)
    main, to_p02, to_address = await local.ordered(chain)
    expected = [("+4799999001", mark), ("begge@epost.example", mark)]
    await local.ended(main)
    assert await local.received(mark) == expected
    for days, shipment, address in ((3, to_address, "paaminn@epost.example"), (4, to_p02, "bare-epost@epost.example")):
        await local.turn_clock(timedelta(days=days))
        await local.ended(shipment)
        expected.append((address, mark))
        assert await local.received(mark) == sorted(expected)


async def test_the_metrics_page_counts_and_both_files_hold_what_ended_yesterday(local: LocalRun) -> None:
    """With the key that the platform's start page shows; tomorrow everything that ended today is in them."""
    parquet = pytest.importorskip("pyarrow.parquet")
    page = await local.http.get(f"{local.api_url}{METRICS}")
    assert (page.status_code, "ttd" in page.text) == (200, True)
    start_page = await local.http.get(local.platform_url, headers={"Accept": "text/html"})
    key = re.search(r"X-API-Key: ([\w-]+)", start_page.text)
    assert key is not None
    reference = uuid.uuid4().hex
    for recipient in (to_email(), to_sms(sendingTimePolicy="Anytime")):
        (shipment,) = await local.ordered(an_order_request(recipient, sendersReference=reference))
        await local.ended(shipment)
    await local.turn_clock(timedelta(days=1))
    for path in ("email", "sms"):
        url = f"{local.api_url}{METRICS}/{path}"
        assert (await local.http.post(url, headers={"X-API-Key": "wrong"})).status_code == 401
        file = await local.http.post(url, headers={"X-API-Key": key[1]})
        assert file.status_code == 200, file.text
        rows = parquet.read_table(BytesIO(file.content)).to_pylist()
        assert [row["Result"] for row in rows if row["SendersReference"] == reference] == ["Delivered"]
