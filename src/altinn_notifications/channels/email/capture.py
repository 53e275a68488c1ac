"""The capture mailbox: keeps mail instead of sending it, and answers as the magic words say (spec 09, 8.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.channels.capture import CapturedMessage, PlannedReport
from altinn_notifications.channels.email.smtp_replies import Phase, Reply, outcome_of
from altinn_notifications.channels.magic import Stage, plan_for_email
from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unfinished, Unknown
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.lifecycle import Channel, EmailResult

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.channels.capture import CaptureStore, Receipt
    from altinn_notifications.channels.magic import EmailPlan, Refusal
    from altinn_notifications.channels.protocol import Outcome, OutgoingEmail, PollOutcome
    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import EmailSettings

_SUPPRESSED: Final = "Suppressed"
_PHASES: Final = {Stage.RECIPIENT: Phase.RCPT, Stage.FINAL_DOT: Phase.CONTENT}
_RATE_LIMIT_PAUSE: Final = timedelta(seconds=5)
_AWAY: Final = "the capture mailbox's store did not answer"


class EmailCapture:
    """Takes mail over like a provider that is polled. Nobody receives it."""

    name = "email-capture"

    def __init__(self, settings: EmailSettings, store: CaptureStore, clock: Clock) -> None:
        self._delay = timedelta(seconds=settings.capture_delivery_delay_seconds)
        self._store, self._clock = store, clock

    async def send(self, email: OutgoingEmail) -> Outcome:
        """Keep one mail, unless its address asks for something else. The reference is its operation id."""
        refusal, now, reference = plan_for_email(email.to_address).refusal, self._clock.now(), str(email.operation_id)
        try:
            if refusal is not None and await self._refuses(email, refusal, now):
                return _outcome_of_refusal(refusal)
            message = _as_json(email)
            await self._store.keep(
                CapturedMessage(Channel.EMAIL, reference, email.to_address, now, message, files=email.attachments)
            )
        except DatabaseUnavailable:
            return Unknown(_AWAY)
        return Accepted(reference, is_final=False)

    async def poll(self, reference: str) -> PollOutcome:
        """What became of a mail that it took. Its report is planned the first time that this is a success."""
        try:
            receipt = await self._store.find(Channel.EMAIL, reference)
            if receipt is None:
                return Unfinished(trouble="the capture mailbox does not know the mail any more")
            return await self._ended(receipt, plan_for_email(receipt.recipient))
        except DatabaseUnavailable:
            return Unfinished(trouble=_AWAY)

    async def close(self) -> None:
        """Nothing is open."""

    async def _refuses(self, email: OutgoingEmail, refusal: Refusal, now: datetime) -> bool:
        if refusal.times is None:
            return True
        same = ("email", email.to_address.lower(), email.subject)
        return await self._store.refuse(*same, times=refusal.times, now=now)

    async def _ended(self, receipt: Receipt, plan: EmailPlan) -> PollOutcome:
        if plan.is_endless:
            return Unfinished()
        if plan.report == _SUPPRESSED:
            return Refused(EmailResult.SUPPRESSED_RECIPIENT, "EmailDroppedAllRecipientsSuppressed")
        if plan.report is not None:
            due = self._clock.now() + self._delay
            if plan.report_after is not None:
                due = max(due, receipt.captured + plan.report_after)
            await self._store.plan(receipt, PlannedReport(plan.report, due))
        return Accepted(receipt.reference)


def _outcome_of_refusal(refusal: Refusal) -> Outcome:
    """The table's SMTP reply, read as a relay's would be; a limited rate comes with a time, as it does over HTTP."""
    code, text = refusal.reply.split(" ", 1)
    outcome = outcome_of(Reply(_PHASES[refusal.stage], int(code), text), reference="")
    if isinstance(outcome, Deferred) and outcome.scope is Scope.PROVIDER:
        return replace(outcome, retry_after=_RATE_LIMIT_PAUSE)
    return outcome


def _as_json(email: OutgoingEmail) -> dict[str, Any]:
    files = [
        {"filename": file.filename, "mimeType": file.mime_type, "size": len(file.content)} for file in email.attachments
    ]
    return {
        "sender": email.from_address,
        "subject": email.subject,
        "body": email.body,
        "contentType": "Html" if email.is_html else "Plain",
        "attachments": files,
    }
