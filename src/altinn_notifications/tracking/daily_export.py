"""The day's final notifications as a Parquet file (spec 07, 2.2). Needs the extra `exports`.

Rows come through a cursor and go to the file in groups: memory does not grow with the day.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyarrow import parquet

from altinn_notifications.database.pool import LONG_STATEMENT_SECONDS, columns
from altinn_notifications.lifecycle import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import IO

    from altinn_notifications.database.pool import Connection, Database

ROWS_AT_ONCE: Final = 10_000

_COMMON: Final = """n.number, n.id::text, coalesce(o.senders_reference, ''),
           to_char(o.requested_send_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"0Z"'),
           o.creator, o.resource_id, s.result, coalesce(s.provider_reference, '')"""

_OF_DAY: Final = """
    FROM notification_states s
    JOIN notifications n ON n.id = s.notification_id
    JOIN orders o ON o.id = s.order_id
    WHERE s.result_time >= $1 AND s.result_time < $2 AND s.channel = $3
        AND s.result NOT IN ('New', 'Sending', 'Succeeded', 'Accepted')"""

SELECT_SMS: Final = f"""
    SELECT {_COMMON},
           CASE WHEN n.destination = '' THEN 'n/a'
                WHEN n.destination ~ '^(\\+|00) *47' THEN 'innland' ELSE 'utland' END,
           left(n.destination, 4), coalesce(n.segments, 0)::integer, coalesce(char_length(o.sms ->> 'body'), 0),
           coalesce(char_length(n.body), 0)
    {_OF_DAY}"""

SELECT_EMAIL: Final = f"SELECT {_COMMON} {_OF_DAY}"


def _schema(number: str, reference: str, more: Mapping[str, pa.DataType]) -> pa.Schema:
    """Text may be missing, numbers may not: what the original's library writes unless told otherwise."""
    types = {
        number: pa.int64(),
        "ShipmentId": pa.string(),
        "SendersReference": pa.string(),
        "RequestedSendTime": pa.string(),
        "CreatorName": pa.string(),
        "ResourceId": pa.string(),
        "Result": pa.string(),
        reference: pa.string(),
        **more,
    }
    return pa.schema([pa.field(name, type_, nullable=pa.types.is_string(type_)) for name, type_ in types.items()])


@dataclass(frozen=True, slots=True)
class _Kind:
    statement: str
    schema: pa.Schema


_KINDS: Final[Mapping[Channel, _Kind]] = {
    Channel.SMS: _Kind(
        SELECT_SMS,
        _schema(
            "SmsId",
            "GatewayReference",
            {
                "Rate": pa.string(),
                "MobileNumberPrefix": pa.string(),
                "AltinnSmsCount": pa.int32(),
                "AltinnSmsBodyLength": pa.int32(),
                "AltinnSmsCustomBodyLength": pa.int32(),
            },
        ),
    ),
    Channel.EMAIL: _Kind(SELECT_EMAIL, _schema("EmailId", "OperationId", {})),
}


@dataclass(frozen=True, slots=True)
class DayFile:
    """A finished file, open at its beginning and without a name on the disk: closing it deletes it."""

    content: IO[bytes]
    size: int
    rows: int
    md5: bytes


class _Digesting:
    """A file that is written from the beginning to the end, and digested on the way."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> bytes:
        return self._digest.digest()


async def write_day(db: Database, channel: Channel, *, since: datetime, until: datetime) -> DayFile:
    """Write what became final in `channel` from `since` (inclusive) to `until` (exclusive); the caller closes it.

    The rows are those of one moment. Raises `DatabaseUnavailable`.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this function
    try:
        async with db.transaction() as connection:
            return await _write(connection, file, _KINDS[channel], (since, until, channel))
    except BaseException:
        file.close()
        raise


async def _write(connection: Connection, file: IO[bytes], kind: _Kind, args: tuple[Any, ...]) -> DayFile:
    sink = _Digesting(file)
    rows = 0
    with parquet.ParquetWriter(sink, kind.schema) as writer:
        cursor = await connection.cursor(kind.statement, *args, timeout=LONG_STATEMENT_SECONDS)
        while batch := await cursor.fetch(ROWS_AT_ONCE, timeout=LONG_STATEMENT_SECONDS):
            rows += len(batch)
            await asyncio.to_thread(_write_group, writer, kind.schema, batch)
    file.seek(0)
    return DayFile(file, sink.size, rows, sink.digest())


def _write_group(writer: parquet.ParquetWriter, schema: pa.Schema, rows: Any) -> None:
    values = zip(columns(rows), schema, strict=True)
    writer.write_batch(pa.record_batch([pa.array(column, field.type) for column, field in values], schema=schema))
