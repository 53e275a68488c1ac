"""Azure Communication Services' two operations on email (spec 09, 3 and 4), with the magic words of spec 13, 15.

A submission under an operation id that is known is the same submission: it gets the same answer and makes no mail.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.channels.email.acs_signing import Account, signature
from altinn_notifications.channels.magic import plan_for_email
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.mailbox import Arrival, Way, deliver
from altinn_notifications.simulator.observation import observed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.channels.magic import EmailPlan
    from altinn_notifications.clock import Clock, TurnableClock
    from altinn_notifications.settings import AcsSettings
    from altinn_notifications.simulator.operations import Operation
    from altinn_notifications.simulator.state import SimulatorState

API_VERSIONS: Final = frozenset({"2023-03-31", "2025-09-01"})
MAX_REQUEST_BYTES: Final = 10_485_760
_CLOCK_SKEW: Final = timedelta(minutes=15)
_SIGNED: Final = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
_RATE_LIMIT_SECONDS: Final = "5"
_REFUSALS: Final = {
    "553": (400, "InvalidParameter", "Invalid format for email address"),
    "552": (413, "RequestEntityTooLarge", "The request is too large"),
    "554": (400, "BadRequest", "The request was refused"),
    "450": (503, "ServiceUnavailable", "The service is busy, try again"),
    "421": (429, "TooManyRequests", "The limit of requests was reached"),
}
"""What an SMTP server refuses with such a reply is refused here with status, code and message."""


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", hide_input_in_errors=True)


class _Address(_Part):
    address: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class _Recipients(_Part):
    to: Annotated[list[_Address], Field(min_length=1, max_length=1)]


class _Content(_Part):
    subject: str = Field(min_length=1)
    plain_text: str | None = None
    html: str | None = None


class _Attachment(_Part):
    name: str
    content_type: str
    content_in_base64: str


class _Submission(_Part):
    sender_address: str = Field(min_length=1)
    recipients: _Recipients
    content: _Content
    attachments: list[_Attachment] = []


class Refused(Exception):
    """The request gets an error answer."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = JSONResponse(
            {"error": {"code": code, "message": message}}, status, {"x-ms-error-code": code, **(headers or {})}
        )


