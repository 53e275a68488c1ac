"""Workers that are killed while mail goes to a provider that knows operation ids, and SMS to one that does not.

Nobody gets a mail twice, and an SMS only if its call was open at a kill and is marked (design promise 5).
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from altinn_notifications.clock import SystemClock
from altinn_notifications.orders import storage
from altinn_notifications.orders.model import Recipient
from altinn_notifications.settings import EmailSettings
from altinn_notifications.simulator.app import bound, create_simulator, http_config
from support.acs import acs_settings, connection_string
from support.deployment import deployment
from support.kills import OpenCall, as_stored, kill_and_restart, marked
from support.orders import a_chain, an_order, an_sms_order
from support.simulator import serving_config, simulator_settings
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from altinn_notifications.database.pool import Database
    from support.deployment import Deployment

pytestmark = pytest.mark.slow
EMAILS, TEXTS = 600, 500
KILLS = 3
RESULTS = "SELECT result, count(*) AS count FROM notification_states GROUP BY result"
COMPLETED = "SELECT count(*) FROM order_states WHERE status = 'Completed'"
UNKNOWN = """
    SELECT count(*) FROM events e JOIN notifications n ON n.id = e.notification_id
    WHERE e.kind = 'send-unknown' AND n.channel = 'Email'"""
REFERENCES = "SELECT count(DISTINCT provider_reference) FROM notification_states"


@asynccontextmanager
async def local_platform(service_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A simulator that takes mail as Azure does, slowly enough to be met in the middle of it."""
    settings = simulator_settings(service_url)
    settings.acs = acs_settings("http://localhost/acs")
    settings.email = EmailSettings(report_access_key=SecretStr("report-key"))
    with bound("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_simulator(settings, SystemClock())
        async with serving_config(http_config(app), listener), httpx.AsyncClient(base_url=url) as http:
            await http.put("/sim/settings", json={"latencyMs": 20, "operationDelayMs": 100, "reportDelayMs": 200})
            yield http


async def mailbox(platform: httpx.AsyncClient) -> int:
    """How many mails have arrived."""
    state: dict[str, Any] = (await platform.get("/sim/state")).json()
    return int(state["mailbox"]["messages"])


async def kill_now_and_then(site: Deployment, db: Database, platform: httpx.AsyncClient) -> set[OpenCall]:
    """Kill a worker that sends, again and again; the calls that were open at the kills."""
    worker, open_calls = await site.start("worker"), set[OpenCall]()
    early, late = range(3, 30), range(30, 90)  # later there may be no mail left to meet
    for share in sorted(random.sample(early, KILLS - 1) + random.sample(late, 1)):

        async def has_come(share: int = share) -> bool:
            arrived = await mailbox(platform) + site.deliveries.count
            return arrived * 100 >= share * (EMAILS + TEXTS)

        await until(has_come, f"{share} % have arrived", seconds=60)
        open_calls |= await kill_and_restart(worker, db)
    return open_calls


async def register(db: Database) -> None:
    now = datetime.now(UTC)
    # No report tells about every other mail, so that only the question under its operation id can.
    words = ("kari", "noreport")
    people = [Recipient(email_address=f"{words[number % 2]}+{number:05}@example.no") for number in range(EMAILS)]
    numbers = [Recipient(mobile_number=f"+47999{number:05}") for number in range(TEXTS)]
    orders = [an_order(recipients=(person,)) for person in people]
    orders += [an_sms_order(recipients=(number,)) for number in numbers]
    random.shuffle(orders)
    due = [replace(order, created=now, requested_send_time=now) for order in orders]
    await storage.register(db, [a_chain(order) for order in due])


async def test_no_mail_of_a_killed_worker_comes_twice_where_operation_ids_are_known(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    await register(db)
    async with deployment(database_url, tmp_path) as site, local_platform(str(site.http.base_url)) as platform:
        site.gateway.delay = 0.02
        configure(site, platform)
        await site.start("api")
        async with site.reporting():
            open_calls = await kill_now_and_then(site, db, platform)
            await until(lambda: all_have_ended(db), "every message has its result", seconds=90)
        assert await mailbox(platform) == EMAILS
        texts = site.deliveries
    assert len(texts.texts) == TEXTS
    assert as_stored(texts.repeated) <= await marked(db)
    assert texts.count - TEXTS <= sum(call.channel == "Sms" for call in open_calls)
    assert await db.fetchval(COMPLETED) == EMAILS / 2 + TEXTS
    assert await db.fetchval(REFERENCES) == EMAILS + TEXTS
    assert await db.fetchval(UNKNOWN) > 0, "the kills met no open call; the test has shown nothing"


async def all_have_ended(db: Database) -> bool:
    results = {row["result"]: row["count"] for row in await db.fetch(RESULTS)}
    return results == {"Delivered": EMAILS / 2 + TEXTS, "Succeeded": EMAILS / 2}


def configure(site: Deployment, platform: httpx.AsyncClient) -> None:
    site.configure(
        EMAIL_PROVIDERS="acs",
        ACS_CONNECTION_STRING=connection_string(f"{platform.base_url.join('/acs')}"),
        ACS_POLL_INTERVAL_MS="500",
        ACS_RETRY_DELAY_MS="50",
    )
