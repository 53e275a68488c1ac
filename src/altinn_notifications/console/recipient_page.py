"""The page that finds what was made for one person or organisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import parse_qs

from altinn_notifications.console.names import CHANNEL_NAMES, short_id
from altinn_notifications.lifecycle import Channel
from altinn_notifications.tracking.notices import Identity, Kind
from altinn_notifications.tracking.plain_words import Words, result_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from starlette.requests import Request

    from altinn_notifications.console.addresses import AddressBook
    from altinn_notifications.tracking.notices import Attempt, Notice

MESSAGES_AT_MOST: Final = 500
LARGEST_FORM: Final = 4_096
SPANS: Final[Mapping[int, str]] = {
    7: "Last 7 days",
    30: "Last 30 days",
    90: "Last 90 days",
    365: "Last year",
    3_652: "Last 10 years",
}
"""How far back one may look, by days."""
_KINDS: Final = {11: Kind.PERSON, 9: Kind.ORGANIZATION}
_NOT_A_NUMBER: Final = "Write the 11 digits of a national identity number or the 9 digits of an organisation number."


@dataclass(frozen=True, slots=True, repr=False)
class RecipientForm:
    """What was asked for. `days` is one of the spans; `identity` is None unless the number can be somebody's."""

    number: str
    days: int
    identity: Identity | None


@dataclass(frozen=True, slots=True, repr=False)
class AttemptLine:
    """A message of an order, in a table."""

    noun: str
    address: str
    status: Words
    result_time: datetime


@dataclass(frozen=True, slots=True, repr=False)
class NoticeRow:
    """An order in the table, with its messages to the one who was asked for."""

    id: UUID
    name: str
    type: str
    creator: str
    resource: str | None
    channel: str
    requested_send_time: datetime
    attempts: tuple[AttemptLine, ...]


@dataclass(frozen=True, slots=True, repr=False)
class RecipientPage:
    """`/recipients`: a form, and below it what was found if it was sent. `rows` is None as long as it was not."""

    section: ClassVar[str] = "recipients"
    title: ClassVar[str] = "Recipients"
    spans: ClassVar[Mapping[int, str]] = SPANS
    number: str
    days: int
    error: str | None = None
    whom: str | None = None
    rows: tuple[NoticeRow, ...] | None = None
    is_cut: bool = False
    """Whether only the newest messages are shown."""


EMPTY_PAGE: Final = RecipientPage("", 7)


async def read_form(request: Request) -> RecipientForm:
    """The form as it was sent; of one that is larger than any of ours, nothing."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_FORM:
            return RecipientForm("", EMPTY_PAGE.days, None)
    fields = {name: values[-1] for name, values in parse_qs(content.decode("utf-8", "replace")).items()}
    return recipient_form(fields.get("number", ""), fields.get("days", ""))


def recipient_form(number: str, days: str) -> RecipientForm:
    """What these fields ask for. Numbers may be written in groups, as people do."""
    digits = "".join(number.split())
    kind = _KINDS.get(len(digits)) if digits.isascii() and digits.isdecimal() else None
    span = next((span for span in SPANS if str(span) == days), EMPTY_PAGE.days)
    return RecipientForm(number.strip(), span, Identity(kind, digits) if kind else None)


def refused_page(form: RecipientForm) -> RecipientPage:
    """The page for a number that cannot be anybody's."""
    return RecipientPage(form.number, form.days, error=_NOT_A_NUMBER)


def recipient_page(
    form: RecipientForm, identity: Identity, notices: Sequence[Notice], book: AddressBook
) -> RecipientPage:
    """The page for what was found for `identity`."""
    person, organization = (identity.number, None) if identity.kind is Kind.PERSON else (None, identity.number)
    return RecipientPage(
        form.number,
        form.days,
        whom=book.identity(person, organization),
        rows=tuple(_row(notice, book) for notice in notices),
        is_cut=sum(len(notice.attempts) for notice in notices) >= MESSAGES_AT_MOST,
    )


def _row(notice: Notice, book: AddressBook) -> NoticeRow:
    return NoticeRow(
        id=notice.order_id,
        name=notice.senders_reference or short_id(notice.order_id),
        type=notice.type.name,
        creator=notice.creator,
        resource=notice.resource_id,
        channel=CHANNEL_NAMES.get(notice.channel, notice.channel),
        requested_send_time=notice.requested_send_time,
        attempts=tuple(_line(attempt, book) for attempt in notice.attempts),
    )


def _line(attempt: Attempt, book: AddressBook) -> AttemptLine:
    return AttemptLine(
        noun="Email" if attempt.channel is Channel.EMAIL else "SMS",
        address=book.address(attempt.destination),
        status=result_words(attempt.channel, attempt.result),
        result_time=attempt.result_time,
    )
