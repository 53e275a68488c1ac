"""`/attention`: what waits for somebody who looks after it, with the buttons that do something about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import parse_qs
from uuid import UUID

from altinn_notifications.console.names import LANE_NAMES, short_id
from altinn_notifications.reports.dead import LARGEST_ID
from altinn_notifications.tracking.plain_words import oslo_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from altinn_notifications.reports.dead import DeadReport
    from altinn_notifications.reports.replay import Outcome
    from altinn_notifications.sending.waiting import Waiting

SHOWN_AT_MOST: Final = 100
LARGEST_FORM: Final = 64_000
_REASONS: Final[Mapping[str, str]] = {
    "RETRY_THRESHOLD_EXCEEDED": "No message has this reference",
    "NOTIFICATION_EXPIRED": "Came after its message had expired",
    "INVALID_DELIVERY_REPORT": "Makes no sense",
    "UNRECOGNIZED_SEND_RESULT": "Has a result that nobody knows",
    "INVALID_NOTIFICATION_IDENTIFIER": "Names no message",
}


@dataclass(frozen=True, slots=True, repr=False)
class ReportRow:
    """A dead delivery report in the table. What the provider said is not shown: it may hold addresses."""

    id: int
    source: str
    reason: str
    message: str
    since: datetime
    attempts: int


@dataclass(frozen=True, slots=True, repr=False)
class SendRow:
    """A message that waits, in the table."""

    id: UUID
    order_id: UUID
    name: str
    creator: str
    lane: str
    provider: str
    attempts: int
    next_try: str
    why: str


@dataclass(frozen=True, slots=True, repr=False)
class AttentionPage:
    """The page; `news` says what a button has done."""

    section: ClassVar[str] = "attention"
    title: ClassVar[str] = "Attention"
    most: ClassVar[int] = SHOWN_AT_MOST
    reports: tuple[ReportRow, ...]
    sends: tuple[SendRow, ...]
    news: str | None = None


def attention_page(reports: Sequence[DeadReport], sends: Sequence[Waiting], news: str | None = None) -> AttentionPage:
    """The page for what was found."""
    return AttentionPage(tuple(map(_report_row, reports)), tuple(map(_send_row, sends)), news)


async def chosen(request: Request) -> list[str]:
    """The values of `id` in the form that was sent; none of one that is larger than any of ours."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_FORM:
            return []
    return parse_qs(content.decode("utf-8", "replace")).get("id", [])


def report_ids(texts: Sequence[str]) -> list[int]:
    """The ids among `texts`."""
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and int(text) <= LARGEST_ID]


def message_ids(texts: Sequence[str]) -> list[UUID]:
    """The ids among `texts`."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def replay_news(outcomes: Mapping[int, Outcome]) -> str:
    """What has come of the reports that were tried again."""
    if not outcomes:
        return "No report was chosen."
    return " ".join(f"Report {report_id}: {outcome}." for report_id, outcome in outcomes.items())


def retry_news(number: int) -> str:
    """What has come of the messages that were to be tried again."""
    if number == 0:
        return "No message was chosen that still waits."
    return "One message is tried now." if number == 1 else f"{number} messages are tried now."


def _report_row(dead: DeadReport) -> ReportRow:
    return ReportRow(
        id=dead.id,
        source=dead.source.name.replace("_", " "),
        reason=_REASONS.get(dead.reason or "", dead.reason or ""),
        message=dead.message or "",
        since=dead.first_seen,
        attempts=dead.attempts,
    )


def _send_row(waiting: Waiting) -> SendRow:
    reason = waiting.reason or "No answer was recorded."
    return SendRow(
        id=waiting.notification_id,
        order_id=waiting.order_id,
        name=short_id(waiting.notification_id),
        creator=waiting.creator,
        lane=LANE_NAMES.get(waiting.lane, waiting.lane),
        provider=waiting.provider or "none yet",
        attempts=waiting.attempts,
        next_try="Held" if waiting.next_try is None else oslo_moment(waiting.next_try),
        why=f"{reason} The recipient may have it." if waiting.outcome_unknown else reason,
    )
