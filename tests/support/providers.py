"""A provider that does as it is told: the outcomes are a test's, the protocol is the real one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.protocol import Accepted, OutgoingEmail, OutgoingSms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from altinn_notifications.channels.protocol import Outcome


class ScriptedProvider:
    """Answers with the given outcomes in turn, then accepts everything."""

    def __init__(self, name: str, outcomes: Iterable[Outcome] = ()) -> None:
        self.name = name
        self.outcomes = deque(outcomes)
        self.sent: list[Any] = []
        self.called = asyncio.Event()
        self.hang: asyncio.Event | None = None
        """While set to an unset event, calls wait for it."""

    async def send(self, message: OutgoingEmail | OutgoingSms) -> Outcome:
        """Take one message."""
        self.sent.append(message)
        self.called.set()
        if self.hang is not None:
            await self.hang.wait()
        if self.outcomes:
            return self.outcomes.popleft()
        if isinstance(message, OutgoingEmail):
            return Accepted(str(message.operation_id))
        return Accepted(f"ref-{message.notification_id}")

    async def close(self) -> None:
        """Nothing is open."""
