from __future__ import annotations

import pytest

from altinn_notifications.console.addresses import (
    AddressBook,
    addresses_are_shown,
    masked_email,
    masked_identity_number,
    masked_number,
)
from altinn_notifications.console.names import age
from altinn_notifications.settings import Environment, GeneralSettings
from support.times import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("kari@example.no", "ka***@example.no"),
        ("kar@example.no", "ka***@example.no"),
        ("ka@example.no", "***@example.no"),
        ("k@example.no", "***@example.no"),
        ('"a@b"@example.no', '"a***@example.no'),
    ],
)
def test_an_email_address_keeps_two_characters_and_its_domain(address: str, masked: str) -> None:
    assert masked_email(address) == masked


@pytest.mark.parametrize(
    ("number", "masked"),
    [("+4799999901", "+47******01"), ("99999901", "999***01"), ("12345", "*****"), ("1234567", "*******"), ("", "")],
)
def test_a_number_keeps_its_country_and_two_figures(number: str, masked: str) -> None:
    assert masked_number(number) == masked


def test_a_person_keeps_the_date_of_birth() -> None:
    assert masked_identity_number("01017012345") == "010170*****"


@pytest.mark.parametrize("environment", Environment)
def test_only_the_local_environment_shows_addresses(environment: Environment) -> None:
    assert addresses_are_shown(GeneralSettings(environment=environment)) is (environment is Environment.LOCAL)


def test_a_person_is_masked_even_where_addresses_are_shown() -> None:
    book = AddressBook(shows_addresses=True)
    assert book.address("kari@example.no") == "kari@example.no"
    assert book.identity("01017012345", None) == "person 010170*****"
    assert book.identity(None, "991825827") == "organisation 991825827"
    assert book.identity(None, None) is None


def test_a_duration_is_told_in_its_two_largest_units() -> None:
    durations = (0 * SECOND, 59 * SECOND, MINUTE + SECOND, HOUR, 2 * DAY + 3 * HOUR + 4 * MINUTE)
    assert [age(duration) for duration in durations] == ["0 s", "59 s", "1 min 1 s", "1 h", "2 d 3 h"]
