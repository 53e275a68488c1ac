from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.platform.check_digits import is_identity_number, is_organization_number


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("12838530255", True),
        ("51858223230", True),
        ("15507600333", True),
        ("06678425298", True),
        ("12838530256", False),
        ("12838530265", False),
        ("1283853025", False),
        ("128385302555", False),
        ("1283853025x", False),
        ("١٢٨٣٨٥٣٠٢٥٥", False),
        ("", False),
    ],
)
def test_identity_numbers_of_every_variant_have_two_check_digits(number: str, right: bool) -> None:  # noqa: FBT001 - one row of the table
    assert is_identity_number(number) is right


def test_a_relaxed_first_check_digit_is_right_too() -> None:
    # The weighted sum of 128385302 leaves 6, so the first check digit is 5, and since 2032 also 6, 7 or 8; with 8 the
    # second one would be ten (spec 13, 6).
    assert {number[9] for number in _right_numbers("128385302")} == {"5", "6", "7"}


def test_a_base_whose_first_check_digit_would_be_ten_has_relaxed_numbers_only() -> None:
    assert {number[9] for number in _right_numbers("128385305")} <= {"0", "1", "2"}


def _right_numbers(base: str) -> list[str]:
    return [number for number in (f"{base}{tail:02}" for tail in range(100)) if is_identity_number(number)]


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("319900241", True),
        ("313600947", True),
        ("991825827", True),
        ("319900242", False),
        ("31990024", False),
        ("3199002411", False),
        ("31990024x", False),
    ],
)
def test_organisation_numbers_have_one_check_digit(number: str, right: bool) -> None:  # noqa: FBT001 - one row of the table
    assert is_organization_number(number) is right


def test_a_base_whose_check_digit_would_be_ten_has_no_number() -> None:
    assert not any(is_organization_number(f"31990008{digit}") for digit in range(10))


@given(st.from_regex(r"[0-9]{8}", fullmatch=True))
def test_a_base_has_at_most_one_organisation_number(base: str) -> None:
    assert sum(is_organization_number(f"{base}{digit}") for digit in range(10)) <= 1
