"""What the answers of Azure Communication Services mean (spec 09, 3.4, 3.5 and 4). Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.channels.connections import bounded_wait, retry_after
from altinn_notifications.channels.protocol import (
    Accepted,
    Deferred,
    NotSent,
    Refused,
    Scope,
    Unfinished,
    Unknown,
)
from altinn_notifications.lifecycle import EmailResult

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from altinn_notifications.channels.connections import HttpAnswer
    from altinn_notifications.channels.protocol import Outcome, PollOutcome

TOO_MANY_REQUESTS: Final = "TooManyRequests"
ALL_RECIPIENTS_SUPPRESSED: Final = "EmailDroppedAllRecipientsSuppressed"
INVALID_ADDRESS: Final = "Invalid format for email address"

REPEATED_STATUSES: Final = frozenset({408, 500, 502, 503, 504})
"""What one call repeats by itself. A 429 is not among them (spec 09, 3.3)."""
_NOT_LET_IN: Final = frozenset({401, 403})
_TOO_MANY: Final = 429
_CONFLICT: Final = 409
_TOO_LARGE: Final = 413
_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = range(500, 600)
_SUCCESS: Final = range(200, 300)
_SECONDS_IN_TEXT: Final = re.compile(r"(\d{1,9}) seconds", re.ASCII)
_UNREADABLE: Final = "an answer that cannot be read"
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")


@dataclass(frozen=True, slots=True, repr=False)
class AcsError:
    """What an answer says went wrong. `text` is all of it and may name people: it is searched, never shown."""

    code: str
    text: str


def submission_outcome(answer: HttpAnswer, *, reference: str, is_repeat: bool, now: datetime) -> Outcome:
    """What became of a submission under our id `reference`; `is_repeat` if that id was sent before.

    First match wins, row by row of the table. Source: spec 09, 3.1 and 3.4.
    """
    if answer.status in _SUCCESS:
        return _accepted(answer)
    if answer.status == _CONFLICT and is_repeat:
        return Accepted(reference, is_final=False)
    error = _error_of(answer)
    detail, permanent = _detail(answer, error), _permanent_result(error)
    if error.code == TOO_MANY_REQUESTS or answer.status == _TOO_MANY:
        return Deferred(Scope.PROVIDER, detail, _wish(answer, error, now))
    if answer.status in _NOT_LET_IN:
        return Deferred(Scope.PROVIDER, detail, misconfigured=True)
    if answer.status in _SERVER_ERRORS and permanent is None:
        return Unknown(detail, Scope.PROVIDER, _wish(answer, error, now))
    too_large = EmailResult.PAYLOAD_TOO_LARGE if answer.status == _TOO_LARGE else None
    return Refused(permanent or too_large or EmailResult.FAILED, detail)


def poll_outcome(answer: HttpAnswer, *, reference: str, now: datetime) -> PollOutcome:
    """What an answer about the operation `reference` says of the mail. An HTTP error says nothing.

    Source: spec 09, 4.
    """
    if answer.status not in _SUCCESS:
        return _no_news(answer, now)
    operation = _object(answer.body)
    status = operation.get("status")
    if not isinstance(status, str):
        return Unfinished(trouble=_UNREADABLE)
    if status == "Succeeded":
        return Accepted(reference)
    if status in {"Failed", "Canceled"}:
        return _ended(status, _error_in(operation, answer.body))
    return Unfinished()  # a word that we have never heard is not an end either


def lookup_outcome(answer: HttpAnswer, *, reference: str, now: datetime) -> Outcome | None:
    """Whether a submission of unknown outcome was taken; None: it never arrived. Source: spec 09, 3.1."""
    if answer.status == _NOT_FOUND:
        return None
    if answer.status not in _SUCCESS:
        detail = f"asked what became of it: {_detail(answer, _error_of(answer))}"
        if answer.status in _NOT_LET_IN:
            return Unknown(detail, Scope.PROVIDER, misconfigured=True)
        return Unknown(detail, retry_after=retry_after(answer, now))
    if isinstance(_object(answer.body).get("status"), str):
        return Accepted(reference, is_final=False)
    return Unknown(f"asked what became of it: {_UNREADABLE}")


def _wish(answer: HttpAnswer, error: AcsError, now: datetime) -> timedelta | None:
    """The wait after a temporary failure: of a 429 only the header counts, of others what the text names."""
    if answer.status == _TOO_MANY:
        return retry_after(answer, now)
    named = _SECONDS_IN_TEXT.search(error.text)
    return bounded_wait(int(named[1])) if named else None


def _accepted(answer: HttpAnswer) -> Outcome:
    operation_id = _object(answer.body).get("id")
    if not isinstance(operation_id, str) or not operation_id.strip():
        return Unknown(f"HTTP {answer.status} without an operation id")
    return Accepted(operation_id.strip(), is_final=False)


def _ended(status: str, error: AcsError) -> PollOutcome:
    detail = f"{status}: {_shown(error.code)}"
    if error.code == TOO_MANY_REQUESTS:
        return NotSent(detail)
    return Refused(_permanent_result(error) or EmailResult.FAILED, detail)


def _permanent_result(error: AcsError) -> EmailResult | None:
    """The results that an error's words stand for, whatever the status."""
    if error.code == ALL_RECIPIENTS_SUPPRESSED:
        return EmailResult.SUPPRESSED_RECIPIENT
    return EmailResult.INVALID_EMAIL_FORMAT if INVALID_ADDRESS in error.text else None


def _no_news(answer: HttpAnswer, now: datetime) -> Unfinished:
    trouble = _detail(answer, _error_of(answer))
    return Unfinished(retry_after(answer, now), trouble, misconfigured=answer.status in _NOT_LET_IN)


def _error_of(answer: HttpAnswer) -> AcsError:
    error = _error_in(_object(answer.body), answer.body)
    return error if error.code else AcsError(answer.headers.get("x-ms-error-code", ""), error.text)


def _error_in(document: dict[str, Any], body: bytes) -> AcsError:
    error = document.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return AcsError(code if isinstance(code, str) else "", body.decode(errors="replace"))


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _detail(answer: HttpAnswer, error: AcsError) -> str:
    return f"HTTP {answer.status} {_shown(error.code)}".rstrip()


def _shown(code: str) -> str:
    """An error's code; other text could name somebody."""
    return code if _CODE.fullmatch(code) else ""
