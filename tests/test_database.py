from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from altinn_notifications.database.migrate import is_current, migrate, migrations

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_several_processes_may_migrate_at_once(db: Database) -> None:
    await db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    applied = await asyncio.gather(*(migrate(db.url) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(migrations())]
    assert await is_current(db)
