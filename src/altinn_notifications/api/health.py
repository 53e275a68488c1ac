"""Whether the process lives, and whether it can work (spec 01, 13)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from altinn_notifications.api.problems import JSON_TYPE, to_json
from altinn_notifications.api.router import ANY_METHOD, Request, Route
from altinn_notifications.database.migrate import is_current
from altinn_notifications.database.pool import DatabaseUnavailable

if TYPE_CHECKING:
    from altinn_notifications.database.pool import Database

PROBE_SECONDS: Final = 5
NO_CACHE: Final = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache", "Expires": "0"}


async def get_health(_request: Request) -> Response:
    """Say that the process answers; a database that is away must not restart every instance."""
    return Response("Healthy", headers=NO_CACHE, media_type="text/plain")


async def get_readiness(request: Request) -> Response:
    """Say whether orders can be taken, and if not, what is missing."""
    missing = await _missing(request.services.db)
    content = {"status": "unavailable" if missing else "ready", "missing": missing}
    return Response(to_json(content), 503 if missing else 200, NO_CACHE, media_type=JSON_TYPE)


async def _missing(db: Database) -> list[str]:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return [] if await is_current(db) else ["migrations"]
    except (DatabaseUnavailable, TimeoutError):
        return ["database"]


ROUTES: Final = [
    Route(ANY_METHOD, "/health", get_health),
    Route("GET", "/health/ready", get_readiness),
]
