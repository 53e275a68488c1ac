"""What happened to an order and to each of its messages, told in plain words. Pure: rows in, lines out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.events import Kind
from altinn_notifications.lifecycle import BORN_FINAL, Channel, OrderStatus, OrderType
from altinn_notifications.tracking.plain_words import (
    Tone,
    counted,
    order_words,
    oslo_moment,
    reason_words,
    result_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from altinn_notifications.tracking.history import FeedNote, Happening, History, MessageFacts, OrderFacts


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline; it names no address and no person."""

    at: datetime
    title: str
    explanation: str
    tone: Tone


_CHANNELS: Final[Mapping[str, str]] = {
    "Email": "an email",
    "Sms": "an SMS",
    "EmailPreferred": "an email, or an SMS where there is no email address",
    "SmsPreferred": "an SMS, or an email where there is no mobile number",
    "EmailAndSms": "an email and an SMS",
}
_REPORTERS: Final[Mapping[str, str]] = {
    "ACS": "the mail provider",
    "SMS_GATEWAY": "the SMS gateway",
    "SMTP": "the mail server",
    "EMAIL_CAPTURE": "the mailbox that captures mail",
}
_PROVIDERS: Final[Mapping[str, str]] = {
    "smtp": "The mail server",
    "link": "The SMS gateway",
    "acs": "ACS",
    "email-capture": "The mailbox that captures mail",
    "sms-capture": "The gateway that captures SMS",
}
MILLISECONDS_SHOWN: Final = timedelta(seconds=10)


def order_timeline(history: History) -> list[Entry]:
    """What happened to the order as a whole, oldest first."""
    entries = [_registered(history.order)]
    entries += _told(history.happenings, _ORDER_LINES, None)
    if history.order.status == OrderStatus.COMPLETED:
        entries.append(_completed(history))
    if history.feed is not None:
        entries.append(_announced(history.feed, history.order.creator))
    return _in_order(entries)


def message_timeline(history: History, message: MessageFacts) -> list[Entry]:
    """What happened to one message of the order, oldest first."""
    lines = _MESSAGE_LINES[message.channel]
    entries = [_made(message), *_told(history.happenings, lines, message)]
    entries += [
        _unmatched(report.received) for report in history.reports if _is_about(report.provider_reference, message)
    ]
    return _in_order(entries)


def next_step(message: MessageFacts, *, now: datetime) -> str | None:
    """What a message waits for at `now`, in a sentence; None when its result is final."""
    if message.result == "New":
        return _turn(message)
    if message.result == "Sending":
        return _sending(message, now)
    if message.result in {"Succeeded", "Accepted"}:
        return f"A delivery report is awaited until {oslo_moment(message.expiry)}."
    return None


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.at)


def _registered(order: OrderFacts) -> Entry:
    what = _CHANNELS.get(order.channel, order.channel)
    if order.type is OrderType.Instant:
        return Entry(order.created, "Registered", f"{order.creator} ordered {what}, to be sent at once.", Tone.NEUTRAL)
    when = oslo_moment(order.requested_send_time)
    return Entry(order.created, "Registered", f"{order.creator} ordered {what}, to be sent {when}.", Tone.NEUTRAL)


def _completed(history: History) -> Entry:
    words = order_words(OrderStatus.COMPLETED, messages=history.message_count, failed=history.failed_count)
    return Entry(history.order.last_change, words.title, words.meaning, words.tone)


def _announced(feed: FeedNote, creator: str) -> Entry:
    number = "within seconds" if feed.sequence_number is None else f"as entry {feed.sequence_number}"
    text = f"{creator} finds the order's end in its status feed {number}."
    return Entry(feed.created, "In the status feed", text, Tone.NEUTRAL)


def _made(message: MessageFacts) -> Entry:
    words = result_words(message.channel, message.result)
    why = reason_words(message.channel, message.reason)
    if message.result in BORN_FINAL:
        return Entry(message.created, words.title, why or words.meaning, words.tone)
    if message.result == "Failed_TTL" and message.result_time == message.created:
        text = "The order was closed at its deadline, so this was never sent."
        return Entry(message.created, "Never sent", text, Tone.BAD)
    text = why or f"The {_noun(message.channel)} was written for its recipient."
    return Entry(message.created, "Made", text, Tone.NEUTRAL)


def _unmatched(received: datetime) -> Entry:
    text = "It has been stored and is matched with this message next."
    return Entry(received, "Delivery report received", text, Tone.ACTIVE)


