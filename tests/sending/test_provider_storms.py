"""Relays and gateways on real sockets that refuse, hang, reset and dawdle: counted results, and nobody else waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.sms.link import LinkProvider
from altinn_notifications.sending.pauses import read_pauses
from altinn_notifications.settings import EmailSettings, SmsSettings
from support.gateway_peer import DROP, HANG, Answer, GatewayPeer, accepted
from support.lanes import SMS_POLICY, a_lane, drain, routes_to
from support.orders import an_order, an_sms_order, processed
from support.providers import ScriptedProvider
from support.smtp_peer import SmtpPeer
from support.times import HOUR, MINUTE, NOON, SECOND
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

RESULTS = "SELECT result, count(*) AS number FROM notification_states WHERE channel = $1 GROUP BY result"
KINDS = "SELECT kind, count(*) AS number FROM events WHERE kind LIKE 'send-%' GROUP BY kind"
DEFERRALS = "SELECT sum(deferrals) FROM notification_states"
TOO_MANY = Answer("", status=429, headers={"Retry-After": "120"})


async def results(db: Database, channel: str) -> dict[str, int]:
    return {row["result"]: row["number"] for row in await db.fetch(RESULTS, channel)}


async def kinds(db: Database) -> dict[str, int]:
    return {row["kind"]: row["number"] for row in await db.fetch(KINDS)}


@asynccontextmanager
async def link_to(gateway: GatewayPeer) -> AsyncIterator[Any]:
    url = gateway.url.replace("localhost", "127.0.0.1")
    provider = LinkProvider(SmsSettings(gateway_endpoint=url, gateway_timeout_seconds=0.2))
    gateway.otherwise = lambda request: accepted(f"{request.value('RCV')}-{len(gateway.requests)}")
    yield provider
    await provider.close()


@asynccontextmanager
async def relay_at(relay: SmtpPeer, clock: FixedClock, name: str = "smtp", **changes: Any) -> AsyncIterator[Any]:
    values = {"smtp_host": "127.0.0.1", "smtp_port": relay.port, "smtp_timeout_seconds": 0.3, "smtp_connections": 4}
    provider = SmtpProvider(EmailSettings(**{**values, **changes}), clock)
    provider.name = name
    yield provider
    await provider.close()


async def sms(db: Database, clock: FixedClock, number: int) -> None:
    await processed(db, clock, *(an_sms_order() for _ in range(number)))


async def test_a_429_pauses_the_gateway_as_long_as_it_asks_and_uses_up_no_attempt(
    db: Database, clock: FixedClock
) -> None:
    await sms(db, clock, 30)
    async with GatewayPeer() as gateway, link_to(gateway) as link:
        gateway.next(*[TOO_MANY] * 4)
        routes = routes_to(link, policy=SMS_POLICY)
        await drain(a_lane(db, clock, routes, "sms-anytime", concurrency=4))
        asked = len(gateway.requests)
        assert asked <= 4
        assert [pause.until for pause in await read_pauses(db)] == [NOON + 2 * MINUTE]
        clock.turn(2 * MINUTE - SECOND)
        await drain(a_lane(db, clock, routes, "sms-anytime"))
        assert (len(gateway.requests), await db.fetchval(DEFERRALS)) == (asked, 0)
        gateway._steps.clear()
        clock.turn(SECOND)
        await drain(a_lane(db, clock, routes, "sms-anytime"))
        assert len(gateway.requests) == asked + 30
    assert (await results(db, "Sms"), await read_pauses(db)) == ({"Accepted": 30}, [])


async def test_a_storm_of_5xx_resets_and_silence_ends_with_every_sms_taken_and_every_doubt_marked(
    db: Database, clock: FixedClock
) -> None:
    await sms(db, clock, 20)
    async with GatewayPeer() as gateway, link_to(gateway) as link:
        gateway.next(*[Answer("", status=503), DROP, HANG, Answer("<no"), Answer("", status=504), TOO_MANY] * 3)
        routes = routes_to(link, policy=SMS_POLICY, failures=3)
        for _ in range(22):
            await drain(a_lane(db, clock, routes, "sms-anytime", concurrency=4))
            clock.turn(HOUR)
        calls = len(gateway.requests)
    assert await results(db, "Sms") == {"Accepted": 20}
    lines = await kinds(db)
    assert lines["send-accepted"] == 20
    assert lines["send-unknown"] == 9
    assert sum(lines.values()) == calls == 38


async def test_a_relay_that_is_down_hands_its_mail_to_the_next_and_gets_it_back(
    db: Database, clock: FixedClock
) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 20))
    async with (
        SmtpPeer() as first,
        SmtpPeer() as second,
        relay_at(first, clock) as smtp,
        relay_at(second, clock, "acs") as spare,
    ):
        first.always("GREETING", "421 4.3.2 not now")
        routes = routes_to(smtp, spare)
        await drain(a_lane(db, clock, routes))
        assert (len(first.mails), len(second.mails)) == (0, 20)
        first.always("GREETING", "220 peer.test ESMTP")
        await processed(db, clock, an_order(recipients=an_order().recipients * 20))
        clock.turn(MINUTE)
        await drain(a_lane(db, clock, routes, concurrency=1))
        assert (len(first.mails), len(second.mails)) == (20, 20)
    assert await results(db, "Email") == {"Succeeded": 40}


async def test_a_slow_relay_is_left_for_a_fast_one(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 60))
    async with (
        SmtpPeer(delay=0.05) as first,
        SmtpPeer() as second,
        relay_at(first, clock) as smtp,
        relay_at(second, clock, "acs") as spare,
    ):
        await drain(a_lane(db, clock, routes_to(smtp, spare, slow_seconds=0.04), concurrency=4))
        assert len(first.mails) + len(second.mails) == 60
        assert len(first.mails) < 30
    assert await results(db, "Email") == {"Succeeded": 60}


async def test_a_relay_that_refuses_one_senders_domain_takes_everybody_elses_mail(
    db: Database, clock: FixedClock
) -> None:
    template = an_order().email
    assert template is not None
    bad = type(template)("noreply@bad.no", template.subject, template.body, template.content_type)
    await processed(db, clock, *(an_order(email=bad) for _ in range(10)), *(an_order() for _ in range(10)))
    async with SmtpPeer() as relay, relay_at(relay, clock) as smtp:
        relay.next("MAIL", *["450 4.1.8 sender domain not found"] * 10)
        lane = a_lane(db, clock, smtp, concurrency=1)
        await drain(lane)
        assert Counter("bad.no" in mail.mail for mail in relay.mails)[True] == 0
        relay._once.clear()
        await drain(lane)
        assert [mail.mail for mail in relay.mails if "bad.no" in mail.mail] == []
        clock.turn(MINUTE)
        await drain(lane)
    assert await results(db, "Email") == {"Succeeded": 20}


async def test_wrong_credentials_at_a_real_relay_stand_still_until_they_are_mended(
    db: Database, clock: FixedClock
) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 10))
    async with (
        SmtpPeer(extensions=("AUTH PLAIN",)) as relay,
        relay_at(relay, clock, smtp_username="us", smtp_password="wrong") as smtp,
    ):
        relay.always("AUTH", "535 5.7.8 no")
        lane = a_lane(db, clock, smtp)
        await drain(lane)
        assert [pause.misconfigured for pause in await read_pauses(db)] == [True]
        assert await results(db, "Email") == {"New": 10}
        relay.always("AUTH", "235 2.7.0 yes")
        clock.turn(MINUTE)
        await drain(lane)
    assert await results(db, "Email") == {"Succeeded": 10}


async def test_a_gateway_that_hangs_and_one_that_is_down_take_no_progress_from_mail(
    db: Database, clock: FixedClock
) -> None:
    await sms(db, clock, 20)
    await processed(db, clock, an_order(recipients=an_order().recipients * 40))
    link, smtp, stop = ScriptedProvider("link"), ScriptedProvider("smtp"), asyncio.Event()
    link.hang = asyncio.Event()
    hanging = asyncio.create_task(a_lane(db, clock, link, "sms-anytime", concurrency=8).run(stop))
    await link.called.wait()
    mailing = asyncio.create_task(a_lane(db, clock, smtp, concurrency=8).run(stop))

    async def mail_is_sent() -> bool:
        return (await results(db, "Email")).get("Succeeded") == 40

    await until(mail_is_sent, "all mail has left while every SMS hangs")
    assert len(link.sent) == 8
    stop.set()
    link.hang.set()
    await asyncio.gather(hanging, mailing)
