"""How a process keeps to the turned time (design promise 13)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from altinn_notifications.cli.commands import _clock
from altinn_notifications.clock import SystemClock, TurnableClock, unturned
from altinn_notifications.database.turned_clock import following, stored_offset, turn
from altinn_notifications.database.wakeups import CLOCK, DUE_ORDERS, NOTIFICATIONS, REPORTS, TIME, Wakeups
from altinn_notifications.settings import Environment, GeneralSettings, Settings
from support.times import DAY, HOUR, NOON
from support.waiting import until

if TYPE_CHECKING:
    from altinn_notifications.clock import Clock, FixedClock
    from altinn_notifications.database.pool import Database


def test_the_machines_clock_tells_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta()


def test_a_turned_clock_is_ahead_of_its_machine(clock: FixedClock) -> None:
    turnable = TurnableClock(clock)
    turnable.offset = DAY
    assert turnable.now() == NOON + DAY
    assert unturned(turnable).now() == NOON
    assert unturned(clock) is clock


@pytest.mark.parametrize(
    ("environment", "kind"),
    [("production", SystemClock), ("test", SystemClock), ("local", TurnableClock)],
)
def test_only_in_the_local_environment_processes_have_a_clock_that_can_be_turned(
    environment: str, kind: type[Clock]
) -> None:
    general = GeneralSettings(environment=Environment(environment))
    assert type(_clock(Settings(general=general))) is kind


async def test_the_offset_lasts_and_the_last_one_counts(db: Database, clock: FixedClock) -> None:
    assert await stored_offset(db) == timedelta()
    for offset in (DAY, -HOUR, timedelta(days=400, microseconds=1)):
        await turn(TurnableClock(clock), offset, db, Wakeups(db))
        assert await stored_offset(db) == offset


@pytest.mark.parametrize("topic", [DUE_ORDERS, NOTIFICATIONS, REPORTS, TIME])
async def test_whoever_sleeps_is_woken_after_the_clock_was_turned(db: Database, clock: FixedClock, topic: str) -> None:
    wakeups, turnable = Wakeups(db), TurnableClock(clock)
    sleeper = wakeups.subscribe(topic)
    async with following(turnable, db, wakeups, listens=False):
        await turn(TurnableClock(clock), DAY, db, Wakeups(db))
        wakeups.ring(CLOCK)
        await asyncio.wait_for(sleeper.wait(), 10)
        assert turnable.now() == NOON + DAY


async def test_an_offset_that_did_not_change_wakes_nobody(db: Database, clock: FixedClock) -> None:
    wakeups, turnable = Wakeups(db), TurnableClock(clock)
    sleeper = wakeups.subscribe(TIME)
    async with following(turnable, db, wakeups, listens=False):
        wakeups.ring(CLOCK)
        await turn(TurnableClock(clock), DAY, db, Wakeups(db))
        wakeups.ring(CLOCK)

        async def has_followed() -> bool:
            return turnable.offset == DAY

        await until(has_followed, "the clock is turned")
        sleeper.clear()
        wakeups.ring(CLOCK)
        await asyncio.sleep(0.05)
        assert not sleeper.is_set()


async def test_a_clock_that_cannot_be_turned_does_not_follow(db: Database, clock: FixedClock) -> None:
    await turn(TurnableClock(clock), DAY, db, Wakeups(db))
    async with following(clock, db, Wakeups(db), listens=True):
        assert clock.now() == NOON


async def test_a_process_that_stops_while_the_clock_is_turned_stops(db: Database, clock: FixedClock) -> None:
    for _ in range(50):
        wakeups = Wakeups(db)
        async with asyncio.timeout(10), following(TurnableClock(clock), db, wakeups, listens=False):
            await asyncio.sleep(0)
            wakeups.ring(CLOCK)