def _is_about(reference: str, message: MessageFacts) -> bool:
    return reference == message.provider_reference


def _turn(message: MessageFacts) -> str:
    if message.lane == "sms-daytime":
        return "It waits for its turn; SMS of this order leave only in the daytime, by the clocks of Oslo."
    return "It waits for its turn."


def _sending(message: MessageFacts, now: datetime) -> str:
    if message.attempt_open:
        return "The provider is being asked to take it."
    if message.poll_at is not None:
        return "Its provider has it and is asked again soon how it went."
    if message.wake_at is None and message.outcome_unknown:
        return f"Nobody knows whether it was sent, and it is not repeated; it ends {oslo_moment(message.expiry)}."
    if message.wake_at is not None and message.deferrals and message.wake_at > now:
        return f"The next attempt is due {oslo_moment(message.wake_at)}."
    return "A worker has taken it and is about to send it."


Line = tuple[str, str, Tone]


def _told(
    happenings: Iterable[Happening], lines: Mapping[str, Callable[[Details], Line]], message: MessageFacts | None
) -> Iterable[Entry]:
    about = None if message is None else message.id
    for happening in happenings:
        if happening.notification_id == about:
            tell = lines.get(happening.kind, _unknown_kind(happening.kind))
            title, explanation, tone = tell(Details(happening))
            yield Entry(happening.at, title, explanation, tone)


class Details:
    """What an event says about itself; whatever is missing reads as a shrug rather than an error."""

    def __init__(self, happening: Happening) -> None:
        self._at = happening.at
        self._detail = happening.detail

    def __getitem__(self, name: str) -> str:
        value = self._detail.get(name)
        return "?" if value is None else str(value)

    def moment(self, name: str) -> str:
        """A moment of the detail, on the clocks of Oslo."""
        parsed = _moment(self._detail.get(name))
        return "?" if parsed is None else oslo_moment(parsed)

    @property
    def number(self) -> int:
        """How many notifications were made."""
        value = self._detail.get("notifications")
        return value if isinstance(value, int) else 0

    @property
    def attempt(self) -> str:
        """Which attempt it was, and how long it took."""
        started = _moment(self._detail.get("started"))
        took = "" if started is None else f" after {_duration(self._at - started)}"
        return f"attempt {self['attempt']}{took}"

    @property
    def provider(self) -> str:
        """Who was asked to take the message."""
        return _PROVIDERS.get(self["provider"], self["provider"])

    @property
    def reporter(self) -> str:
        """Who sent the delivery report."""
        return _REPORTERS.get(self["provider"], self["provider"])


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _duration(duration: timedelta) -> str:
    if duration < MILLISECONDS_SHOWN:
        return f"{max(0, round(duration / timedelta(milliseconds=1)))} ms"
    return f"{round(duration.total_seconds())} s"


def _noun(channel: Channel) -> str:
    return "email" if channel is Channel.EMAIL else "SMS"


def _unknown_kind(kind: str) -> Callable[[Details], Line]:
    return lambda _: (kind, "", Tone.NEUTRAL)


_ORDER_LINES: Final[Mapping[str, Callable[[Details], Line]]] = {
    Kind.ORDER_PROCESSED: lambda d: (
        "Recipients found",
        f"Their addresses were looked up, and {counted(d.number)} made."
        if d.number
        else "There was nobody to write to.",
        Tone.NEUTRAL,
    ),
    Kind.ORDER_RETRY_SCHEDULED: lambda d: (
        "Processing postponed",
        f"Something it depends on gave no answer ({d['reason']}). It is tried once more {d.moment('at')}.",
        Tone.CAUTION,
    ),
    Kind.ORDER_RETURNED: lambda d: (
        "Put back",
        f"Again there was no answer ({d['reason']}). The order starts from the beginning.",
        Tone.CAUTION,
    ),
    Kind.ORDER_TAKEN_OVER: lambda d: (
        "Taken over",
        f"The worker that held the order went silent, so another one goes on (claim {d['claim']}).",
        Tone.CAUTION,
    ),
    Kind.ORDER_FAILED: lambda d: (
        "Processing failed",
        f"An error that nobody foresaw ({d['error']}). It is tried again {d.moment('at')}.",
        Tone.BAD,
    ),
    Kind.ORDER_CLOSED: lambda d: (
        "Closed at its deadline",
        f"It could not be processed before {d.moment('deadline')}; nothing of it was sent.",
        Tone.BAD,
    ),
    Kind.ORDER_CANCELLED: lambda _: ("Cancelled", "Its owner cancelled it in time, so nothing is sent.", Tone.NEUTRAL),
    Kind.CONDITION_NOT_MET: lambda _: (
        "Condition not met",
        "Its owner's condition said no, so nothing is sent.",
        Tone.NEUTRAL,
    ),
}


