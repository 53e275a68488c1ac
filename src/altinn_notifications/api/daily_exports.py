"""Yesterday's final notifications as Parquet files, for who holds the key (spec 07, 2.2)."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import Response, StreamingResponse

from altinn_notifications.api.operations import PROBLEM, Answer, Operation
from altinn_notifications.api.problems import coded_problem, plain_problem
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.lifecycle import Channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.settings import GeneralSettings
    from altinn_notifications.tracking.daily_export import DayFile

log = structlog.get_logger()
LONGEST_SECONDS: Final = 300
CHUNK_BYTES: Final = 262_144
DAY: Final = timedelta(days=1)


async def post_sms(request: Request) -> Response:
    """The SMS that became final yesterday."""
    return await _export(request, Channel.SMS)


async def post_email(request: Request) -> Response:
    """The emails that became final yesterday."""
    return await _export(request, Channel.EMAIL)


async def _export(request: Request, channel: Channel) -> Response:
    today = datetime.combine(request.now.astimezone(UTC), time(), UTC)
    environment = environment_name(request.services.settings.general)
    file = await _write(request, channel, today)
    name = f"{today - DAY:%Y%m%d}_{channel.lower()}_notifications_{environment}.parquet"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(file.size),
        "X-File-Hash": base64.b64encode(file.md5).decode(),
        "X-File-Size": str(file.size),
        "X-Total-FileTransfer-Count": str(file.rows),
        "X-Generated-At": f"{request.now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00",
        "X-Environment": environment,
    }
    log.info("day_exported", channel=channel.lower(), rows=file.rows, bytes=file.size)
    return StreamingResponse(_chunks(file), headers=headers, media_type="application/octet-stream")


async def _write(request: Request, channel: Channel, today: datetime) -> DayFile:
    """The file of the day before `today`. Raises 501 without the extra, and 503 when it takes too long."""
    try:
        from altinn_notifications.tracking.daily_export import write_day  # noqa: PLC0415 - an extra, slow to load
    except ModuleNotFoundError as error:
        raise plain_problem(501) from error
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await write_day(request.services.db, channel, since=today - DAY, until=today)
    except TimeoutError as error:
        log.warning("day_export_took_too_long", channel=channel.lower())
        raise coded_problem("NOT-00004") from error


async def _chunks(file: DayFile) -> AsyncIterator[bytes]:
    with file.content as content:
        while chunk := await asyncio.to_thread(content.read, CHUNK_BYTES):
            yield chunk


def environment_name(general: GeneralSettings) -> str:
    """What the files call the environment: the name that is set, else that of its kind; `Unknown` for a blank one."""
    name = general.environment.value.capitalize() if general.environment_name is None else general.environment_name
    return name.strip() or "Unknown"


def _operation(what: str) -> Operation:
    headers = {
        "X-File-Hash": "Base64 of the MD5 of the file.",
        "X-File-Size": "Its size in bytes.",
        "X-Total-FileTransfer-Count": "Its number of rows.",
        "X-Generated-At": "When it was made.",
        "X-Environment": "The environment it is from.",
    }
    return Operation(
        tag="Metrics",
        summary=f"The {what} that became final yesterday, as a Parquet file",
        description="Yesterday is that of UTC. A day without any gives a file without rows.",
        answers={
            200: Answer("The file, application/octet-stream.", headers=headers),
            501: Answer("The service was installed without the extra that writes Parquet files.", PROBLEM),
        },
    )


ROUTES: Final = [
    Route("POST", f"{API}/metrics/sms", post_sms, Policy.METRICS_KEY, operation=_operation("SMS")),
    Route("POST", f"{API}/metrics/email", post_email, Policy.METRICS_KEY, operation=_operation("emails")),
]
