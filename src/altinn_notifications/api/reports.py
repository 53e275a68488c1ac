"""Where the providers leave their delivery reports (spec 09, 7.4 and 8.3; spec 10, 7).

Each answer says that the reports are stored, not that their notifications are known.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import JSONResponse, Response

from altinn_notifications.api.problems import empty_problem
from altinn_notifications.api.router import Request, Route, charset_of
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.reports.dsn import Dropped, NotADeliveryStatus, parse_dsn
from altinn_notifications.reports.email_events import Handshake, UnreadableEvents, parse_events
from altinn_notifications.reports.model import InvalidReport
from altinn_notifications.reports.sms_reports import UnreadableReport, acknowledgement, parse_reports

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from altinn_notifications.reports.model import IncomingReport

log = structlog.get_logger()

_NO_TYPE: Final = ""
_MAIL_TYPES: Final = frozenset({"message/rfc822", "message/global", _NO_TYPE})
_SMS_TYPES: Final = frozenset({"application/xml", "text/xml", "text/plain", _NO_TYPE})
_CHALLENGE: Final = {"WWW-Authenticate": "Basic"}


async def post_email_events(request: Request) -> Response:
    """Take Event Grid's events, or answer its handshake."""
    if not _has_access_key(request):
        return _no_access()
    try:
        events = parse_events(await request.body())
    except UnreadableEvents:
        return _bad("The body is not an array of events.")
    if isinstance(events, Handshake):
        return JSONResponse({"validationResponse": events.code})
    await _store(request, events)
    return Response()


async def post_delivery_status(request: Request) -> Response:
    """Take one bounce or receipt as a raw message."""
    _demand_type(request, _MAIL_TYPES)
    if not _has_access_key(request):
        return _no_access()
    try:
        report = parse_dsn(await request.body())
    except NotADeliveryStatus:
        return _bad("The body is not a delivery status notification.")
    if isinstance(report, Dropped):
        log.info("delivery_status_dropped", reason=report.reason, operation_id=report.operation_id)
    else:
        await _store(request, [report])
    return Response()


async def post_sms_reports(request: Request) -> Response:
    """Take the SMS gateway's reports and acknowledge each of them."""
    _demand_type(request, _SMS_TYPES)
    if not _is_gateway(request):
        raise empty_problem(401, _CHALLENGE)
    try:
        reports = parse_reports(await request.body(), charset=charset_of(request.headers.get("content-type", "")))
    except UnreadableReport as error:
        return _bad(str(error))
    await _store(request, [each.report for each in reports])
    return Response(acknowledgement(reports), media_type="application/xml")


async def _store(request: Request, reports: Sequence[IncomingReport]) -> None:
    for report in reports:
        if isinstance(report, InvalidReport):
            log.warning("delivery_report_invalid", provider=report.source.name, reason=report.message)
    try:
        await request.services.reports.store(reports, now=request.now)
    except DatabaseUnavailable as error:
        log.warning("delivery_reports_not_stored", count=len(reports), cause=type(error.__cause__).__name__)
        raise empty_problem(503) from None  # without a word about our insides; the provider sends them again


def _demand_type(request: Request, accepted: Collection[str]) -> None:
    media_type = request.headers.get("content-type", _NO_TYPE).partition(";")[0].strip().lower()
    if media_type not in accepted:
        raise empty_problem(415)


def _has_access_key(request: Request) -> bool:
    """Whether the query names the key of the settings. Where none is set, nobody has it."""
    key = request.services.settings.email.report_access_key
    expected = key.get_secret_value() if key else ""
    return bool(expected) and _are_equal(request.query.get("accesskey", ""), expected)


def _is_gateway(request: Request) -> bool:
    """Whether the credentials are the gateway's. Where either part is not set, nobody's are. Source: spec 10, 7.2."""
    settings = request.services.settings.sms
    username, password = settings.report_username, settings.report_password.get_secret_value()
    given = _basic_credentials(request.headers.get("authorization", ""))
    if given is None or not username or not password:
        return False
    # Both are compared whatever the first says, so that the time tells nothing about either.
    return _are_equal(given[0], username) & _are_equal(given[1], password)


def _basic_credentials(header: str) -> tuple[str, str] | None:
    """User and password of an `Authorization` header (RFC 7617); the password may hold colons."""
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (username, password) if colon else None


def _are_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _no_access() -> Response:
    return Response("The access key is missing or wrong.", 401, media_type="text/plain")


def _bad(reason: str) -> Response:
    return Response(reason, 400, media_type="text/plain")


ROUTES: Final = [
    Route("POST", "/notifications/email/api/v1/reports", post_email_events, states_json=True),
    Route("POST", "/notifications/email/api/v1/reports/dsn", post_delivery_status),
    Route("POST", "/notifications/sms/api/v1/reports", post_sms_reports),
]
