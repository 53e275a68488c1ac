"""What an SMTP reply means for a mail (spec 09, 8.2). Pure.

An enhanced status code (RFC 3463) decides if there is one, else the reply code and how far the conversation had come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.lifecycle import EmailResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.channels.protocol import Outcome

_BOUNCED: Final = EmailResult.BOUNCED
_INVALID: Final = EmailResult.INVALID_EMAIL_FORMAT
_FAILED: Final = EmailResult.FAILED
_TOO_LARGE: Final = EmailResult.PAYLOAD_TOO_LARGE
_SPAM: Final = EmailResult.FILTERED_SPAM


class Phase(Enum):
    """How far the conversation had come; the value is how it is named to people."""

    SESSION = "connection"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "end of data"


class Kind(IntEnum):
    """The first digit of a reply code and of an enhanced code."""

    SUCCESS = 2
    TEMPORARY = 4
    PERMANENT = 5


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What the server said. `text` may name the recipient, so it is not shown to anybody."""

    phase: Phase
    code: int
    text: str

    @property
    def kind(self) -> int:
        """The first digit; a `Kind` unless the server is at fault."""
        return self.code // 100


@dataclass(frozen=True, slots=True)
class Silence:
    """No usable reply came: a time-out, a lost connection or gibberish."""

    phase: Phase
    reason: str


Ending = Reply | Silence
"""How the conversation about one mail ended."""


@dataclass(frozen=True, slots=True)
class EnhancedCode:
    """`class.subject.detail` of RFC 3463."""

    kind: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.subject}.{self.detail}"


LOST: Final = "connection lost"
TIMED_OUT: Final = "no answer in time"
GARBLED: Final = "unreadable answer"
UNREACHABLE: Final = "not reachable"
TLS_FAILED: Final = "no TLS agreement"

_ENHANCED: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_SPAM_WORDS: Final = ("spam", "junk", "block list", "blacklist", "reputation", "unsolicited")
_CLOSING: Final = 421
_GO_AHEAD: Final = 354
_ADDRESS: Final = 1  # the subject of addressing codes
_POLICY: Final = 7  # the subject of security and policy codes
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
_SENDER_AUTHENTICATION: Final = range(20, 28)

PERMANENT: Final[Mapping[tuple[int, int], EmailResult]] = {
    (1, 0): _BOUNCED,
    (1, 1): _BOUNCED,
    (1, 2): _BOUNCED,
    (1, 3): _INVALID,
    (1, 4): _BOUNCED,
    (1, 6): _BOUNCED,
    (1, 9): _BOUNCED,
    (1, 10): _BOUNCED,
    (2, 0): _BOUNCED,
    (2, 1): _BOUNCED,
    (2, 3): _TOO_LARGE,
    (3, 4): _TOO_LARGE,
    (4, 1): _BOUNCED,
    (4, 4): _BOUNCED,
    (6, 7): _INVALID,
}
"""Subject and detail of the `5.x.x` codes that tell more than `Failed`; `5.7.x` is `_policy_refusal`."""

_OUTAGE_SUBJECTS: Final = frozenset({3, 4})  # mail system and network: nobody's mail gets through
_OUTAGE_CODES: Final = {
    Phase.MAIL: frozenset({421, 450, 451, 452, 454, 455}),
    Phase.RCPT: frozenset({421, 454, 455}),
    Phase.CONTENT: frozenset({421, 454, 455}),
}
"""Temporary reply codes that concern every mail, not just this one."""

_REFUSED: Final[Mapping[Phase, Mapping[int, EmailResult]]] = {
    Phase.MAIL: {541: _SPAM, 552: _TOO_LARGE},
    Phase.RCPT: {
        501: _INVALID,
        521: _BOUNCED,
        541: _SPAM,
        550: _BOUNCED,
        551: _BOUNCED,
        553: _INVALID,
        556: _BOUNCED,
    },
    Phase.CONTENT: {521: _BOUNCED, 541: _SPAM, 551: _BOUNCED, 552: _TOO_LARGE, 556: _BOUNCED},
}
"""Reply codes that tell more than `Failed`. The spec's column "DATA / final dot" is `CONTENT`."""

_SPAM_IF_WORDS: Final = {
    Phase.MAIL: frozenset[int](),
    Phase.RCPT: frozenset({554}),
    Phase.CONTENT: frozenset({550, 554}),
}
"""Reply codes that mean spam when the text says so."""


def goes_on(reply: Reply) -> bool:
    """Whether the server is content so far and waits for what follows."""
    if reply.phase is Phase.DATA:
        return reply.code == _GO_AHEAD
    return reply.kind == Kind.SUCCESS and reply.phase is not Phase.CONTENT