class Acs:
    """Takes mail over like the real service, and lets the mailbox show it."""

    def __init__(self, settings: AcsSettings, state: SimulatorState, clock: TurnableClock) -> None:
        secret = settings.connection_string
        self._account = Account.parse(secret.get_secret_value()) if secret else None
        self._state, self._clock = state, clock

    def routes(self) -> list[BaseRoute]:
        """The operations below `/acs`."""

        def route(path: str, endpoint: Any, method: str) -> Route:
            return Route(path, observed(endpoint, Target.ACS, self._state, self._clock), methods=[method])

        return [
            route("/acs/emails:send", self.send, "POST"),
            route("/acs/emails/operations/{id}", self.show, "GET"),
        ]

    async def send(self, request: Request) -> Response:
        """Begin an operation, unless its id is known already."""
        body = await request.body()
        try:
            self._admit(request, body)
            operation_id = _operation_id(request)
            operation = self._state.operations.find(operation_id) or self._begin(operation_id, _read(body))
        except Refused as refusal:
            return refusal.answer
        base = str(request.url).partition("/emails:send")[0]
        headers = {"Operation-Location": f"{base}/emails/operations/{operation.id}", "retry-after": "30"}
        return JSONResponse(operation.dump(), 202, headers)

    async def show(self, request: Request) -> Response:
        """What is known of an operation."""
        try:
            self._admit(request, b"")
            operation = self._known(request.path_params["id"])
        except Refused as refusal:
            return refusal.answer
        return JSONResponse(operation.dump(), headers={"retry-after": "30"})

    def _known(self, operation_id: str) -> Operation:
        operation = self._state.operations.find(operation_id)
        if operation is None:
            raise Refused(404, "NotFound", "There is no such operation")
        return operation

    def _admit(self, request: Request, body: bytes) -> None:
        """Raise `Refused` for a request that is not signed with the key, is not of now, or of no known version."""
        headers = request.headers
        date, digest = headers.get("x-ms-date", ""), headers.get("x-ms-content-sha256", "")
        if digest != base64.b64encode(sha256(body).digest()).decode() or not self._is_of_now(date):
            raise Refused(401, "Denied", "The signed headers do not fit the request")
        path = request.scope["raw_path"].decode()
        signed = f"{date};{headers.get('host', '')};{digest}"
        target = f"{path}?{request.url.query}" if request.url.query else path
        if not self._has_signed(headers.get("authorization", ""), request.method, target, signed):
            raise Refused(401, "Denied", "The signature is wrong")
        if request.query_params.get("api-version") not in API_VERSIONS:
            raise Refused(400, "UnsupportedApiVersionValue", "There is no such version")

    def _has_signed(self, authorization: str, method: str, target: str, signed: str) -> bool:
        if self._account is None:
            return False
        expected = _SIGNED + signature(self._account.key, method, target, signed)
        return hmac.compare_digest(authorization.encode(), expected.encode())

    def _is_of_now(self, date: str) -> bool:
        try:
            at = parsedate_to_datetime(date)
        except ValueError:
            return False
        return at.tzinfo is not None and abs(at - self._clock.machine.now()) <= _CLOCK_SKEW

    def _begin(self, operation_id: str, submission: _Submission) -> Operation:
        address = submission.recipients.to[0].address
        plan = plan_for_email(address)
        self._refuse(plan, address, submission.content.subject)
        raw = _as_mail(submission, self._clock)
        operation = self._state.operations.begin(operation_id, plan, lasting=self._state.behaviour.operation_delay)
        if not operation.is_suppressed:
            sender, reference = submission.sender_address, operation.id
            deliver(self._state, Arrival(sender, address, raw, reference, Way.ACS, self._clock.now()))
        return operation

    def _refuse(self, plan: EmailPlan, address: str, subject: str) -> None:
        refusal, attempt = plan.refusal, ("email", address.lower(), subject)
        if refusal is None:
            return
        if refusal.times is None or self._state.attempts.refuse(attempt, refusal.times):
            status, code, message = _REFUSALS[refusal.reply[:3]]
            throttling = {"Retry-After": _RATE_LIMIT_SECONDS} if code == "TooManyRequests" else None
            raise Refused(status, code, message, throttling)


def _operation_id(request: Request) -> str:
    given = request.headers.get("operation-id")
    if given is None:
        return str(uuid4())
    try:
        return str(UUID(given))
    except ValueError:
        raise Refused(400, "InvalidParameter", "Operation-Id is not a UUID") from None


def _read(body: bytes) -> _Submission:
    if len(body) > MAX_REQUEST_BYTES:
        raise Refused(413, "RequestEntityTooLarge", "The request is larger than 10 MB")
    try:
        submission = _Submission.model_validate(json.loads(body))
    except ValidationError as error:
        raise Refused(400, "InvalidParameter", _explained(error)) from None
    except ValueError:
        raise Refused(400, "InvalidRequest", "The body is not JSON") from None
    if submission.content.plain_text is None and submission.content.html is None:
        raise Refused(400, "InvalidParameter", "The content has neither plainText nor html")
    return submission


def _explained(error: ValidationError) -> str:
    places = [".".join(map(str, detail["loc"])) for detail in error.errors()]
    if any(place.endswith("address") for place in places):
        return "Invalid format for email address"
    return f"Missing or wrong: {', '.join(places)}"


def _as_mail(submission: _Submission, clock: Clock) -> bytes:
    """The mail that the service makes of a submission."""
    content, mail = submission.content, EmailMessage()
    mail["From"], mail["To"] = submission.sender_address, submission.recipients.to[0].address
    mail["Subject"], mail["Date"] = content.subject, format_datetime(clock.now())
    mail.set_content(content.html if content.html is not None else content.plain_text or "", *_subtype(content))
    for attachment in submission.attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        data = _decoded(attachment.content_in_base64)
        mail.add_attachment(data, maintype=maintype, subtype=subtype, filename=attachment.name)
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))


def _subtype(content: _Content) -> tuple[str]:
    return ("html",) if content.html is not None else ("plain",)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refused(400, "InvalidParameter", "contentInBase64 is not base64") from None
