"""How the providers are, as /metrics and the console tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altinn_notifications.sending.pauses import Pause, clear_pauses, extend_pauses, read_pauses, resume
from altinn_notifications.tracking.providers import Condition, provider_states
from support.times import HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database
    from support.service import Service

WORKER = "INSERT INTO workers (started, seen, providers) VALUES ($1, $1, $2)"


async def pause(db: Database, *pauses: Pause) -> None:
    async with db.transaction() as connection:
        await extend_pauses(connection, pauses)


async def conditions(db: Database) -> dict[str, str]:
    states = await provider_states(db, now=NOON, seen_since=NOON - 10 * SECOND)
    return {state.name: str(state.condition) for state in states}


async def test_a_provider_is_as_its_worst_worker_and_its_pause_say(db: Database) -> None:
    await db.execute(WORKER, NOON, {"smtp": "ok", "acs": "ok", "link": "ok", "spare": "ok"})
    await db.execute(WORKER, NOON, {"smtp": "slow", "acs": "slow"})
    await db.execute(WORKER, NOON - HOUR, {"gone": "slow"})
    await pause(db, Pause("acs", NOON + MINUTE, "429"), Pause("link", NOON, "down"))
    await pause(db, Pause("old", NOON, "535", misconfigured=True))
    assert await conditions(db) == {
        "acs": Condition.PAUSED,
        "link": Condition.PROBING,
        "old": Condition.MISCONFIGURED,
        "smtp": Condition.SLOW,
        "spare": Condition.OK,
    }


async def test_a_pause_is_prolonged_and_never_shortened(db: Database) -> None:
    await pause(db, Pause("smtp", NOON + HOUR, "long"), Pause("smtp", NOON + MINUTE, "short"))
    await pause(db, Pause("smtp", NOON + MINUTE, "short"))
    assert await read_pauses(db) == [Pause("smtp", NOON + HOUR, "long")]
    await pause(db, Pause("smtp", NOON + 2 * HOUR, "longer"))
    assert await read_pauses(db) == [Pause("smtp", NOON + 2 * HOUR, "longer")]


async def test_a_longer_pause_does_not_hide_that_something_is_to_be_mended(db: Database) -> None:
    await pause(db, Pause("smtp", NOON + HOUR, "429"))
    await pause(db, Pause("smtp", NOON + MINUTE, "535", misconfigured=True))
    assert await read_pauses(db) == [Pause("smtp", NOON + HOUR, "535", misconfigured=True)]


async def test_an_answer_ends_only_pauses_that_are_over(db: Database) -> None:
    await pause(db, Pause("smtp", NOON, "421"), Pause("smtp", NOON + MINUTE, "450", "ttd.no"))
    async with db.transaction() as connection:
        await clear_pauses(connection, [("smtp", ""), ("smtp", "ttd.no")], now=NOON)
    assert await read_pauses(db) == [Pause("smtp", NOON + MINUTE, "450", "ttd.no")]


async def test_an_operator_has_a_provider_tried_at_once(db: Database) -> None:
    await pause(db, Pause("smtp", NOON + HOUR, "535", misconfigured=True))
    assert not await resume(db, "acs", now=NOON)
    assert await resume(db, "smtp", now=NOON)
    assert [one.until for one in await read_pauses(db)] == [NOON]


async def test_metrics_tell_the_state_of_each_provider_while_the_service_stays_ready(service: Service) -> None:
    await pause(service.services.db, Pause("smtp", NOON + HOUR, "535", misconfigured=True))
    await pause(service.services.db, Pause("smtp", NOON + HOUR, "450", "ttd.no"))
    metrics = (await service.client.get("/metrics")).text
    assert 'provider_state{provider="smtp",state="misconfigured"} 1.0' in metrics
    assert 'provider_state{provider="smtp",state="ok"} 0.0' in metrics
    assert 'provider_misconfigured{provider="smtp"} 1.0' in metrics
    assert 'provider_paused_domains{provider="smtp"} 1.0' in metrics
    assert (await service.client.get("/health/ready")).status_code == 200
