"""Which provider carries the next message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope, Unknown
from altinn_notifications.events import Kind
from altinn_notifications.sending.pauses import Pause
from altinn_notifications.sending.routing import MANY, TIMED_CALLS
from altinn_notifications.sending.schedules import Decision
from support.lanes import routes_to
from support.providers import ScriptedProvider
from support.times import HOUR, MINUTE, NOON, SECOND

if TYPE_CHECKING:
    from datetime import datetime

    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.sending.routing import Routes

TAKEN, LOST = Accepted("1"), Unknown("no answer in time")
DOWN = Deferred(Scope.PROVIDER, "421")


def two(**changes: Any) -> Routes[Any]:
    return routes_to(ScriptedProvider("smtp"), ScriptedProvider("acs"), **changes)


def chosen(routes: Routes[Any], now: datetime = NOON, domain: str = "ttd.no", **changes: Any) -> str | None:
    route = routes.choose(domain, now, **changes)
    return None if route is None else route.provider.name


def call(
    routes: Routes[Any],
    outcome: Outcome,
    now: datetime = NOON,
    *,
    seconds: float = 0.1,
    pause: tuple[str, datetime] | None = None,
    misconfigured: bool = False,
) -> Decision:
    """One call through the chosen provider; `pause` is what was decided of a domain, or of all if that is empty."""
    route = routes.choose("ttd.no", now)
    assert route is not None
    domain, until = pause or ("", None)
    decision = Decision(
        Kind.SEND_ACCEPTED,
        pause_until=until,
        pause_domain=domain,
        misconfigured=misconfigured,
        detail={"reason": "because"},
    )
    return routes.learn(route, outcome, decision, seconds=seconds, now=now)


def test_the_preferred_provider_carries_everything_while_it_is_well() -> None:
    routes = two()
    assert {chosen(routes) for _ in range(5)} == {"smtp"}
    assert routes.room("ttd.no", NOON) == MANY


def test_a_paused_provider_is_passed_over_and_tried_with_one_message_at_a_time() -> None:
    routes = two()
    call(routes, DOWN, pause=("", NOON + MINUTE))
    assert chosen(routes) == "acs"
    later = NOON + MINUTE
    assert [chosen(routes, later) for _ in range(3)] == ["smtp", "acs", "acs"]


@pytest.mark.parametrize("answer", [TAKEN, Refused("Failed", "554"), Deferred(Scope.MESSAGE, "450")])
def test_any_answer_opens_a_provider_again(answer: Outcome) -> None:
    routes = two()
    call(routes, DOWN, pause=("", NOON + MINUTE))
    assert call(routes, answer, NOON + MINUTE).clears == ("",)
    assert {chosen(routes, NOON + MINUTE) for _ in range(3)} == {"smtp"}


@pytest.mark.parametrize("failure", [LOST, Deferred(Scope.CALL, "503")])
def test_a_provider_that_fails_when_it_is_tried_is_left_alone_once_more(failure: Outcome) -> None:
    routes = two()
    call(routes, DOWN, pause=("", NOON + MINUTE))
    decision = call(routes, failure, NOON + MINUTE)
    assert (decision.pause_until, decision.clears) == (NOON + 2 * MINUTE, ())
    assert chosen(routes, NOON + 2 * MINUTE - SECOND) == "acs"


def test_a_probe_that_was_not_made_lets_another_be() -> None:
    routes, rung = two(), []
    call(routes, DOWN, pause=("", NOON + MINUTE))
    route = routes.choose("", NOON + MINUTE)
    assert route is not None
    routes.ring(type("Bell", (), {"set": lambda _: rung.append(1)})())
    routes.release(route)
    assert (chosen(routes, NOON + MINUTE), rung) == ("smtp", [1])


@pytest.mark.parametrize("failure", [LOST, Deferred(Scope.CALL, "503")])
def test_several_failures_in_a_row_are_an_outage(failure: Outcome) -> None:
    routes = two(failures=3)
    assert [call(routes, failure).pause_until for _ in range(2)] == [None, None]
    call(routes, TAKEN)
    assert [call(routes, failure).pause_until for _ in range(3)] == [None, None, NOON + MINUTE]
    assert chosen(routes) == "acs"


def test_refusals_and_greylisting_are_no_outage() -> None:
    routes = two(failures=2)
    for _ in range(9):
        call(routes, Deferred(Scope.MESSAGE, "450"))
        call(routes, Refused("Failed", "554"))
    assert chosen(routes) == "smtp"


def test_a_pause_of_one_sender_domain_is_nobody_elses() -> None:
    routes = two()
    call(routes, Deferred(Scope.DOMAIN, "450 4.1.8"), pause=("ttd.no", NOON + MINUTE))
    assert (chosen(routes, domain="ttd.no"), chosen(routes, domain="skd.no")) == ("acs", "smtp")
    alone = routes_to(ScriptedProvider("smtp"))
    call(alone, Deferred(Scope.DOMAIN, "450 4.1.8"), pause=("ttd.no", NOON + MINUTE))
    assert (alone.room("ttd.no", NOON), alone.room("ttd.no", NOON + MINUTE), alone.room("", NOON)) == (0, 1, MANY)


def test_a_slow_provider_is_left_for_one_that_is_not_and_comes_back_when_it_is_fast() -> None:
    routes = two(slow_seconds=1.0)
    for _ in range(TIMED_CALLS):
        call(routes, TAKEN, seconds=2.0)
    assert (chosen(routes), routes.speeds()) == ("acs", {"smtp": "slow", "acs": "ok"})
    call(routes, TAKEN, NOON + MINUTE, seconds=2.0)
    assert chosen(routes, NOON + MINUTE) == "acs"
    call(routes, TAKEN, NOON + 2 * MINUTE, seconds=0.1)
    assert {chosen(routes, NOON + 2 * MINUTE) for _ in range(3)} == {"smtp"}


def test_a_few_slow_calls_change_nothing() -> None:
    routes = two(slow_seconds=1.0)
    for number in range(3 * TIMED_CALLS):
        call(routes, TAKEN, seconds=2.0 if number % 2 else 0.1)
    assert chosen(routes) == "smtp"


def test_a_slow_provider_is_better_than_none() -> None:
    routes = routes_to(ScriptedProvider("smtp"), slow_seconds=1.0)
    for _ in range(2 * TIMED_CALLS):
        call(routes, TAKEN, seconds=2.0)
    assert (chosen(routes), routes.room("", NOON)) == ("smtp", MANY)
    for _ in range(TIMED_CALLS):
        call(routes, TAKEN, seconds=0.1)
    assert routes.speeds() == {"smtp": "ok"}


def test_what_others_learned_counts_and_what_they_cleared_does_not_any_more() -> None:
    routes = two()
    routes.update([Pause("smtp", NOON + HOUR, "421"), Pause("link", NOON + HOUR, "of another channel")])
    assert (chosen(routes), routes.opens_at(NOON)) == ("acs", NOON + HOUR)
    routes.update([])
    assert chosen(routes) == "smtp"


def test_an_operator_ends_a_pause_that_others_put_up() -> None:
    routes = routes_to(ScriptedProvider("smtp"))
    routes.update([Pause("smtp", NOON + HOUR, "535", misconfigured=True)])
    routes.update([Pause("smtp", NOON, "535", misconfigured=True)])
    assert (routes.room("", NOON), chosen(routes), chosen(routes)) == (1, "smtp", None)


def test_what_the_database_does_not_tell_yet_counts_already() -> None:
    routes = two()
    call(routes, DOWN, pause=("", NOON + MINUTE))
    routes.update([])
    assert chosen(routes) == "acs"


def test_a_message_that_is_bound_to_a_provider_goes_nowhere_else() -> None:
    routes = two()
    call(routes, DOWN, pause=("", NOON + MINUTE))
    assert (chosen(routes, only="smtp"), chosen(routes, NOON + MINUTE, only="smtp")) == (None, "smtp")


def test_the_log_calls_for_help_once_in_a_while_and_not_for_every_message() -> None:
    routes, down = routes_to(ScriptedProvider("smtp")), Deferred(Scope.PROVIDER, "535", misconfigured=True)
    with capture_logs() as lines:
        for minute in range(5):
            now = NOON + minute * MINUTE
            call(routes, down, now, pause=("", now + MINUTE), misconfigured=True)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["provider_misconfigured"]
