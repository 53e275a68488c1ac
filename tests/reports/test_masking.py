from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.reports.masking import masked_address, masked_text


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("sender@example.com", "se***@example.com"),
        ("ab@example.com", "***@example.com"),
        ("a@example.com", "***@example.com"),
        ("abc@x.no", "ab***@x.no"),
        ("abc@x@y.no", "ab***@x@y.no"),
        ("not-an-email", ""),
        ("@example.com", ""),
        ("kari@", ""),
        ("kari@x@", ""),
        ("  ", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_keeps_two_letters_and_its_domain(address: str | None, masked: str) -> None:
    assert masked_address(address) == masked


@given(st.text(st.characters(exclude_characters="@"), min_size=3), st.text(min_size=1).filter(lambda d: d[-1] != "@"))
def test_of_a_local_part_no_more_than_two_letters_are_shown(local: str, domain: str) -> None:
    assert masked_address(f"{local}@{domain}") == f"{local[:2]}***@{domain}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("550 KARI@EXAMPLE.COM: no such user", "550 ka***@example.com: no such user"),
        ("<kari@example.com> from <noreply@altinn.no>", "<ka***@example.com> from <no***@altinn.no>"),
        ("ola@example.com is another", "ola@example.com is another"),
        ("nothing to hide ", "nothing to hide "),
        (" \n", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_known_addresses_are_masked_in_a_text_whatever_their_letter_case(text: str | None, masked: str) -> None:
    assert masked_text(text, recipient="kari@example.com", sender="noreply@altinn.no") == masked


def test_an_address_is_looked_for_as_it_is_spelled_and_not_as_a_pattern() -> None:
    text = "karixexample.com and k.ri+x\\1@example.com"
    assert masked_text(text, recipient="k.ri+x\\1@example.com", sender=None) == "karixexample.com and k.***@example.com"


def test_addresses_that_are_not_known_leave_the_text_alone() -> None:
    assert masked_text("550 kari@example.com", recipient=None, sender=" ") == "550 kari@example.com"
