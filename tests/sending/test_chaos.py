"""Providers that do anything: whatever they answer, every message is accounted for and nobody else waits."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.channels.sms.link import LinkProvider
from altinn_notifications.settings import EmailSettings, SmsSettings
from support.gateway_peer import DROP as GATEWAY_DROP
from support.gateway_peer import HANG as GATEWAY_HANG
from support.gateway_peer import Answer, GatewayPeer, accepted
from support.lanes import a_lane, drain
from support.orders import an_order, an_sms_order, processed, result_of
from support.providers import ScriptedProvider
from support.smtp_peer import DROP, HANG, SmtpPeer
from support.times import HOUR
from support.waiting import until

if TYPE_CHECKING:
    from altinn_notifications.channels.protocol import Outcome, OutgoingEmail, OutgoingSms
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

STORM = (
    Deferred(Scope.MESSAGE, "450 try later"),
    Deferred(Scope.PROVIDER, "421 going away"),
    Unknown("the connection was lost"),
    Refused("Failed", "554 no"),
)
ROUNDS = 45
RESULTS = "SELECT result, count(*) AS count FROM notification_states GROUP BY result"
KINDS = "SELECT kind, count(*) AS count FROM events WHERE notification_id IS NOT NULL GROUP BY kind"


class Storm(ScriptedProvider):
    """Answers anything, more often badly than well, and keeps what it answered."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__(name)
        self._random = random.Random(seed)  # noqa: S311 - weather, repeatable by its seed
        self.given: list[str] = []

    async def send(self, message: OutgoingEmail | OutgoingSms) -> Outcome:
        self.sent.append(message)
        await asyncio.sleep(self._random.random() / 1000)
        answer = self._random.choice((*STORM, Accepted(str(message.notification_id))))
        self.given.append(type(answer).__name__)
        return answer


async def counts(db: Database, statement: str) -> dict[str, int]:
    return {row[0]: row["count"] for row in await db.fetch(statement)}


async def test_after_a_storm_every_message_has_an_end_and_every_call_a_line(db: Database, clock: FixedClock) -> None:
    recipients = an_order().recipients * 30
    await processed(db, clock, *(an_order(recipients=recipients, creator=name) for name in ("ttd", "skd", "nav")))
    seed = random.getrandbits(32)
    storm = Storm("smtp", seed)
    lanes = [a_lane(db, clock, storm, concurrency=16, worker=number) for number in range(2)]
    for _ in range(ROUNDS):
        await asyncio.gather(*map(drain, lanes))
        clock.turn(HOUR)
    results = await counts(db, RESULTS)
    assert sum(results.values()) == 90
    assert set(results) <= {"Succeeded", "Failed"}, f"seed {seed}: {results}"
    assert results["Succeeded"] == storm.given.count("Accepted")
    assert results["Failed"] == storm.given.count("Refused")
    lines = await counts(db, KINDS)
    assert sum(lines.values()) == len(storm.sent)
    assert lines["send-unknown"] == storm.given.count("Unknown")
    assert lines["send-deferred"] + lines["send-returned"] == storm.given.count("Deferred")


async def test_a_gateway_that_hangs_holds_up_no_mail(db: Database, clock: FixedClock) -> None:
    *_, email = await processed(db, clock, *(an_sms_order() for _ in range(8)), an_order())
    link, stop = ScriptedProvider("link"), asyncio.Event()
    link.hang = asyncio.Event()
    hanging = asyncio.create_task(a_lane(db, clock, link, "sms-anytime", concurrency=8).run(stop))
    await link.called.wait()
    await drain(a_lane(db, clock, ScriptedProvider("smtp")))
    assert await result_of(db, email) == "Succeeded"
    stop.set()
    link.hang.set()
    await hanging
    assert (await counts(db, RESULTS))["Accepted"] == len(link.sent)


async def test_one_mail_that_hangs_holds_up_no_other_of_its_lane(db: Database, clock: FixedClock) -> None:
    await processed(db, clock, an_order(recipients=an_order().recipients * 20))
    async with SmtpPeer() as relay:
        relay.next("CONTENT", HANG)
        provider: Any = SmtpProvider(EmailSettings(smtp_host="127.0.0.1", smtp_port=relay.port), clock)
        stop = asyncio.Event()
        sending = asyncio.create_task(a_lane(db, clock, provider, concurrency=4).run(stop))

        async def nineteen_are_taken() -> bool:
            return (await counts(db, RESULTS)).get("Succeeded") == 19

        await until(nineteen_are_taken, "all but one have left")
        relay.hang_up()
        stop.set()
        await sending
        await provider.close()
    assert await counts(db, RESULTS) == {"Succeeded": 19, "Sending": 1}
    assert (await counts(db, KINDS))["send-unknown"] == 1


async def test_real_connections_through_a_storm_lose_nothing_and_mark_what_may_come_twice(
    db: Database, clock: FixedClock
) -> None:
    emails = an_order(recipients=an_order().recipients * 20)
    await processed(db, clock, emails, *(an_sms_order() for _ in range(20)))
    async with SmtpPeer() as relay, GatewayPeer() as gateway:
        smtp = SmtpProvider(
            EmailSettings(smtp_host="127.0.0.1", smtp_port=relay.port, smtp_timeout_seconds=0.2, smtp_connections=4),
            clock,
        )
        url = gateway.url.replace("localhost", "127.0.0.1")
        link = LinkProvider(SmsSettings(gateway_endpoint=url, gateway_timeout_seconds=0.2))
        gateway.otherwise = lambda request: accepted(f"{request.value('RCV')}-{len(gateway.requests)}")
        relay.next("GREETING", "421 busy", DROP)
        relay.next("RCPT", "450 4.2.1 full", "451 4.3.0 try later")
        relay.next("CONTENT", DROP, HANG, "452 4.3.1 no room")
        gateway.next(GATEWAY_DROP, GATEWAY_HANG, Answer("", 503), Answer("<no", 200), Answer("", 429))
        for _ in range(6):
            await asyncio.gather(until_idle(db, clock, smtp, "email"), until_idle(db, clock, link, "sms-anytime"))
            clock.turn(HOUR)
        await smtp.close()
        await link.close()
    assert await counts(db, RESULTS) == {"Succeeded": 20, "Accepted": 20}
    lines = await counts(db, KINDS)
    repeats = len(relay.mails) + len(gateway.requests) - 40
    assert lines["send-accepted"] == 40
    assert lines["send-unknown"] >= 4
    assert repeats <= lines["send-unknown"] + lines["send-deferred"] + lines.get("send-returned", 0)


async def until_idle(db: Database, clock: FixedClock, provider: Any, name: str) -> None:
    """Run the lane of real connections until everything that is due has been tried."""
    lane = a_lane(db, clock, provider, name)
    stop = asyncio.Event()

    async def stop_instead(*_: Any) -> None:
        stop.set()

    setattr(lane, "_sleep", stop_instead)  # noqa: B010 - the one moment at which a lane has nothing to do
    await lane.run(stop)
