"""LINK Mobility's XML gateway (spec 10, 3 to 5), with the magic numbers of spec 13, 14."""

from __future__ import annotations

import hmac
import re
from codecs import lookup
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from altinn_notifications.channels.magic import as_international, plan_for_sms
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.observation import NoAnswer, observed
from altinn_notifications.simulator.phones import Sms, report_on

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import SmsSettings
    from altinn_notifications.simulator.state import SimulatorState

_MAX_MESSAGES: Final = 100
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_CHARSET = re.compile(r"charset=\"?([^\s\";]+)", re.IGNORECASE)
_UCS2: Final = "9"


class NotUnderstood(Exception):
    """The request is no session of messages."""


class Unsendable(Exception):
    """The gateway cannot make a message of this; the text is its `INFO`."""


@dataclass(frozen=True, slots=True, repr=False)
class Submission:
    """One `MSG` of a request, as it was sent."""

    id: str
    text: str
    sender: str
    recipient: str
    operation: str
    validity: str


class SmsGateway:
    """Takes messages over like the real gateway, and lets the phones show them."""

    def __init__(self, settings: SmsSettings, state: SimulatorState, clock: Clock) -> None:
        self._account = (settings.gateway_username, settings.gateway_password.get_secret_value())
        self._state, self._clock = state, clock

    async def answer(self, request: Request) -> Response:
        """Answer one document of up to a hundred messages."""
        try:
            session = _parse(await request.body(), request.headers.get("content-type", ""))
        except NotUnderstood as error:
            return PlainTextResponse(str(error), 400)
        if not self._knows(session):
            return _xml("<LOGON>FAIL</LOGON><REASON>Invalid username or password</REASON>")
        submissions = [_submission(message) for message in session.iterfind("./MSGLST/MSG")]
        if len(submissions) > _MAX_MESSAGES:
            return _xml("<LOGON>FAIL</LOGON><REASON>Too many messages</REASON>")
        return self._refusal_of_all(submissions) or self._take_all(submissions)

    def _knows(self, session: Element) -> bool:
        claimed = (session.findtext("CLIENT", ""), session.findtext("PW", ""))
        pairs = zip(claimed, self._account, strict=True)
        return all(hmac.compare_digest(given.encode(), ours.encode()) for given, ours in pairs)

    def _refusal_of_all(self, submissions: list[Submission]) -> Response | None:
        """What happens to the whole request because of one message in it: silence, or HTTP 503."""
        if any(plan_for_sms(submission.recipient).is_silent for submission in submissions):
            return NoAnswer()
        too_early = [self._is_too_early(submission) for submission in submissions]
        return PlainTextResponse("Service unavailable", 503) if any(too_early) else None

    def _is_too_early(self, submission: Submission) -> bool:
        plan = plan_for_sms(submission.recipient)
        attempt = ("sms", as_international(submission.recipient), submission.text)
        return plan.unavailable > 0 and self._state.attempts.refuse(attempt, plan.unavailable)

    def _take_all(self, submissions: list[Submission]) -> Response:
        results = "".join(self._result(submission) for submission in submissions)
        return _xml(f"<LOGON>OK</LOGON><REASON></REASON><MSGLST>{results}</MSGLST>")

    def _result(self, submission: Submission) -> str:
        try:
            reference, status, info = self._take(submission), "OK", ""
        except Unsendable as error:
            reference, status, info = "", "FAIL", str(error)
        fields = f"<ID>{escape(submission.id)}</ID>{f'<REF>{reference}</REF>' if reference else ''}"
        return f"<MSG>{fields}<STATUS>{status}</STATUS><INFO>{escape(info)}</INFO></MSG>"

    def _take(self, submission: Submission) -> str:
        """Keep one message and plan its reports; its reference. Raises `Unsendable`."""
        plan = plan_for_sms(submission.recipient)
        if not _NUMBER.fullmatch("".join(submission.recipient.split())):
            raise Unsendable(f"Invalid RCV '{submission.recipient}'.")
        if plan.refusal:
            raise Unsendable(f"{plan.refusal} '{submission.recipient}'.")
        sms = self._message(submission)
        self._state.phones.add(sms)
        delay = self._state.behaviour.report_delay
        for number, word in enumerate(plan.reports, start=1):
            report_on(self._state, sms, word, now=sms.received_at, delay=number * delay)
        return sms.reference

    def _message(self, submission: Submission) -> Sms:
        validity = submission.validity.strip()
        return Sms(
            id=self._state.phones.next_id(),
            address=as_international(submission.recipient),
            reference=str(uuid4()).upper(),
            sender=submission.sender,
            text=_text(submission),
            time_to_live_minutes=int(validity) or None if validity.isdecimal() else None,
            received_at=self._clock.now(),
        )


def routes(gateway: SmsGateway, state: SimulatorState, clock: Clock) -> list[BaseRoute]:
    """The gateway's address, with and without a slash at the end."""
    endpoint = observed(gateway.answer, Target.SMS, state, clock)
    return [Route(path, endpoint, methods=["POST"]) for path in ("/sms/gateway", "/sms/gateway/")]


def _parse(body: bytes, content_type: str) -> Any:
    """The document, decoded by the charset of HTTP if it names one, otherwise by its own declaration."""
    charset = _CHARSET.search(content_type)
    try:
        if charset is not None and _is_known(charset[1]):
            return fromstring(body.decode(charset[1]))
        return fromstring(body)
    except (ParseError, DefusedXmlException, UnicodeDecodeError, ValueError) as error:
        raise NotUnderstood(f"Not an XML document: {type(error).__name__}") from error


def _is_known(charset: str) -> bool:
    try:
        lookup(charset)
    except LookupError:
        return False
    return True


def _submission(message: Element) -> Submission:
    def field(name: str) -> str:
        return message.findtext(name) or ""

    return Submission(field("ID"), field("TEXT"), field("SND"), field("RCV"), field("OP").strip(), field("TTL"))


def _text(submission: Submission) -> str:
    """What the handset shows. Raises `Unsendable` for a binary message or broken hexadecimal text."""
    if submission.operation in ("", "1"):
        return submission.text
    if submission.operation != _UCS2:
        raise Unsendable("Only text messages can be simulated.")
    try:
        return bytes.fromhex(submission.text).decode("utf-16-be")
    except ValueError as error:
        raise Unsendable("TEXT is not UCS-2 in hexadecimal.") from error


def _xml(content: str) -> Response:
    document = f'<?xml version="1.0"?>\n<SESSION>{content}</SESSION>'
    return Response(document.encode("ascii", "xmlcharrefreplace"), media_type="application/xml")
