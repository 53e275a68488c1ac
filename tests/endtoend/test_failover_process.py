"""A worker process whose preferred providers go down in the middle of everything and come back (design promise 14)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from altinn_notifications.database.wakeups import DUE_ORDERS, Wakeups
from altinn_notifications.orders import storage
from altinn_notifications.orders.model import Recipient
from support.acs import an_acs_peer, connection_string
from support.deployment import deployment
from support.kills import as_stored, marked
from support.orders import a_chain, an_order, an_sms_order
from support.run import free_ports
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from altinn_notifications.database.pool import Database
    from support.acs import AcsPeer
    from support.deployment import Deployment

pytestmark = pytest.mark.slow
ROUND = 200
LEFT = "SELECT count(*) FROM notification_states WHERE result NOT IN ('New', 'Sending') OR poll_at IS NOT NULL"
TAKEN = ("Succeeded", "Accepted", "Delivered")
RESULTS = "SELECT DISTINCT result FROM notification_states"
CAPTURED = "SELECT recipient FROM captured_messages WHERE channel = 'Sms'"
UNKNOWN = "SELECT count(*) FROM events WHERE kind = 'send-unknown'"
STILL_PAUSED = "SELECT count(*) FROM provider_pauses WHERE paused_until > $1"
PAUSES = "SELECT count(*) FROM provider_pauses"


async def register(db: Database, start: int) -> None:
    now = datetime.now(UTC)
    numbers = range(start, start + ROUND)
    orders = [an_order(recipients=(Recipient(email_address=f"kari.{n:05}@example.no"),)) for n in numbers]
    orders += [an_sms_order(recipients=(Recipient(mobile_number=f"+47999{n:05}"),)) for n in numbers]
    await storage.register(db, [a_chain(replace(o, created=now, requested_send_time=now)) for o in orders])
    wakeups = Wakeups(db)
    wakeups.wake(DUE_ORDERS)
    await wakeups.sent()


class Site:
    """A worker with two ways for each channel: Azure before a relay, a gateway before the capture store."""

    def __init__(self, deployed: Deployment, acs: AcsPeer, db: Database) -> None:
        self.deployed, self.acs, self.db = deployed, acs, db
        (self.metrics_port,) = free_ports(1)
        deployed.configure(
            EMAIL_PROVIDERS="acs,smtp",
            SMS_PROVIDERS="link,capture",
            ACS_CONNECTION_STRING=connection_string(acs.endpoint),
            ACS_RETRY_DELAY_MS="10",
            ACS_POLL_INTERVAL_MS="300",
            EMAIL_INTERMITTENT_ERROR_DELAY_SECONDS="1",
            SMS_GATEWAY_RETRY_SECONDS="1",
            NOTIFICATION_EMAIL_PUBLISH_CONCURRENCY="8",
            NOTIFICATION_SMS_PUBLISH_CONCURRENCY="8",
            WORKER_METRICS_PORT=self.metrics_port,
        )
        acs.listening.delay = deployed.gateway.delay = deployed.relay.delay = 0.03

    async def captured(self) -> Counter[str]:
        return Counter(row["recipient"] for row in await self.db.fetch(CAPTURED))

    def mailed(self) -> Counter[str]:
        """Who got how many mails, by either way; a submission under a known id makes no mail."""
        posts = {
            request.headers["operation-id"]: json.loads(request.body)["recipients"]["to"][0]["address"]
            for request in self.acs.listening.requests
            if request.headers.get("operation-id") in self.acs.taken
        }
        relayed = self.deployed.collect().mails
        return Counter(posts.values()) + Counter({to: len(ids) for to, ids in relayed.items()})

    async def texted(self) -> Counter[str]:
        handed_over = self.deployed.deliveries.texts
        return await self.captured() + Counter({f"+{to.lstrip('+0')}": len(ids) for to, ids in handed_over.items()})

    async def preferred_take(self, number: int) -> None:
        """Wait until both preferred providers have taken `number` more messages."""
        mails, texts = len(self.acs.taken) + number, self.texts + number

        async def have_taken() -> bool:
            return len(self.acs.taken) >= mails and self.texts >= texts

        await until(have_taken, f"{number} more through the preferred providers", seconds=30)

    @property
    def texts(self) -> int:
        return sum(map(len, self.deployed.deliveries.texts.values()))

    async def others_take(self, number: int) -> None:
        async def have_taken() -> bool:
            return len(self.deployed.relay.mails) >= number and (await self.captured()).total() >= number

        await until(have_taken, f"{number} through the others", seconds=30)

    async def unknown_calls(self) -> float:
        """How many calls of unknown outcome the worker has counted."""
        async with httpx.AsyncClient(trust_env=False) as http:
            lines = (await http.get(f"http://127.0.0.1:{self.metrics_port}/metrics")).text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("provider_outcome_unknown_total{"))


async def test_traffic_leaves_providers_that_go_down_and_returns_with_them(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    async with deployment(database_url, tmp_path) as deployed, an_acs_peer() as acs:
        site = Site(deployed, acs, db)
        await register(db, 0)
        await deployed.start("worker")
        await site.preferred_take(30)
        await asyncio.gather(acs.listening.shut(), deployed.gateway.shut())
        await site.others_take(30)
        await asyncio.gather(acs.listening.reopen(), deployed.gateway.reopen())
        await until(lambda: may_be_tried(db), "the preferred providers may be tried again", seconds=10)
        await register(db, ROUND)
        await site.preferred_take(50)
        await until(lambda: has_left(db), "every message has left", seconds=40)
        mailed, texted = site.mailed(), await site.texted()
        assert len(mailed) == len(texted) == 2 * ROUND
        assert set(mailed.values()) == {1}, "mail waits for the provider that may have it, which knows its id"
        assert as_stored({to for to, times in texted.items() if times > 1}) <= await marked(db)
        assert {row["result"] for row in await db.fetch(RESULTS)} <= {"Sending", *TAKEN}
        assert await site.unknown_calls() == await db.fetchval(UNKNOWN) > 0
        assert await db.fetchval(PAUSES) == 0


async def may_be_tried(db: Database) -> bool:
    return not await db.fetchval(STILL_PAUSED, datetime.now(UTC))


async def has_left(db: Database) -> bool:
    return bool(await db.fetchval(LEFT) == 4 * ROUND)
