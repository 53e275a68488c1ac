"""Send conditions: asking the orderer whether an order is still to be sent (spec 08, 7 and spec 12, 5)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import structlog

from altinn_notifications.platform.dependencies import DependencyFailed
from altinn_notifications.platform.guarded_fetch import FetchFailed

if TYPE_CHECKING:
    from altinn_notifications.platform.guarded_fetch import Fetched, GuardedFetcher
    from altinn_notifications.platform.maskinporten import MaskinportenTokens

log = structlog.get_logger()

MAX_BODY_BYTES: Final = 65_536
CONCURRENT_CALLS_PER_HOST: Final = 32
_UNAUTHORIZED: Final = 401


class Condition(Enum):
    """What the endpoint said."""

    MET = "met"
    NOT_MET = "not met"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class ConditionAnswer:
    """What the endpoint said and, when that is inconclusive, why: one of few words, safe to log and show."""

    condition: Condition
    reason: str | None = None


class ConditionClient:
    """Asks the endpoints that orders name. A slow host keeps only its own orders waiting."""

    def __init__(self, fetcher: GuardedFetcher, tokens: MaskinportenTokens) -> None:
        self._fetcher = fetcher
        self._tokens = tokens
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def check(self, endpoint: str) -> ConditionAnswer:
        """One check. It never raises for what happens on the wire: that is inconclusive."""
        host = urlsplit(endpoint).netloc.lower()
        turns = self._turns.setdefault(host, asyncio.Semaphore(CONCURRENT_CALLS_PER_HOST))
        async with turns:
            answer = await self._checked(endpoint)
        if answer.condition is Condition.INCONCLUSIVE:
            log.warning("send_condition_inconclusive", reason=answer.reason)
        return answer

    async def _checked(self, endpoint: str) -> ConditionAnswer:
        try:
            return evaluated(await self._ask(endpoint))
        except FetchFailed as failure:
            return ConditionAnswer(Condition.INCONCLUSIVE, failure.cause)
        except DependencyFailed as failure:
            return ConditionAnswer(Condition.INCONCLUSIVE, f"no token: {failure.cause}")

    async def _ask(self, endpoint: str) -> Fetched:
        """The answer; when the token is refused, the answer to another one."""
        token = await self._tokens.token()
        answer = await self._fetcher.get(endpoint, {"Authorization": f"Bearer {token}"})
        if answer.status != _UNAUTHORIZED:
            return answer
        token = await self._tokens.token_instead_of(token)
        return await self._fetcher.get(endpoint, {"Authorization": f"Bearer {token}"})


def evaluated(answer: Fetched) -> ConditionAnswer:
    """What an answer means: only a JSON object with a boolean `sendNotification` decides. Source: spec 08, 7."""
    if not answer.is_success:
        return ConditionAnswer(Condition.INCONCLUSIVE, f"status {answer.status}")
    if not answer.body.strip():
        return ConditionAnswer(Condition.INCONCLUSIVE, "empty answer")
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ConditionAnswer(Condition.INCONCLUSIVE, "not JSON")
    decision = content.get("sendNotification") if isinstance(content, dict) else None
    if not isinstance(decision, bool):
        return ConditionAnswer(Condition.INCONCLUSIVE, "no boolean sendNotification")
    return ConditionAnswer(Condition.MET if decision else Condition.NOT_MET)
