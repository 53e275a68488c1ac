"""The log of one dialog for those who may see the dialog (spec 07, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from support.platform_peer import DIALOGS, Reply, running_peer
from support.requests import an_order_request
from support.service import API, errors_of, keys_of, running_service
from support.times import MINUTE, NOON
from support.tokens import END_USER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import httpx

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database
    from support.platform_peer import PlatformPeer
    from support.service import Service

LOG = f"{API}/future/enduser/log"
DIALOG = "0198a6d2-51f3-7c40-9b1e-6d2f0c8e4a77"
TRANSMISSION = "0198a6d2-0000-7000-8000-000000000001"


@pytest.fixture
async def peer() -> AsyncIterator[PlatformPeer]:
    """Dialogporten, which grants what the test says."""
    async with running_peer() as running:
        yield running


@pytest.fixture
async def service(database_url: str, clock: FixedClock, peer: PlatformPeer) -> AsyncIterator[Service]:
    """A service that asks Dialogporten."""
    address = f"{peer.url}/dialogporten/api/v1/"
    settings = peer.settings(dialogporten_enabled=True, dialogporten_base_url=address)
    async with running_service(database_url, clock, platform=settings.platform) as running:
        yield running


async def read_log(service: Service, scopes: str = END_USER, **query: str) -> httpx.Response:
    """A person's question."""
    headers = {"Authorization": f"Bearer {service.issuer.personal(scopes=scopes)}"}
    return await service.client.get(LOG, params=query, headers=headers)


async def logged(db: Database, *, at: datetime = NOON, **changes: Any) -> UUID:
    """A row of the log about the dialog, sent by `ttd`; its notification."""
    row = {
        "shipment_id": uuid4(),
        "notification_id": uuid4(),
        "creator": "ttd",
        "senders_reference": "secret-reference",
        "dialog_id": DIALOG,
        "delivery_reference": "secret-reference",
        "recipient": "12838530255",
        "type": "Notification",
        "channel": "Sms",
        "destination": "+4799999001",
        "resource": "urn:altinn:resource:secret",
        "status": "Delivered",
        "requested_send_time": NOON - MINUTE,
        "last_update_time": at,
    } | changes
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    statement = f"INSERT INTO notification_log ({', '.join(row)}) VALUES ({places})"  # noqa: S608 - names are this module's own
    await db.execute(statement, *row.values())
    found = row["notification_id"]
    assert isinstance(found, UUID)
    return found


async def test_a_person_reads_what_was_sent_about_a_dialog(service: Service, db: Database, peer: PlatformPeer) -> None:
    notification = await logged(db, transmission_id=TRANSMISSION)
    peer.answer_next(DIALOGS, Reply({}))
    response = await read_log(service, dialogId=DIALOG)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json() == [
        {
            "notificationId": str(notification),
            "dialogId": DIALOG,
            "transmissionId": TRANSMISSION,
            "type": "Notification",
            "channel": "Sms",
            "destination": "+4799999001",
            "status": "Delivered",
            "requestedSendTime": "2026-03-02T11:59:00Z",
            "lastUpdateTime": "2026-03-02T12:00:00Z",
        }
    ]
    assert peer.calls[-1].headers["authorization"].startswith("Bearer ey")


async def test_the_oldest_result_comes_first_whoever_sent_it(
    service: Service, db: Database, peer: PlatformPeer
) -> None:
    late = await logged(db, at=NOON + MINUTE, creator="skd")
    twins = [await logged(db), await logged(db, channel="Email", destination="", status="Failed_RecipientReserved")]
    await logged(db, dialog_id=str(uuid4()))
    await logged(db, dialog_id=DIALOG.upper())
    await logged(db, dialog_id=None)
    peer.answer_next(DIALOGS, Reply(status=204))
    rows = (await read_log(service, dialogId=f"{{{DIALOG.upper()}}}")).json()
    assert [row["notificationId"] for row in rows] == [*sorted(map(str, twins)), str(late)]
    assert {row["status"] for row in rows} == {"Delivered", "Failed_RecipientReserved"}
    assert not any("transmissionId" in row for row in rows)


async def test_one_transmission_may_be_asked_for(service: Service, db: Database, peer: PlatformPeer) -> None:
    of_transmission = await logged(db, transmission_id=TRANSMISSION)
    await logged(db, transmission_id="another")
    await logged(db)
    peer.answer_next(DIALOGS, *[Reply({})] * 2)
    only = (await read_log(service, dialogId=DIALOG, transmissionId=TRANSMISSION.upper())).json()
    assert [row["notificationId"] for row in only] == [str(of_transmission)]
    assert len((await read_log(service, dialogId=DIALOG, transmissionId=" ")).json()) == 3


