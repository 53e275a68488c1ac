"""No more messages in a second than a provider, or a sender's domain, may have: token buckets in the database.

All workers take from the same buckets, a batch at a time and in the transaction of its claim: a claim that is undone
has spent nothing. Instant messages wait for nobody; what they take is missing to the others afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from altinn_notifications.database.pool import columns
from altinn_notifications.sending.routing import MANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from altinn_notifications.database.pool import Connection, Database, Row
    from altinn_notifications.settings import SendingSettings

EVERY_OTHER: Final = "*"
"""In the limits of domains: whichever is not named."""
SMALLEST_BATCH_SECONDS: Final = 0.1
"""A lane waits until it may claim what leaves in this time, so that claims stay few and large."""
ROUNDING: Final = 1e-6

CREATE: Final = """
    INSERT INTO send_buckets (name, tokens, filled) SELECT b.name, b.tokens, $3
    FROM unnest($1::text[], $2::float8[]) AS b (name, tokens) ON CONFLICT (name) DO NOTHING"""
LOCK: Final = "SELECT name, tokens, filled FROM send_buckets WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE"
STORE: Final = """
    UPDATE send_buckets b SET tokens = u.tokens, filled = $3
    FROM unnest($1::text[], $2::float8[]) AS u (name, tokens) WHERE b.name = u.name"""


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate, and how much of it may gather while nothing is sent."""

    per_second: float
    burst: float

    def refilled(self, tokens: float, since: timedelta) -> float:
        """The tokens after a time in which none was taken; a clock that was turned back adds none."""
        return min(self.burst, tokens + self.per_second * max(0.0, since.total_seconds()))

    @property
    def smallest_batch(self) -> float:
        """The fewest tokens that are worth a claim."""
        return max(1.0, min(self.burst, self.per_second * SMALLEST_BATCH_SECONDS))


@dataclass(slots=True)
class Purse:
    """The buckets that one claim may take from, locked until its transaction ends."""

    now: datetime
    limits: Mapping[str, Limit] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)

    def room(self, name: str | None) -> int:
        """How many messages the bucket of that name lets through now."""
        limit = self.limits.get(name or "")
        if limit is None:
            return MANY
        tokens = self.tokens[name or ""] + ROUNDING
        return int(tokens) if tokens >= limit.smallest_batch else 0

    def ready_at(self) -> datetime | None:
        """When a bucket that lets nothing through now will, in UTC."""
        waits = (
            (limit.smallest_batch - self.tokens[name]) / limit.per_second
            for name, limit in self.limits.items()
            if not self.room(name)
        )
        return min((self.now + timedelta(seconds=wait) for wait in waits), default=None)

    def spend(self, name: str | None, count: int) -> None:
        """Take `count` tokens, if there is a limit; below zero they are owed."""
        if name in self.tokens:
            self.tokens[name] -= count

    async def store(self, connection: Connection) -> None:
        """Keep what is left. Part of the claim's transaction."""
        if self.tokens:
            await connection.execute(STORE, *columns(sorted(self.tokens.items())), self.now)


class Pacing:
    """The limits of all providers and domains."""

    def __init__(self, settings: SendingSettings) -> None:
        self._settings = settings

    def is_limited(self, provider: str) -> bool:
        """Whether `provider` has a limit of its own."""
        return provider in self._settings.messages_per_second

    async def open(self, connection: Connection, provider: str | None, domains: Iterable[str], now: datetime) -> Purse:
        """The buckets of a claim, filled up until `now`; without limits nothing is asked."""
        limits = self._limits(provider, domains)
        if not limits:
            return Purse(now)
        names = sorted(limits)
        await connection.execute(CREATE, names, [limits[name].burst for name in names], now)
        rows = await connection.fetch(LOCK, names)
        return Purse(now, limits, {row["name"]: _refilled(limits[row["name"]], row, now) for row in rows})

    async def note(self, db: Database, provider: str, domains: Iterable[str], *, now: datetime) -> None:
        """Take what instant messages use, one token for each of `domains`, whether or not it is there."""
        senders = list(domains)
        if not self._limits(provider, senders):
            return
        async with db.transaction() as connection:
            purse = await self.open(connection, provider, senders, now)
            purse.spend(provider, len(senders))
            for domain in senders:
                purse.spend(bucket_of(domain), 1)
            await purse.store(connection)

    def _limits(self, provider: str | None, domains: Iterable[str]) -> dict[str, Limit]:
        settings = self._settings
        rates = {provider: settings.messages_per_second.get(provider)} if provider else {}
        others = settings.domain_messages_per_second.get(EVERY_OTHER)
        if settings.domain_messages_per_second:
            rates |= {
                bucket_of(domain): settings.domain_messages_per_second.get(domain, others)
                for domain in set(domains)
                if domain
            }
        seconds = settings.burst_seconds
        return {name: Limit(rate, max(1.0, rate * seconds)) for name, rate in rates.items() if rate is not None}


def bucket_of(domain: str) -> str:
    """The name of a domain's bucket; no provider has one like it."""
    return f"from {domain}"


def _refilled(limit: Limit, row: Row, now: datetime) -> float:
    return limit.refilled(row["tokens"], now - row["filled"])
