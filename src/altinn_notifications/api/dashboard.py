"""The lookups of the support staff (spec 07, 1). They are not in the published document; see docs/operating.md."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from altinn_notifications.api.problems import JSON_TYPE, to_json, validation_problem
from altinn_notifications.api.router import API, Request, Route
from altinn_notifications.api.scalars import DateTime, Unreadable
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.lifecycle import Channel
from altinn_notifications.timestamps import to_wire
from altinn_notifications.tracking.notices import Identity, Kind, find_notices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from altinn_notifications.tracking.notices import Attempt, Notice

DEFAULT_SPAN: Final = timedelta(days=7)
FURTHEST_YEARS: Final = 10


@dataclass(frozen=True, slots=True)
class _Lookup:
    """By which number: its header, which is also its key among the errors, its length and its name in the answer."""

    kind: Kind
    header: str
    digits: int
    name: str


_PERSON: Final = _Lookup(Kind.PERSON, "NationalIdentityNumber", 11, "nationalIdentityNumber")
_ORGANIZATION: Final = _Lookup(Kind.ORGANIZATION, "OrganizationNumber", 9, "organizationNumber")


@dataclass(frozen=True, slots=True)
class NoticeQuery:
    """Whose notices, from `since` on and before `until`, both in UTC."""

    identity: Identity
    since: datetime
    until: datetime


async def get_by_person(request: Request) -> Response:
    """What was made for the person of the header."""
    return await _answer(request, _PERSON)


async def get_by_organization(request: Request) -> Response:
    """What was made for the organisation of the header."""
    return await _answer(request, _ORGANIZATION)


async def _answer(request: Request, lookup: _Lookup) -> Response:
    query = _notice_query(lookup, request.headers, request.query, request.now)
    request.stop_if_client_is_gone()
    notices = await find_notices(request.services.db, query.identity, since=query.since, until=query.until)
    identity = {lookup.name: query.identity.number}
    return Response(to_json([_notice(notice, identity) for notice in notices]), media_type=JSON_TYPE)


def _notice_query(lookup: _Lookup, headers: Mapping[str, str], query: Mapping[str, str], now: datetime) -> NoticeQuery:
    """What a request asks for. Raises the 400 of spec 07, 1.2: what cannot be read first, then what breaks a rule."""
    number = headers.get(lookup.header.lower(), "").strip()
    unreadable: dict[str, list[str]] = {} if number else {lookup.header: ["The header is required."]}
    since = _moment(query, "From", unreadable)
    until = _moment(query, "To", unreadable)
    if unreadable:
        raise validation_problem(unreadable)
    errors = _broken_rules(since, until, now)
    if not (number.isascii() and number.isdecimal() and len(number) == lookup.digits):
        errors[lookup.header] = [f"The number must have exactly {lookup.digits} digits."]
    if errors:
        raise validation_problem(errors)
    return NoticeQuery(Identity(lookup.kind, number), since or now - DEFAULT_SPAN, until or now)


def _moment(query: Mapping[str, str], name: str, errors: dict[str, list[str]]) -> datetime | None:
    """The moment under `name`, None if there is none; a message in `errors` if it is not one in a time zone."""
    text = query.get(name.lower(), "").strip()
    if not text:
        return None
    try:
        moment = DateTime().read(text, 0)
    except Unreadable as unreadable:
        errors[name] = [unreadable.reason]
        return None
    if moment.tzinfo is None:
        errors[name] = ["The time must end with Z or an offset such as +02:00."]
        return None
    return moment


def _broken_rules(since: datetime | None, until: datetime | None, now: datetime) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = defaultdict(list)
    if since is not None:
        if since > now:
            errors["From"].append("The time must not be in the future.")
        if since < _years_before(now, FURTHEST_YEARS):
            errors["From"].append(f"The time must not be more than {FURTHEST_YEARS} years back.")
        if until is not None and since >= until:
            errors["From"].append("The time must be earlier than 'to'.")
    if until is not None:
        if until > now:
            errors["To"].append("The time must not be in the future.")
        if since is None and until <= now - DEFAULT_SPAN:
            errors["To"].append(f"Without 'from' the time must be less than {DEFAULT_SPAN.days} days back.")
    return errors


def _years_before(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year - years, day=28)


def _notice(notice: Notice, identity: Mapping[str, str]) -> dict[str, Any]:
    given = {"resourceId": notice.resource_id, "sendersReference": notice.senders_reference}
    return {
        "shipmentId": str(notice.order_id),
        "creatorName": notice.creator,
        **{name: value for name, value in given.items() if value is not None},
        "requestedSendTime": to_wire(notice.requested_send_time),
        "notificationChannel": notice.channel,
        "notificationType": notice.type.name,
        "deliveryAttempts": [{**identity, **_attempt(attempt)} for attempt in notice.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, str]:
    is_email = attempt.channel is Channel.EMAIL
    return {
        "channel": "email" if is_email else "sms",
        "emailAddress" if is_email else "mobileNumber": attempt.destination,
        "result": attempt.result,
        "resultTime": to_wire(attempt.result_time),
    }


_PATH: Final = f"{API}/future/dashboard/recipients/notifications"
ROUTES: Final = [
    Route("GET", f"{_PATH}/nin", get_by_person, Policy.SUPPORT),
    Route("GET", f"{_PATH}/orgnumber", get_by_organization, Policy.SUPPORT),
]
