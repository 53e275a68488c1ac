"""SMS that the service captured instead of sending them: the phones show them too (spec 13, 2)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
import structlog

from altinn_notifications.simulator.outbox import Report
from altinn_notifications.simulator.phones import Sms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altinn_notifications.settings import Settings
    from altinn_notifications.simulator.state import SimulatorState

_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger()


def captures_sms(settings: Settings) -> bool:
    """Whether the service beside the local platform keeps SMS to itself."""
    return bool(settings.sms.allow_list) or "capture" in settings.sms.providers


class CapturedSms:
    """Asks the service what it captured, again and again."""

    def __init__(self, service_url: str, http: httpx.AsyncClient, state: SimulatorState) -> None:
        self._url = f"{service_url.rstrip('/')}/notifications/api/v1/tests/captured/sms"
        self._http, self._state = http, state

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                self.show(await self._ask())
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                log.info("captured_sms_not_known", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self) -> Sequence[Mapping[str, Any]]:
        answer = await self._http.get(self._url)
        messages: list[dict[str, Any]] = answer.raise_for_status().json()["messages"]
        return messages

    def show(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Put `messages`, of which the newest is the first, on their phones."""
        for message in reversed(messages):
            sms = self._state.phones.find_by_reference(message["reference"])
            if sms is None:
                sms = self._new(message)
                self._state.phones.add(sms)
            self._tell(sms, message["reports"])

    def _tell(self, sms: Sms, reports: Sequence[Mapping[str, Any]]) -> None:
        """Reports by hand stand after those of the service."""
        known = [_report(sms, report) for report in reports]
        shown = sms.reports[: len(known)]
        if [(report.state, report.sent_at) for report in shown] != [(report.state, report.sent_at) for report in known]:
            sms.reports = (*known, *sms.reports[len(known) :])
            self._state.phones.changes += 1

    def _new(self, message: Mapping[str, Any]) -> Sms:
        return Sms(
            id=self._state.phones.next_id(),
            address=message["recipient"],
            reference=message["reference"],
            sender=message["sender"],
            text=message["text"],
            time_to_live_minutes=message["timeToLiveMinutes"],
            received_at=datetime.fromisoformat(message["captured"]),
        )


def _report(sms: Sms, report: Mapping[str, Any]) -> Report:
    sent = report["sentAt"]
    return Report(
        sms.reference,
        sms.address,
        report["state"],
        datetime.fromisoformat(report["dueAt"]),
        sent_at=datetime.fromisoformat(sent) if sent else None,
    )
