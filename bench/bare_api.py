"""The least that could accept orders: uvicorn, one coroutine, one durable insert, by itself or in groups.

Reads one plan, a line of JSON, and writes one line when it listens.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import uvicorn
import uvloop

from altinn_notifications.database.grouping import Grouped
from altinn_notifications.database.pool import Database
from altinn_notifications.identifiers import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from starlette.types import ASGIApp, Receive, Scope, Send

CREATE: Final = "CREATE TABLE IF NOT EXISTS bare_orders (id uuid PRIMARY KEY, body bytea NOT NULL)"
INSERT: Final = "INSERT INTO bare_orders (id, body) VALUES ($1, $2)"
INSERT_MANY: Final = "INSERT INTO bare_orders (id, body) SELECT * FROM unnest($1::uuid[], $2::bytea[])"
HEADERS: Final = [(b"content-type", b"application/json")]


def application(store: Callable[[UUID, bytes], Awaitable[Any]]) -> ASGIApp:
    """Answers every request with 201 after `store` has stored its body."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        id_ = new_id()
        await store(id_, body)
        answer = b'{"id":"%b"}' % str(id_).encode()
        headers = [*HEADERS, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def store_one_by_one(db: Database) -> Callable[[UUID, bytes], Awaitable[Any]]:
    """One transaction for each body."""

    async def store(id_: UUID, body: bytes) -> None:
        await db.execute(INSERT, id_, body)

    return store


def store_in_groups(db: Database) -> Callable[[UUID, bytes], Awaitable[Any]]:
    """One transaction for those that arrive together."""

    async def write(rows: Sequence[tuple[UUID, bytes]]) -> list[None]:
        await db.execute(INSERT_MANY, [id_ for id_, _ in rows], [body for _, body in rows])
        return [None] * len(rows)

    groups: Grouped[tuple[UUID, bytes], None] = Grouped(write, limit=100, writers=2)
    return lambda id_, body: groups.submit((id_, body))


async def serve(plan: dict[str, Any]) -> None:
    """Serve until a signal comes."""
    db = await Database.connect(plan["database_url"])
    await db.execute(CREATE)
    store = store_in_groups(db) if plan["grouped"] else store_one_by_one(db)
    config = uvicorn.Config(
        application(store), port=plan["port"], http="httptools", lifespan="off", access_log=False, log_config=None
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - all that uvicorn tells
        await asyncio.sleep(0.01)
    print(json.dumps("ready"), flush=True)
    await serving


if __name__ == "__main__":
    _plan = json.loads(sys.stdin.readline())
    uvloop.run(serve(_plan))
