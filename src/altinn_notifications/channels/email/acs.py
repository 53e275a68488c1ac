"""Email through Azure Communication Services, over its REST operations (spec 09, 3 and 4)."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from altinn_notifications.channels.connections import NOTHING_WAS_SENT, KeptConnections, retry_after
from altinn_notifications.channels.email.acs_replies import (
    REPEATED_STATUSES,
    lookup_outcome,
    poll_outcome,
    submission_outcome,
)
from altinn_notifications.channels.email.acs_signing import Account, signed_headers
from altinn_notifications.channels.protocol import Deferred, Refused, Scope, Unfinished, Unknown
from altinn_notifications.clock import unturned
from altinn_notifications.lifecycle import EmailResult
from altinn_notifications.settings import Contradiction

if TYPE_CHECKING:
    from altinn_notifications.channels.connections import HttpAnswer
    from altinn_notifications.channels.protocol import Outcome, OutgoingEmail, PollOutcome
    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import AcsSettings

_REPEATS: Final = 3
_LONGEST_WAIT: Final = timedelta(seconds=10)
"""A wish to wait longer than this is for the next attempt: a call must not keep others from being made."""
_NOT_REACHABLE: Final = "the provider is not reachable"
_NO_ANSWER: Final = "the provider gave no answer"


class NoAnswer(Exception):
    """Every try of a call ended without an answer; `may_have_arrived` unless all of them failed to connect."""

    def __init__(self, *, may_have_arrived: bool) -> None:
        super().__init__(_NO_ANSWER if may_have_arrived else _NOT_REACHABLE)
        self.may_have_arrived = may_have_arrived


class AcsProvider:
    """Submits mail under our own operation ids, and asks what became of it."""

    name = "acs"

    def __init__(self, settings: AcsSettings, clock: Clock) -> None:
        """Raises `Contradiction` when nobody has said where and who we are."""
        if settings.connection_string is None:
            raise Contradiction("NOTIFICATIONS_ACS_CONNECTION_STRING: the email provider acs needs it")
        self._account = Account.parse(settings.connection_string.get_secret_value())
        self._clock = unturned(clock)  # it is told, and compares, when a request was made
        self._retry_seconds = settings.retry_delay_ms / 1000
        self._query = httpx.QueryParams({"api-version": settings.api_version})
        self._connections = KeptConnections(settings.timeout_seconds)

    async def send(self, email: OutgoingEmail) -> Outcome:
        """Hand one mail over. One that may have arrived before is asked for first. Source: spec 09, 3.1."""
        if (refusal := refusal_of(email)) is not None:
            return refusal
        if email.may_have_arrived and (known := await self._look_up(str(email.operation_id))) is not None:
            return known
        return await self._submit(email)

    async def poll(self, reference: str) -> PollOutcome:
        """Ask how it went with a mail that was taken. Source: spec 09, 4."""
        try:
            answer, _ = await self._call("GET", _operation(reference))
        except NoAnswer as failure:
            return Unfinished(trouble=str(failure))
        return poll_outcome(answer, reference=reference, now=self._clock.now())

    async def close(self) -> None:
        """Let go of connections."""
        await self._connections.close()

    async def _look_up(self, reference: str) -> Outcome | None:
        try:
            answer, _ = await self._call("GET", _operation(reference))
        except NoAnswer as failure:
            return Unknown(f"asked what became of it: {failure}")
        return lookup_outcome(answer, reference=reference, now=self._clock.now())

    async def _submit(self, email: OutgoingEmail) -> Outcome:
        # Megabytes become base64 in a thread, so that other mails go on meanwhile.
        body = await asyncio.to_thread(body_of, email) if email.attachments else body_of(email)
        reference = str(email.operation_id)
        try:
            answer, in_doubt = await self._call("POST", "/emails:send", body, operation_id=reference)
        except NoAnswer as failure:
            if failure.may_have_arrived:
                return Unknown(str(failure), Scope.PROVIDER)
            return Deferred(Scope.PROVIDER, str(failure))
        is_repeat = email.may_have_arrived or in_doubt
        outcome = submission_outcome(answer, reference=reference, is_repeat=is_repeat, now=self._clock.now())
        return _doubtful(outcome) if in_doubt else outcome

    async def _call(
        self, method: str, path: str, body: bytes = b"", *, operation_id: str | None = None
    ) -> tuple[HttpAnswer, bool]:
        """One call with its repeats: the last answer, and whether a try before it may have done what was asked.

        Raises `NoAnswer` when the last try had none. Source: spec 09, 3.3.
        """
        may_have_arrived = False
        for tries in range(1, _REPEATS + 2):
            wish = None
            try:
                answer = await self._exchange(method, path, body, operation_id)
            except httpx.TransportError as error:
                may_have_arrived |= not isinstance(error, NOTHING_WAS_SENT)
                if tries > _REPEATS:
                    raise NoAnswer(may_have_arrived=may_have_arrived) from None
            else:
                wish = retry_after(answer, self._clock.now())
                if answer.status not in REPEATED_STATUSES or tries > _REPEATS or (wish and wish > _LONGEST_WAIT):
                    return answer, may_have_arrived
                may_have_arrived = True
            await asyncio.sleep(wish.total_seconds() if wish else self._pause(tries))
        raise AssertionError("the last try returns or raises")

    def _pause(self, tries: int) -> float:
        return self._retry_seconds * (1 << tries - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret

    async def _exchange(self, method: str, path: str, body: bytes, operation_id: str | None) -> HttpAnswer:
        url = httpx.URL(self._account.endpoint + path, params=self._query)
        signed = signed_headers(self._account.key, method, url, body, at=self._clock.now())
        headers = {"Accept": "application/json", **signed}
        if operation_id is not None:
            headers |= {"Content-Type": "application/json", "Operation-Id": operation_id}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        return await self._connections.exchange(method, url, pairs, body)


def _doubtful(outcome: Outcome) -> Outcome:
    """The outcome of a repeat, when nobody knows what came of the tries before it: put off is not refused."""
    if isinstance(outcome, Deferred):
        return Unknown(outcome.detail, outcome.scope, outcome.retry_after, misconfigured=outcome.misconfigured)
    return outcome


def refusal_of(email: OutgoingEmail) -> Refused | None:
    """Why a mail is not submitted at all: what the vendor's library refuses too. Source: spec 09, 3.2."""
    if not email.to_address.strip():
        return Refused(EmailResult.INVALID_EMAIL_FORMAT, "it has no recipient")
    for name, text in (("sender", email.from_address), ("subject", email.subject), ("text", email.body)):
        if not text.strip():
            return Refused(EmailResult.FAILED, f"it has no {name}")
    if not all(attachment.content for attachment in email.attachments):
        return Refused(EmailResult.FAILED, "an attachment is empty")
    return None


def body_of(email: OutgoingEmail) -> bytes:
    """The JSON of a submission. Source: spec 09, 3.1."""
    document: dict[str, Any] = {
        "senderAddress": email.from_address,
        "recipients": {"to": [{"address": email.to_address}]},
        "content": {"subject": email.subject, "html" if email.is_html else "plainText": email.body},
    }
    if email.attachments:
        document["attachments"] = [
            {
                "name": attachment.filename,
                "contentType": attachment.mime_type,
                "contentInBase64": base64.b64encode(attachment.content).decode(),
            }
            for attachment in email.attachments
        ]
    return json.dumps(document, separators=(",", ":")).encode()


def _operation(reference: str) -> str:
    return f"/emails/operations/{quote(reference, safe='')}"
