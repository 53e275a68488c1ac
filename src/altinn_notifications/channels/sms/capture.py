"""The capture gateway: keeps SMS instead of sending them; magic numbers choose their reports (spec 10, 12)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from altinn_notifications.channels.capture import CapturedMessage, PlannedReport
from altinn_notifications.channels.magic import as_international, plan_for_sms
from altinn_notifications.channels.protocol import Accepted, Deferred, Scope, Unknown
from altinn_notifications.channels.sms.gateway_xml import refusal_of, validity_minutes
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.lifecycle import Channel

if TYPE_CHECKING:
    from altinn_notifications.channels.capture import CaptureStore
    from altinn_notifications.channels.magic import SmsPlan
    from altinn_notifications.channels.protocol import Outcome, OutgoingSms
    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import SmsSettings


class SmsCapture:
    """Takes SMS over like a gateway. Nobody receives them."""

    name = "sms-capture"

    def __init__(self, settings: SmsSettings, store: CaptureStore, clock: Clock) -> None:
        self._delay = timedelta(seconds=settings.capture_delivery_delay_seconds)
        self._store, self._clock = store, clock

    async def send(self, sms: OutgoingSms) -> Outcome:
        """Keep one SMS, unless its number asks for something else. Source: spec 13, 14."""
        plan = plan_for_sms(sms.mobile_number)
        if plan.refusal:
            return refusal_of(f"{plan.refusal} '{sms.mobile_number}'.")
        if plan.is_silent:
            return Unknown("the capture gateway gives no answer to this number")
        try:
            return await self._take(sms, plan)
        except DatabaseUnavailable:
            return Unknown("the capture gateway's store did not answer")

    async def close(self) -> None:
        """Nothing is open."""

    async def _take(self, sms: OutgoingSms, plan: SmsPlan) -> Outcome:
        now, number = self._clock.now(), as_international(sms.mobile_number)
        if plan.unavailable and await self._store.refuse("sms", number, sms.body, times=plan.unavailable, now=now):
            return Deferred(Scope.MESSAGE, "the capture gateway answered HTTP 503")
        reference = str(uuid4()).upper()
        planned = [PlannedReport(word, now + turn * self._delay) for turn, word in enumerate(plan.reports, start=1)]
        message = {"sender": sms.sender, "text": sms.body, "timeToLiveMinutes": validity_minutes(sms.validity)}
        await self._store.keep(CapturedMessage(Channel.SMS, reference, number, now, message, planned))
        return Accepted(reference)