_NOT_REPEATED: Final = {
    "hold": "It is not repeated, as its owner decided.",
    "end": "It was meant for that moment, so it is not repeated.",
    "aside": "It has probably been sent, so it is not repeated unless an operator asks for it.",
    "ask": "It is asked for under its own id.",
    "over": "There was no time left to repeat it.",
}


def _message_lines(channel: Channel) -> Mapping[str, Callable[[Details], Line]]:
    repeated = (
        "It is sent again under the same id, so that the receiver can recognise a repeat."
        if channel is Channel.EMAIL
        else "It is sent again; the recipient may get it twice."
    )
    return {
        Kind.SEND_ACCEPTED: lambda d: ("Handed over", f"{d.provider} took it at {d.attempt}.", Tone.ACTIVE),
        Kind.SEND_REFUSED: lambda d: (
            f"Refused: {result_words(channel, d['result']).title.lower()}",
            f"{d.provider} will never take it ({d.attempt}: {d['reason']}).",
            Tone.BAD,
        ),
        Kind.SEND_DEFERRED: lambda d: (
            "Not taken yet",
            f"{d.provider} did not take it now ({d.attempt}: {d['reason']}). It is tried again {d.moment('at')}.",
            Tone.CAUTION,
        ),
        Kind.SEND_RETURNED: lambda d: (
            "Back in the queue",
            f"{d.provider} takes nothing now ({d.attempt}: {d['reason']}). Next try {d.moment('pausedUntil')}.",
            Tone.CAUTION,
        ),
        Kind.SEND_UNKNOWN: lambda d: (
            "Outcome unknown",
            f"Nobody knows whether {d.provider} took it ({d.attempt}: {d['reason']}). "
            + _NOT_REPEATED.get(d["next"], repeated),
            Tone.CAUTION,
        ),
        Kind.RETRY_REQUESTED: lambda _: (
            "Sent again by hand",
            "An operator asked for another try at once.",
            Tone.NEUTRAL,
        ),
        Kind.ATTACHMENTS_DEFERRED: lambda d: (
            "Attachments not available yet",
            f"They could not be fetched now ({d['reason']}). It is tried again {d.moment('at')}.",
            Tone.CAUTION,
        ),
        Kind.ATTACHMENTS_REFUSED: lambda d: (
            f"Not sent: {result_words(channel, d['result']).title.lower()}",
            f"Its attachments could not be fetched or sent ({d['reason']}).",
            Tone.BAD,
        ),
        Kind.OPERATION_SUCCEEDED: lambda d: ("On its way", f"{d.provider} has sent it on.", Tone.ACTIVE),
        Kind.OPERATION_FAILED: lambda d: (
            f"Not sent: {result_words(channel, d['result']).title.lower()}",
            f"{d.provider} took it and then could not send it ({d['reason']}).",
            Tone.BAD,
        ),
        Kind.OPERATION_RETURNED: lambda d: (
            "Back in the queue",
            f"{d.provider} took it and then did not send it ({d['reason']}). It is handed over once more.",
            Tone.CAUTION,
        ),
        Kind.REPORT_APPLIED: lambda d: (
            result_words(channel, d["result"]).title,
            f"So {d.reporter} reported. {result_words(channel, d['result']).meaning}",
            result_words(channel, d["result"]).tone,
        ),
        Kind.REPORT_IGNORED: lambda d: (
            "Delivery report ignored",
            f"It said {result_words(channel, d['result']).title.lower()}, but {d['reason']}.",
            Tone.NEUTRAL,
        ),
        Kind.DELIVERED_WITHOUT_REPORT: lambda _: (
            "Counted as delivered",
            "No mail server sent it back within the time in which that usually happens.",
            Tone.GOOD,
        ),
        Kind.TERMINATED: lambda d: (
            "Given up",
            f"Its time ran out while it was {result_words(channel, d['was']).title.lower()}.",
            Tone.BAD,
        ),
    }


_MESSAGE_LINES: Final = {channel: _message_lines(channel) for channel in Channel}