def outcome_of(ending: Ending, *, reference: str) -> Outcome:
    """What the `ending` of a conversation means for the mail. Source: spec 09, 8.2."""
    if isinstance(ending, Silence):
        return outcome_of_silence(ending)
    if ending.phase is Phase.CONTENT and ending.kind == Kind.SUCCESS:
        return Accepted(reference)
    if ending.kind == Kind.PERMANENT and not _is_about_us(ending):
        return Refused(refusal(ending), describe(ending))
    if ending.kind in {Kind.PERMANENT, Kind.TEMPORARY}:
        misconfigured = ending.kind == Kind.PERMANENT
        return Deferred(_deferred_scope(ending), describe(ending), misconfigured=misconfigured)
    return outcome_of_silence(Silence(ending.phase, GARBLED))


def outcome_of_silence(silence: Silence) -> Deferred | Unknown:
    """What it means that no usable reply came.

    Once the content has gone nobody knows whether the mail was taken; before that it was not. Up to MAIL nothing speaks
    of this mail in particular, later the recipient may be the reason.
    """
    detail = f"{silence.reason} at {silence.phase.value}"
    if silence.phase is Phase.CONTENT:
        return Unknown(detail)
    before_recipient = silence.phase in {Phase.SESSION, Phase.MAIL}
    return Deferred(Scope.PROVIDER if before_recipient else Scope.MESSAGE, detail)


def refusal(reply: Reply) -> EmailResult:
    """The final result that a `5xx` reply stands for."""
    enhanced = enhanced_code(reply)
    if enhanced is not None:
        return permanent_result(enhanced, reply.text, reply.phase)
    return permanent_result_of_code(reply.code, reply.text, reply.phase)


def permanent_result(enhanced: EnhancedCode, text: str, phase: Phase) -> EmailResult:
    """The final result of a `5.x.x` code."""
    if enhanced.subject == _POLICY:
        return _policy_refusal(enhanced.detail, text, phase)
    return PERMANENT.get((enhanced.subject, enhanced.detail), _FAILED)


def permanent_result_of_code(code: int, text: str, phase: Phase) -> EmailResult:
    """The final result of a `5xx` reply code that came without an enhanced one."""
    column = _column(phase)
    if code in _SPAM_IF_WORDS[column] and speaks_of_spam(text):
        return _SPAM
    return _REFUSED[column].get(code, _FAILED)


def enhanced_code(reply: Reply) -> EnhancedCode | None:
    """The enhanced code at the start of the text, if its class agrees with the reply code."""
    code = parse_enhanced(reply.text)
    return code if code is not None and code.kind == reply.kind else None


def parse_enhanced(text: str) -> EnhancedCode | None:
    """The enhanced code that `text` begins with."""
    match = _ENHANCED.match(text)
    return EnhancedCode(*map(int, match.groups())) if match else None


def speaks_of_spam(text: str) -> bool:
    """Whether the server gives unwanted content or a bad name as its reason."""
    lowered = text.lower()
    return any(word in lowered for word in _SPAM_WORDS)


def describe(reply: Reply) -> str:
    """The reply without its text, which may hold an address."""
    enhanced = enhanced_code(reply)
    return f"{reply.phase.value} answered {reply.code}" + (f" {enhanced}" if enhanced else "")


def is_goodbye(ending: Ending) -> bool:
    """Whether the server was leaving, rather than speaking of this mail."""
    return ending.reason == LOST if isinstance(ending, Silence) else ending.code == _CLOSING


def _is_about_us(reply: Reply) -> bool:
    """Whether the server speaks of our session: a demand for authentication may come as late as MAIL."""
    return reply.phase is Phase.SESSION or reply.code in _AUTHENTICATION_CODES


def _deferred_scope(reply: Reply) -> Scope:
    if _is_about_us(reply):
        return Scope.PROVIDER
    enhanced = enhanced_code(reply)
    if enhanced is not None and reply.phase is not Phase.MAIL:
        return Scope.MESSAGE
    if enhanced is not None and _is_about_sender(enhanced):
        return Scope.DOMAIN
    if enhanced is not None and _is_outage(enhanced):
        return Scope.PROVIDER
    return Scope.PROVIDER if reply.code in _OUTAGE_CODES[_column(reply.phase)] else Scope.MESSAGE


def _is_about_sender(enhanced: EnhancedCode) -> bool:
    """Whether a temporary refusal at MAIL speaks of the sender's address, or of a policy that it does not meet."""
    return enhanced.subject == _ADDRESS or (enhanced.subject == _POLICY and enhanced.detail != 0)


def _is_outage(enhanced: EnhancedCode) -> bool:
    return enhanced.subject in _OUTAGE_SUBJECTS or (enhanced.subject, enhanced.detail) == (_POLICY, 0)


def _column(phase: Phase) -> Phase:
    return Phase.CONTENT if phase is Phase.DATA else phase


def _policy_refusal(detail: int, text: str, phase: Phase) -> EmailResult:
    if detail in _SENDER_AUTHENTICATION:
        return _FAILED
    if phase is Phase.CONTENT or speaks_of_spam(text):
        return _SPAM
    return _FAILED
