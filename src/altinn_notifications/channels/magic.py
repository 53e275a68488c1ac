"""The values a tester writes in an address or a number to choose what becomes of the message.

Pure tables, shared by the local platform, which expresses the chosen outcome in the provider's protocol, and by the
capture providers. Source: spec 13, 14 and 15; spec 09, 8.4; spec 10, 12.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

_REMEMBERED_ATTEMPTS: Final = 10_000


class Stage(Enum):
    """Where in an SMTP transaction a refusal is spoken."""

    RECIPIENT = "RCPT"
    FINAL_DOT = "final dot"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An SMTP reply instead of acceptance: to every attempt, or to the first `times` ones only."""

    stage: Stage
    reply: str
    times: int | None = None


@dataclass(frozen=True, slots=True)
class EmailPlan:
    """What becomes of one mail. `report` is the provider's word for the end, None when it never says."""

    ends_as: str
    report: str | None = "Delivered"
    refusal: Refusal | None = None
    is_endless: bool = False
    """Whether a provider that is asked how the submission went says for ever that it is not finished."""
    report_after: timedelta | None = None
    """Time from acceptance to report; None: as the settings say."""


EMAIL_BY_DEFAULT: Final = EmailPlan("Delivered")

EMAIL_WORDS: Final[Mapping[str, EmailPlan]] = {
    "bounced": EmailPlan("Failed_Bounced", "Bounced"),
    "filteredspam": EmailPlan("Failed_FilteredSpam", "FilteredSpam"),
    "quarantined": EmailPlan("Failed_Quarantined", "Quarantined"),
    "suppressed": EmailPlan("Failed_SupressedRecipient", "Suppressed"),
    "failed": EmailPlan("Failed", "Failed"),
    "expanded": EmailPlan("Failed", "Expanded"),
    "invalidformat": EmailPlan(
        "Failed_InvalidEmailFormat", None, Refusal(Stage.RECIPIENT, "553 5.1.3 This is not a mail address")
    ),
    "toolarge": EmailPlan(
        "Failed_PayloadTooLarge", None, Refusal(Stage.FINAL_DOT, "552 5.3.4 The message is too large")
    ),
    "refused": EmailPlan("Failed", None, Refusal(Stage.FINAL_DOT, "554 5.0.0 Transaction failed")),
    "transient": EmailPlan(
        "Delivered, after two retries",
        refusal=Refusal(Stage.RECIPIENT, "450 4.2.1 The mailbox is busy, try again", times=2),
    ),
    "ratelimit": EmailPlan(
        "Delivered, after a pause of all email",
        refusal=Refusal(Stage.RECIPIENT, "421 Too many requests, try again later", times=1),
    ),
    "running": EmailPlan("Succeeded, then Failed_TTL", None, is_endless=True),
    "noreport": EmailPlan("Succeeded, then Failed_TTL", None),
}
"""By the word in the local part."""

EMAIL_ADDRESSES: Final[Mapping[str, EmailPlan]] = {
    "transient-fail@test.com": EmailPlan(
        "Delivered, after one retry",
        refusal=Refusal(Stage.RECIPIENT, "450 4.2.1 The mailbox is busy, try again", times=1),
    ),
    "permanent-fail@test.com": EmailPlan("Failed", "Failed"),
    "bounce@test.com": EmailPlan("Failed_Bounced", "Bounced"),
    "slow-delivery@test.com": EmailPlan("Delivered, after 20 seconds", report_after=timedelta(seconds=20)),
}
"""By the whole address; these go before the words."""


@dataclass(frozen=True, slots=True)
class SmsPlan:
    """What becomes of one SMS: a refusal, silence, some HTTP 503 first, or acceptance and these reports in turn."""

    ends_as: str
    reports: tuple[str, ...] = ("DELIVRD",)
    refusal: str | None = None
    """Start of the gateway's `INFO`; the number follows it."""
    unavailable: int = 0
    """How many attempts get HTTP 503 before one is accepted."""
    is_silent: bool = False


SMS_BY_DEFAULT: Final = SmsPlan("Delivered")

SMS_ENDINGS: Final[Mapping[str, SmsPlan]] = {
    "901": SMS_BY_DEFAULT,
    "902": SmsPlan("Failed_Expired", ("EXPIRED",)),
    "903": SmsPlan("Failed_Deleted", ("DELETED",)),
    "904": SmsPlan("Failed_Undelivered", ("UNDELIV",)),
    "905": SmsPlan("Failed_Rejected", ("REJECTD",)),
    "906": SmsPlan("Failed", ("FAILED",)),
    "907": SmsPlan("Failed_BarredReceiver", ("BARRED",)),
    "908": SmsPlan("Failed", ("UNKNOWN",)),
    "909": SmsPlan("Accepted, then Failed_TTL", ()),
    "910": SmsPlan("Failed", ("NOSUCHSTATE",)),
    "911": SmsPlan("Failed_InvalidRecipient", (), refusal="Invalid RCV"),
    "912": SmsPlan("Failed", (), refusal="No route to"),
    "913": SmsPlan("Delivered, after two retries", unavailable=2),
    "914": SmsPlan("Sending, then Failed_TTL", (), is_silent=True),
    "915": SmsPlan("Delivered, then Failed", ("DELIVRD", "DELIVRD", "FAILED")),
}
"""By the number's last three digits."""

SMS_NUMBERS: Final[Mapping[str, SmsPlan]] = {
    "+4741000001": SmsPlan("Failed_InvalidRecipient", (), refusal="Invalid RCV"),
    "+4741000002": SmsPlan("Delivered, after one retry", unavailable=1),
    "+4741000003": SmsPlan("Failed_Rejected", ("REJECTD",)),
}
"""By the whole number; these go before the endings."""


def plan_for_email(address: str) -> EmailPlan:
    """What becomes of mail to `address`, in any letter case. Source: spec 13, 15."""
    folded = address.lower()
    if (plan := EMAIL_ADDRESSES.get(folded)) is not None:
        return plan
    local_part = folded.rpartition("@")[0]
    named = (EMAIL_WORDS[part] for part in local_part.split("+") if part in EMAIL_WORDS)
    return next(named, EMAIL_BY_DEFAULT)


def plan_for_sms(number: str) -> SmsPlan:
    """What becomes of an SMS to `number`, which is international with or without `+` or `00`. Source: spec 13, 14."""
    international = as_international(number)
    return SMS_NUMBERS.get(international) or SMS_ENDINGS.get(international[-3:], SMS_BY_DEFAULT)


def as_international(number: str) -> str:
    """`number` as `+` and digits, without blanks; a leading `00` counts as the `+`."""
    digits = "".join(number.split()).removeprefix("+").removeprefix("00")
    return f"+{digits}"


class Attempts:
    """Counts how often a message was refused, so that a repeat can be let through; forgets the oldest ones."""

    def __init__(self) -> None:
        self._refused: OrderedDict[Hashable, int] = OrderedDict()

    def refuse(self, message: Hashable, times: int) -> bool:
        """Whether this attempt is among the first `times`. The attempt that is let through starts the count anew."""
        refused = self._refused.pop(message, 0)
        if refused >= times:
            return False
        self._refused[message] = refused + 1
        if len(self._refused) > _REMEMBERED_ATTEMPTS:
            self._refused.popitem(last=False)
        return True

    def clear(self) -> None:
        """Forget every attempt."""
        self._refused.clear()