async def test_access_without_anything_sent_is_an_empty_list(service: Service, peer: PlatformPeer) -> None:
    peer.answer_next(DIALOGS, Reply({}))
    response = await read_log(service, dialogId=DIALOG)
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("reply", [Reply(status=404), Reply(status=401), Reply(status=500), Reply(drop=True)])
async def test_without_dialogportens_yes_nothing_is_told(service: Service, peer: PlatformPeer, reply: Reply) -> None:
    peer.answer_next(DIALOGS, *[reply] * 3)
    response = await read_log(service, dialogId=DIALOG)
    assert (response.status_code, response.content) == (403, b"")


@pytest.mark.parametrize("query", [{}, {"dialogId": ""}, {"dialogId": "  "}, {"dialogId": "abc"}])
async def test_a_dialog_must_be_named(service: Service, query: dict[str, str], peer: PlatformPeer) -> None:
    errors = errors_of(await read_log(service, **query))
    assert {key: len(messages) for key, messages in errors.items()} == {"dialogId": 2 if "abc" in query.values() else 1}
    assert peer.calls == []


async def test_what_is_no_uuid_names_no_transmission(service: Service) -> None:
    assert keys_of(await read_log(service, dialogId=DIALOG, transmissionId="abc")) == {"transmissionId"}
    assert keys_of(await read_log(service, dialogId="x", transmissionId="abc")) == {"dialogId", "transmissionId"}


async def test_only_a_persons_token_is_let_in(service: Service) -> None:
    nobody = await service.client.get(LOG)
    app = await service.client.get(LOG, headers={"PlatformAccessToken": service.issuer.platform()})
    owner = await service.client.get(LOG, headers=service.authorization())
    other = await read_log(service, scopes="openid", dialogId="abc")
    assert [answer.status_code for answer in (nobody, app, owner, other)] == [401, 401, 403, 403]
    assert {answer.content for answer in (nobody, app, owner, other)} == {b""}


async def test_the_scope_is_a_setting(database_url: str, clock: FixedClock, service: Service) -> None:
    settings = service.issuer.settings(end_user_scope="digdir:dialogporten")
    async with running_service(database_url, clock, authentication=settings) as strict:
        headers = {"Authorization": f"Bearer {service.issuer.personal(scopes='digdir:dialogporten')}"}
        assert (await strict.client.get(LOG, headers=headers)).status_code == 400
        headers = {"Authorization": f"Bearer {service.issuer.personal(scopes=END_USER)}"}
        assert (await strict.client.get(LOG, headers=headers)).status_code == 403


async def test_while_it_is_off_a_bad_question_is_told_and_a_good_one_refused(
    database_url: str, clock: FixedClock
) -> None:
    async with running_service(database_url, clock) as service:
        assert keys_of(await read_log(service, dialogId="abc")) == {"dialogId"}
        assert (await read_log(service, dialogId=DIALOG)).status_code == 403


async def test_the_token_may_come_in_a_cookie_and_is_passed_on_all_the_same(
    service: Service, peer: PlatformPeer
) -> None:
    token = service.issuer.personal(scopes=END_USER)
    peer.answer_next(DIALOGS, Reply({}))
    cookie = {"Cookie": f"AltinnStudioRuntime={token}"}
    assert (await service.client.get(LOG, params={"dialogId": DIALOG}, headers=cookie)).status_code == 200
    assert peer.calls[-1].headers["authorization"] == f"Bearer {token}"


async def test_an_order_about_a_dialog_is_in_its_log_when_it_is_finished(
    service: Service, peer: PlatformPeer, clock: FixedClock
) -> None:
    about = {"dialogId": DIALOG, "transmissionId": TRANSMISSION}
    placed = await service.order(an_order_request() | {"dialogportenAssociation": about})
    assert placed.status_code == 201, placed.text
    await service.client.post(f"{API}/trigger/pastdueorders")
    peer.answer_next(DIALOGS, *[Reply({})] * 2)
    assert (await read_log(service, dialogId=DIALOG)).json() == []
    clock.turn(3 * 24 * 60 * MINUTE)
    service.issuer.now = clock.now()
    await service.client.post(f"{API}/trigger/terminateexpirednotifications")
    (row,) = (await read_log(service, dialogId=DIALOG)).json()
    assert (row["dialogId"], row["transmissionId"], row["status"]) == (DIALOG, TRANSMISSION, "Failed_TTL")
