from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.recipients.cleaning import normalised_number, organization_contact, point, usable_number
from altinn_notifications.recipients.contacts import Addresses, Contact

EMAILS = st.lists(st.sampled_from([None, "", " ", "a@x.no", "A@x.no", "b@x.no", "ÆØÅ@x.no", "æøå@x.no"]))
NUMBERS = st.lists(
    st.sampled_from([None, "", "12345678", "99999999", "+4799999999", "004799999999", "+4799999001", "+46701234567"])
)
USERS = st.lists(
    st.builds(
        point, st.sampled_from([None, "", "a@X.no", "c@x.no"]), st.sampled_from([None, "99999999", "1", "+47 99999999"])
    )
)


@pytest.mark.parametrize(
    ("number", "normalised", "usable"),
    [
        ("99315000", "+4799315000", True),
        ("40000000", "+4740000000", True),
        ("004740000000", "+4740000000", True),
        ("0047", "+47", False),
        ("+4750000004", "+4750000004", False),
        ("81549300", "81549300", False),
        ("12345678", "12345678", False),
        ("+233242426224", "+233242426224", True),
        ("+46701234567", "+46701234567", True),
        ("+4722000000", "+4722000000", True),
        ("+47900000001", "+47900000001", False),
        ("+4742000001", "+4742000001", False),
        ("22000000", "22000000", False),
        (" 99315000", " 99315000", False),
        ("9931500", "9931500", False),
        ("++4799999999", "++4799999999", False),
        ("", "", False),
    ],
)
def test_registered_numbers_are_made_international_and_tried(number: str, normalised: str, *, usable: bool) -> None:
    assert normalised_number(number) == normalised
    assert usable_number(number) == (normalised if usable else None)


@pytest.mark.parametrize(
    ("email", "number", "addresses"),
    [
        ("k@e.no", "99999010", Addresses(("k@e.no",), ("+4799999010",))),
        ("k@e.no", "12345678", Addresses(("k@e.no",))),
        (" ", "+4799999010", Addresses((), ("+4799999010",))),
        ("not checked", None, Addresses(("not checked",))),
        (None, None, Addresses()),
    ],
)
def test_a_persons_addresses_are_those_that_can_be_used(
    email: str | None, number: str | None, addresses: Addresses
) -> None:
    assert point(email, number) == addresses


def test_official_emails_keep_the_first_spelling() -> None:
    contact = organization_contact(["A@x.no", "a@x.no", None, " "], [], [])
    assert contact == Contact((Addresses(("A@x.no",)),))


def test_official_numbers_are_the_same_when_they_are_normalised() -> None:
    contact = organization_contact([], ["99999999", "004799999999", "+4799999999", "12345678"], [])
    assert contact == Contact((Addresses((), ("+4799999999",)),))


def test_users_lose_what_is_official_and_what_an_earlier_user_has() -> None:
    users = [
        Addresses(("POST@x.no",), ("+4799999001",)),
        Addresses(("a@x.no",), ("+4799999001",)),
        Addresses(("A@x.no",), ("+4799999106",)),
        Addresses(("b@x.no",)),
    ]
    contact = organization_contact(["post@x.no"], ["+4799999106"], users)
    assert contact.points == (
        Addresses(("post@x.no",), ("+4799999106",)),
        Addresses((), ("+4799999001",)),
        Addresses(("a@x.no",)),
        Addresses(("b@x.no",)),
    )


def test_an_organisation_without_any_address_has_no_contact_point() -> None:
    assert organization_contact([], ["1"], [Addresses()]) == Contact(())


@given(EMAILS, NUMBERS, USERS)
def test_no_address_is_there_twice_in_one_organisation(
    emails: list[str | None], numbers: list[str | None], users: list[Addresses]
) -> None:
    points = organization_contact(emails, numbers, users).points
    found = [address.lower() for one in points for address in chain(one.emails, one.mobile_numbers)]
    assert len(found) == len(set(found))
    assert all(one != Addresses() for one in points)


@given(EMAILS, NUMBERS, USERS)
def test_nothing_usable_is_lost(emails: list[str | None], numbers: list[str | None], users: list[Addresses]) -> None:
    points = organization_contact(emails, numbers, users).points
    found = {address.lower() for one in points for address in chain(one.emails, one.mobile_numbers)}
    given_ = {email.lower() for email in emails if email and email.strip()}
    given_ |= {number for number in map(usable_number, numbers) if number}
    given_ |= {address.lower() for user in users for address in chain(user.emails, user.mobile_numbers)}
    assert found == given_
