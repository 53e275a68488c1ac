"""The XML of LINK Mobility's gateway: what is asked, and what its answer means (spec 10, 3 to 5). Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml.ElementTree import fromstring

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.channels.sms.segments import as_sent, is_gsm, without_control_characters
from altinn_notifications.lifecycle import SmsResult

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from altinn_notifications.channels.protocol import Outcome

_MESSAGE_ID: Final = "1"
_UCS2: Final = 9
_OK: Final = "OK"
_TOO_MANY: Final = 429
_ABOUT_THE_ACCOUNT: Final = frozenset({401, 403, 404})  # wrong credentials, or not where the gateway is
_LONG_NUMBER: Final = re.compile(r"\d(?:[\s-]?\d){4,}")
_LONGEST_DETAIL: Final = 200
_MINUTE: Final = timedelta(minutes=1)


def recipient_number(stored: str) -> str:
    """The number as the gateway documents it: country code first, nothing before it. Source: spec 10, 4."""
    number = "".join(stored.split())
    return number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")


def validity_minutes(validity: timedelta) -> int:
    """Whole minutes, rounded up; never 0, which the gateway reads as "as long as you like". Source: spec 10, 3.4."""
    return max(1, -(-validity // _MINUTE))


def head(username: str, password: str) -> bytes:
    """The document up to its message; the same for every request."""
    session = f"<SESSION><CLIENT>{_xml(username)}</CLIENT><PW>{_xml(password)}</PW><MSGLST><MSG><ID>{_MESSAGE_ID}</ID>"
    return b'<?xml version="1.0" encoding="iso-8859-1"?>' + _ascii(session)


def message(sender: str, number: str, text: str, *, minutes: int, unicode_when_needed: bool) -> bytes:
    """The rest of the document. Source: spec 10, 3.2, 3.3 and 11.3."""
    clean = as_sent(text)
    carried, operation = _as_type(clean, unicode_when_needed=unicode_when_needed)
    elements = (
        f"<TEXT>{_xml(carried)}</TEXT><SND>{_xml(sender)}</SND><RCV>{_xml(recipient_number(number))}</RCV>"
        f"{operation}<TTL>{minutes}</TTL></MSG></MSGLST></SESSION>"
    )
    return _ascii(elements)


def outcome_of_answer(status: int, body: bytes, *, wish: timedelta | None = None) -> Outcome:
    """What an HTTP answer means for the message; `wish` is how long it asks us to wait. Source: spec 10, 5.2."""
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes
        misconfigured = status in _ABOUT_THE_ACCOUNT
        is_for_all = misconfigured or status == _TOO_MANY or wish is not None
        scope = Scope.PROVIDER if is_for_all else Scope.CALL
        return Deferred(scope, f"the gateway answered HTTP {status}", wish, misconfigured=misconfigured)
    try:
        document = fromstring(body)
    except (ParseError, ValueError, LookupError):  # ValueError: entities; LookupError: an encoding nobody knows
        return Unknown("the gateway's answer is not XML")
    return _outcome_of_document(document)


def _outcome_of_document(document: Element) -> Outcome:
    logon = _text(document, "LOGON")
    if logon is not None and logon != _OK:
        # Whoever gets in next is not known to the gateway either: the account is wrong, not the recipient.
        return Deferred(Scope.PROVIDER, "the gateway does not let us in", misconfigured=True)
    about_ours = (each for each in document.iter("MSG") if (_text(each, "ID") or "").strip() == _MESSAGE_ID)
    told = [_outcome_of_message(each) for each in about_ours]
    if logon is None or not told:
        return Unknown("the gateway's answer does not tell about the message")
    if any(outcome != told[0] for outcome in told):
        return Unknown("the gateway's answer contradicts itself about the message")
    return told[0]


def _outcome_of_message(answered: Element) -> Outcome:
    if _text(answered, "STATUS") == _OK:
        return Accepted((_text(answered, "REF") or "").strip() or None)
    return refusal_of(_text(answered, "INFO") or "")


def refusal_of(info: str) -> Refused:
    """What the gateway's explanation of a `FAIL` means. Source: spec 10, 5.2."""
    result = SmsResult.INVALID_RECIPIENT if info.startswith("Invalid RCV") else SmsResult.FAILED
    return Refused(result, _LONG_NUMBER.sub("***", info)[:_LONGEST_DETAIL] or "the gateway gave no reason")


def _text(element: Element, name: str) -> str | None:
    found = next(element.iter(name), None)
    return None if found is None else found.text or ""


def _as_type(text: str, *, unicode_when_needed: bool) -> tuple[str, str]:
    """The text as it is, or as hexadecimal UCS-2 with the element that says so."""
    if not unicode_when_needed or is_gsm(text):
        return text, ""
    return text.encode("utf-16-be").hex(), f"<OP>{_UCS2}</OP>"


def _xml(text: str) -> str:
    return escape(without_control_characters(text))


def _ascii(document: str) -> bytes:
    """Characters outside ASCII as references, so that it does not matter which declared encoding is believed."""
    return document.encode("ascii", "xmlcharrefreplace")
