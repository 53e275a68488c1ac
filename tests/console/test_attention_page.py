"""The page for what waits for somebody: its buttons do what the command line does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.rows import StoredDeadReport, a_stored_email, a_stored_order, insert
from support.times import DAY, NOON

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.database.pool import Database


async def a_waiting_message(db: Database) -> str:
    order = await insert(db, a_stored_order(status="Processed"))
    waits = {"result": "Sending", "attempts": 1, "provider": "smtp", "wake_at": NOON + DAY}
    return str((await insert(db, a_stored_email(order.id, **waits))).id)


async def test_an_empty_page_says_that_all_is_well(console: httpx.AsyncClient) -> None:
    html = (await console.get("/attention")).text
    assert "Every delivery report has found its message." in html
    assert "No message waits for another try." in html


async def test_dead_reports_are_listed_without_what_the_provider_said(db: Database, console: httpx.AsyncClient) -> None:
    content = {"receiver": "+4799999001"}
    await insert(db, StoredDeadReport(delivery_report=content, message="SMS notification ref <1> is not known"))
    html = (await console.get("/attention")).text
    assert "No message has this reference" in html
    assert "ref &lt;1&gt; is not known" in html
    assert "+4799999001" not in html


async def test_a_report_is_tried_again_and_dismissed(db: Database, console: httpx.AsyncClient) -> None:
    await insert(db, StoredDeadReport())
    html = (await console.post("/attention/reports", data={"id": ["1", "x", "-1"]})).text
    assert "Report 1: it says nothing that could be applied." in html
    assert "Dismissed: 1." in (await console.post("/attention/reports/dismiss", data={"id": "1"})).text
    assert await db.fetchval("SELECT resolved FROM dead_delivery_reports")


async def test_a_waiting_message_is_tried_now(db: Database, console: httpx.AsyncClient) -> None:
    message = await a_waiting_message(db)
    assert f'value="{message}"' in (await console.get("/attention")).text
    assert "One message is tried now." in (await console.post("/attention/messages", data={"id": message})).text
    assert await db.fetchval("SELECT wake_at FROM notification_states") == NOON
    assert "No message was chosen" in (await console.post("/attention/messages", data={"id": "nonsense"})).text


@pytest.mark.parametrize("path", ["/attention/reports", "/attention/reports/dismiss", "/attention/messages"])
async def test_no_other_site_can_press_a_button(db: Database, console: httpx.AsyncClient, path: str) -> None:
    message = await a_waiting_message(db)
    await insert(db, StoredDeadReport())
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert (await console.post(path, data={"id": [message, "1"]}, headers=headers)).status_code == 403
    assert await db.fetchval("SELECT wake_at FROM notification_states") == NOON + DAY
    assert not await db.fetchval("SELECT resolved FROM dead_delivery_reports")


@pytest.mark.parametrize("path", ["/attention/reports", "/attention/reports/dismiss", "/attention/messages"])
async def test_a_form_that_is_no_form_chooses_nothing(console: httpx.AsyncClient, path: str) -> None:
    for body in (b"", b"\xff=%zz&id", b"id=" + b"1" * 100_000, b"id=99999999999999999999999"):
        assert (await console.post(path, content=body)).status_code == 200
    assert (await console.get(path)).status_code == 405
