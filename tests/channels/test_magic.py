from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.channels.magic import (
    EMAIL_BY_DEFAULT,
    EMAIL_WORDS,
    SMS_BY_DEFAULT,
    SMS_ENDINGS,
    Attempts,
    as_international,
    plan_for_email,
    plan_for_sms,
)


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("bounced@epost.example", "bounced"),
        ("BOUNCED@epost.example", "bounced"),
        ("bounced+p17@epost.example", "bounced"),
        ("kari+bounced@epost.example", "bounced"),
        ("kari+NoReport@epost.example", "noreport"),
    ],
)
def test_a_word_chooses_the_outcome_alone_or_beside_a_plus(address: str, word: str) -> None:
    assert plan_for_email(address) is EMAIL_WORDS[word]


@pytest.mark.parametrize("address", ["kari@bounced.example", "unbounced@x.example", "bounced.kari@x.example", "x@y"])
def test_a_word_elsewhere_in_an_address_chooses_nothing(address: str) -> None:
    assert plan_for_email(address) is EMAIL_BY_DEFAULT


def test_whole_addresses_go_before_words_in_any_letter_case() -> None:
    assert plan_for_email("Permanent-Fail@TEST.com").report == "Failed"
    assert plan_for_email("bounce@test.com").report == "Bounced"
    assert plan_for_email("bounce@example.com") is EMAIL_BY_DEFAULT
    assert plan_for_email("slow-delivery@test.com").report_after == timedelta(seconds=20)


@pytest.mark.parametrize("number", ["4799999902", "+4799999902", "004799999902", "47 99 99 99 02", "+46700000902"])
def test_the_last_three_digits_choose_the_outcome_in_any_spelling_and_country(number: str) -> None:
    assert plan_for_sms(number) is SMS_ENDINGS["902"]


@pytest.mark.parametrize("number", ["+4741000001", "004741000001", "4741000001", "+47 41 00 00 01"])
def test_whole_numbers_go_before_endings(number: str) -> None:
    assert plan_for_sms(number).refusal == "Invalid RCV"


def test_any_other_number_is_delivered() -> None:
    assert plan_for_sms("+4799999001") is SMS_BY_DEFAULT


@given(st.text(alphabet="0123456789", min_size=1, max_size=15).filter(lambda digits: not digits.startswith("00")))
def test_a_number_is_the_same_in_each_spelling(digits: str) -> None:
    assert as_international(digits) == as_international(f"+{digits}") == as_international(f"00{digits}") == f"+{digits}"


def test_once_let_through_the_count_of_attempts_starts_anew() -> None:
    attempts = Attempts()
    assert [attempts.refuse("a", 2) for _ in range(6)] == [True, True, False, True, True, False]


def test_attempts_of_different_messages_are_counted_apart() -> None:
    attempts = Attempts()
    assert attempts.refuse("a", 1)
    assert attempts.refuse("b", 1)
    assert not attempts.refuse("a", 1)


def test_only_the_newest_attempts_are_remembered() -> None:
    attempts = Attempts()
    for number in range(10_001):
        attempts.refuse(number, 1)
    assert attempts.refuse(0, 1)  # forgotten, so it counts as the first again
    assert not attempts.refuse(10_000, 1)
