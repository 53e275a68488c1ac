"""Which SMS are real outside production: only those to the numbers of a list (spec 13, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altinn_notifications.channels.magic import as_international

if TYPE_CHECKING:
    from collections.abc import Collection

    from altinn_notifications.channels.protocol import Outcome, OutgoingSms, SmsProvider


class AllowListed:
    """A gateway that only the listed numbers reach; what is for others is captured and looks delivered.

    It goes by the gateway's name, because a test of the service is to meet the same in both cases.
    """

    def __init__(self, gateway: SmsProvider, capture: SmsProvider, allow_list: Collection[str]) -> None:
        self.name = gateway.name
        self._gateway, self._capture = gateway, capture
        self._allow_list = frozenset(allow_list)

    async def send(self, sms: OutgoingSms) -> Outcome:
        """Hand one SMS to the gateway or to the capture."""
        is_listed = as_international(sms.mobile_number) in self._allow_list
        return await (self._gateway if is_listed else self._capture).send(sms)

    async def close(self) -> None:
        """Let go of connections."""
        await self._gateway.close()
        await self._capture.close()
