from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.lifecycle import (
    ANY_PENDING,
    BORN_FINAL,
    ORDER_MOVES,
    PENDING_RESULTS,
    Channel,
    EmailResult,
    OrderStatus,
    SmsResult,
    Source,
    is_pending,
    may_replace,
)
from altinn_notifications.orders import cancellation, completion
from altinn_notifications.processing import due_orders
from altinn_notifications.reports import matching
from altinn_notifications.sending import attempts, claims, polling, termination

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = sorted({*EmailResult, *SmsResult})
FINAL = [result for result in RESULTS if result not in ANY_PENDING]
results = st.sampled_from(RESULTS)


def named_states(sql: str, column: str) -> Iterator[set[str]]:
    """The sets of states that a statement demands of `column`."""
    for match in re.finditer(rf"(?<!\w){column} (?:\|\| '' )?(?:= '(\w+)'|IN \(([^)]*)\))", sql):
        yield {match[1]} if match[1] else {name.strip(" '") for name in match[2].split(",")}


@pytest.mark.parametrize(
    ("statement", "new"),
    [
        (due_orders.CLAIM, OrderStatus.PROCESSING),
        (completion.COMPLETE, OrderStatus.COMPLETED),
        (cancellation.CANCEL, OrderStatus.CANCELLED),
    ],
)
def test_a_statement_leaves_only_states_that_the_table_allows_it_to_leave(statement: str, new: OrderStatus) -> None:
    guard = statement.partition("NOT EXISTS")[0]
    states = [state for group in named_states(guard, r"(?:s\.)?status") for state in group]
    assert states
    for state in set(states) - {new}:
        assert new in ORDER_MOVES[OrderStatus(state)], f"{state} -> {new}"


def test_the_end_of_a_claim_leaves_only_processing() -> None:
    assert list(named_states(due_orders.END_CLAIMS.partition("FROM")[2], r"s\.status")) == [{"Processing"}]


@pytest.mark.parametrize(
    ("statement", "source", "new"),
    [
        (claims.CLAIM_NEW, Source.CLAIM, "Sending"),
        (claims.HAND_BACK, Source.HAND_BACK, "New"),
        (attempts.CLOSE, Source.SEND_RESULT, "Succeeded"),
        (polling.RECORD, Source.SEND_RESULT, "Succeeded"),
        (polling.RECORD, Source.HAND_BACK, "New"),
        (termination.TERMINATE, Source.TERMINATION, "Failed_TTL"),
    ],
)
def test_a_statement_replaces_only_results_that_its_source_may_replace(
    statement: str, source: Source, new: str
) -> None:
    guarded = [state for group in named_states(statement, r"(?:s\.)?result") for state in group if state != new]
    assert guarded
    assert all(may_replace(source, state, new) for state in guarded)


def test_the_pending_results_in_sql_are_those_of_the_table() -> None:
    for statement in (completion.COMPLETE, termination.TERMINATE):
        assert ANY_PENDING in list(named_states(statement, r"(?:n\.)?result"))


def test_pending_results_are_the_union_of_both_channels() -> None:
    assert frozenset().union(*PENDING_RESULTS.values()) == ANY_PENDING
    assert set(PENDING_RESULTS) == set(Channel)


def test_results_that_notifications_are_born_with_are_final() -> None:
    assert not any(map(is_pending, BORN_FINAL))


@given(results, results)
def test_a_final_result_gives_way_only_to_a_delivery_report(old: str, new: str) -> None:
    if not is_pending(old):
        assert not any(may_replace(source, old, new) for source in Source if source is not Source.DELIVERY_REPORT)


@given(st.sampled_from(Source), st.sampled_from(FINAL), results)
def test_nothing_turns_a_final_result_into_a_pending_one(source: Source, old: str, new: str) -> None:
    if is_pending(new):
        assert not may_replace(source, old, new)


@given(results, st.sampled_from(FINAL))
def test_a_delivery_report_may_correct_anything(old: str, new: str) -> None:
    assert may_replace(Source.DELIVERY_REPORT, old, new)


def test_a_report_is_applied_whatever_the_result_was() -> None:
    assert list(named_states(matching.APPLY, r"s\.result")) == []


@pytest.mark.parametrize("status", [OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.SEND_CONDITION_NOT_MET])
def test_a_final_order_state_is_never_left(status: OrderStatus) -> None:
    assert status not in ORDER_MOVES
