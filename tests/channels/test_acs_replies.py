"""What answers of Azure Communication Services mean, row by row (spec 09, 3.4, 3.5 and 4)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.channels.connections import HttpAnswer
from altinn_notifications.channels.email.acs_replies import lookup_outcome, poll_outcome, submission_outcome
from altinn_notifications.channels.protocol import (
    Accepted,
    Deferred,
    NotSent,
    Outcome,
    Refused,
    Scope,
    Unfinished,
    Unknown,
)
from support.times import MINUTE, NOON, SECOND

OURS = "4f1c0b52-6d1e-4c3a-9d2b-7a51b2f0c9e1"
INVALID = "Invalid format for email address: kari@"
SUPPRESSED = "EmailDroppedAllRecipientsSuppressed"


def answer(status: int, body: Any = b"", **headers: str) -> HttpAnswer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, httpx.Headers(fields), body if isinstance(body, bytes) else json.dumps(body).encode())


def error(status: int, code: str = "Whatever", message: str = "", **headers: str) -> HttpAnswer:
    return answer(status, {"error": {"code": code, "message": message}}, **headers)


def submitted(given: HttpAnswer, *, is_repeat: bool = False) -> Outcome:
    return submission_outcome(given, reference=OURS, is_repeat=is_repeat, now=NOON)


def kind_of(outcome: Outcome) -> tuple[object, ...]:
    """What the caller does about an outcome, without the words."""
    match outcome:
        case Refused(result):
            return ("refused", str(result))
        case Deferred() | Unknown():
            return (type(outcome).__name__, outcome.scope, outcome.retry_after, outcome.misconfigured)
        case _:
            return ("accepted", outcome.reference, outcome.is_final)


THROTTLED = ("Deferred", Scope.PROVIDER, None, False)
SHUT_OUT = ("Deferred", Scope.PROVIDER, None, True)
DOWN = ("Unknown", Scope.PROVIDER, None, False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (error(429), THROTTLED),
        (error(400, "TooManyRequests"), THROTTLED),
        (error(429, SUPPRESSED), THROTTLED),
        (error(400, SUPPRESSED), ("refused", "Failed_SupressedRecipient")),
        (error(503, SUPPRESSED), ("refused", "Failed_SupressedRecipient")),
        (answer(400, b"", x_ms_error_code=SUPPRESSED), ("refused", "Failed_SupressedRecipient")),
        (error(400, message=INVALID), ("refused", "Failed_InvalidEmailFormat")),
        (answer(400, b"Invalid format for email address"), ("refused", "Failed_InvalidEmailFormat")),
        (error(400, message=INVALID.lower()), ("refused", "Failed")),
        (error(413), ("refused", "Failed_PayloadTooLarge")),
        (error(500), DOWN),
        (error(503), DOWN),
        (error(599), DOWN),
        (error(401), SHUT_OUT),
        (error(403), SHUT_OUT),
        (error(400), ("refused", "Failed")),
        (error(404), ("refused", "Failed")),
        (error(408), ("refused", "Failed")),
        (answer(301), ("refused", "Failed")),
        (answer(400, b"\xff{"), ("refused", "Failed")),
        (answer(400, {"error": "text"}), ("refused", "Failed")),
        (answer(202, {"id": OURS, "status": "Running"}), ("accepted", OURS, False)),
        (answer(202, {"id": " theirs ", "status": "NotStarted"}), ("accepted", "theirs", False)),
        (answer(202, b"<html>"), ("Unknown", Scope.MESSAGE, None, False)),
        (answer(202, {"id": 7}), ("Unknown", Scope.MESSAGE, None, False)),
        (answer(202, {"id": ""}), ("Unknown", Scope.MESSAGE, None, False)),
    ],
)
def test_the_first_row_of_the_table_that_fits_decides(given: HttpAnswer, expected: tuple[object, ...]) -> None:
    assert kind_of(submitted(given)) == expected


def test_a_conflict_counts_as_accepted_only_when_the_id_was_sent_before() -> None:
    assert kind_of(submitted(error(409), is_repeat=True)) == ("accepted", OURS, False)
    assert kind_of(submitted(error(409))) == ("refused", "Failed")


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 2 * MINUTE),
        ("Mon, 02 Mar 2026 12:02:00 GMT", 2 * MINUTE),
        ("Mon, 02 Mar 2026 11:59:59 GMT", None),
        ("0", None),
        ("-5", None),
        ("abc", None),
        ("1.5", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("999999999999999999", timedelta(hours=48)),
        ("9" * 5000, None),
        ("", None),
    ],
)
def test_a_429_asks_for_a_pause_in_its_header_only(header: str, wait: timedelta | None) -> None:
    throttled = HttpAnswer(429, httpx.Headers([(b"Retry-After", header.encode())]), b"try again in 3636 seconds")
    outcome = submitted(throttled)
    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == wait


def test_another_temporary_failure_names_its_wait_in_the_text() -> None:
    hourly = error(503, message="Limit per hour reached. Please retry after 3636 seconds.")
    assert kind_of(submitted(hourly)) == ("Unknown", Scope.PROVIDER, timedelta(seconds=3636), False)
    assert kind_of(submitted(error(503, message="in a few seconds", Retry_After="5"))) == DOWN


def test_no_outcome_shows_whom_an_error_speaks_of() -> None:
    for status in (400, 401, 413, 429, 500):
        spoken = submitted(error(status, "no code <kari@example.no>", "kari@example.no has moved"))
        assert "kari" not in repr(spoken)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"status": "NotStarted"}, Unfinished()),
        ({"status": "Running"}, Unfinished()),
        ({"status": "Teleported"}, Unfinished()),
        ({"status": "Succeeded"}, Accepted(OURS)),
        ({"status": "Failed", "error": {"code": "TooManyRequests"}}, NotSent("Failed: TooManyRequests")),
        (
            {"status": "Failed", "error": {"code": SUPPRESSED}},
            Refused("Failed_SupressedRecipient", f"Failed: {SUPPRESSED}"),
        ),
        (
            {"status": "Failed", "error": {"code": "Bad", "message": INVALID}},
            Refused("Failed_InvalidEmailFormat", "Failed: Bad"),
        ),
        (
            {"status": "Canceled", "error": {"code": "EmailDropped"}},
            Refused("Failed", "Canceled: EmailDropped"),
        ),
        ({"status": "Failed"}, Refused("Failed", "Failed: ")),
        ({"status": 7}, Unfinished(trouble="an answer that cannot be read")),
        (b"<html>", Unfinished(trouble="an answer that cannot be read")),
    ],
)
def test_only_an_end_state_ends_a_poll(given: Any, expected: object) -> None:
    assert poll_outcome(answer(200, given), reference=OURS, now=NOON) == expected


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 429, 500, 503])
def test_an_http_error_on_a_poll_says_nothing_about_the_mail(status: int) -> None:
    outcome = poll_outcome(error(status, "TooManyRequests"), reference=OURS, now=NOON)
    assert isinstance(outcome, Unfinished)
    assert outcome.trouble == f"HTTP {status} TooManyRequests"
    assert outcome.ask_after is None
    assert outcome.misconfigured is (status in {401, 403})
    again = poll_outcome(error(status, Retry_After="90"), reference=OURS, now=NOON)
    assert isinstance(again, Unfinished)
    assert again.ask_after == 90 * SECOND


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(200, {"id": OURS, "status": "Failed"}), ("accepted", OURS, False)),
        (error(429, Retry_After="90"), ("Unknown", Scope.MESSAGE, 90 * SECOND, False)),
        (error(500), ("Unknown", Scope.MESSAGE, None, False)),
        (error(400), ("Unknown", Scope.MESSAGE, None, False)),
        (error(401), ("Unknown", Scope.PROVIDER, None, True)),
        (answer(200, b"<html>"), ("Unknown", Scope.MESSAGE, None, False)),
    ],
)
def test_an_operation_of_unknown_outcome_is_accepted_only_when_it_is_known(
    given: HttpAnswer, expected: tuple[object, ...]
) -> None:
    outcome = lookup_outcome(given, reference=OURS, now=NOON)
    assert outcome is not None
    assert kind_of(outcome) == expected


def test_an_operation_that_is_not_known_never_arrived() -> None:
    assert lookup_outcome(error(404), reference=OURS, now=NOON) is None


@given(st.integers(200, 599), st.binary(max_size=200), st.text(max_size=40), st.booleans())
def test_whatever_is_answered_has_one_of_the_four_outcomes(
    status: int,
    body: bytes,
    header: str,
    is_repeat: bool,  # noqa: FBT001 - hypothesis passes it by position
) -> None:
    strange = HttpAnswer(status, httpx.Headers([(b"retry-after", header.encode())]), body)
    assert isinstance(submitted(strange, is_repeat=is_repeat), Accepted | Refused | Deferred | Unknown)
    assert isinstance(poll_outcome(strange, reference=OURS, now=NOON), Accepted | Refused | NotSent | Unfinished)
