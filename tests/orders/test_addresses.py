"""The value rules of addresses and identities (spec 02, 3.1 to 3.5 and spec 05, 5)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.orders.addresses import (
    is_email_address,
    is_external_identity,
    is_mobile_number,
    is_national_identity_number,
    is_organization_number,
)

ATOM = string.ascii_letters + string.digits + "æøåÆØÅ!#$%&'*+-=?^_`{|}~;"
LABEL = string.ascii_letters + string.digits + "æøåÆØÅ"


@pytest.mark.parametrize(
    "text",
    [
        "kari@example.no",
        " kari@example.no ",
        "\tkari@example.no\r\n",
        "a;b@example.no",
        "kari@blåbær.no",
        "æge_sjøåsen@domain.com",
        "kari@999.1.1.1",
        "a@10.0.0.300",
        "john.doe@sub.domain.example",
        "gratis-netflix+1@gmail.com",
        "user.name+tag@domain.co.uk",
        "&quot;kari @ hjemme&quot;@example.no",
        "a@xn--blbr-roah.no",
        "a@1.2.3.4.5.6.7.8.9.no",
        f"{'x' * 500}@example.no",
        f"a@{'x' * 63}.no",
        "a@b.abcdefghijklmn",
    ],
)
def test_email_addresses(text: str) -> None:
    assert is_email_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "kari",
        "kari@",
        "@example.no",
        "kari@localhost",
        "kari@example..no",
        ".kari@example.no",
        "kari.@example.no",
        "ka..ri@example.no",
        "kari@[1.2.3.4]",
        "kari@1.2.3",
        "kari@1.2.3.4.5",
        "kari@1.2.3.4567",
        "kari@a.n0",
        "kari@a.xn--p1ai",
        "kari@a.n",
        "kari@b.abcdefghijklmno",
        "kari@bücher.de",
        "kåre nordmann@example.no",
        "kär@example.no",
        "one@example.com;two@example.com",
        "one@example.com, two@example.com",
        "user@exa!mple.com",
        "Kari <kari@example.no>",
        '"kari"@example.no',
        "ka/ri@example.no",
        "ka:ri@example.no",
        "ka(ri)@example.no",
        "kari@-a.no",
        "kari@a-.no",
        f"kari@{'x' * 64}.no",
        "kari@1.2.3.4.5.6.7.8.9.10.no",
        "&quot;a;b c&quot;@example.no",
        "kari@example.no\u200b",
        "kari@١.٢.٣.٤",  # noqa: RUF001 - digits that are not ASCII
    ],
)
def test_what_is_no_email_address(text: str) -> None:
    assert not is_email_address(text)


@given(
    st.lists(st.text(ATOM, min_size=1), min_size=1, max_size=4),
    st.lists(st.text(LABEL, min_size=1, max_size=63), min_size=1, max_size=9),
    st.text(string.ascii_letters, min_size=2, max_size=14),
)
def test_atoms_at_labels_make_an_email_address(atoms: list[str], labels: list[str], top: str) -> None:
    assert is_email_address(f"{'.'.join(atoms)}@{'.'.join(labels)}.{top}")


@given(st.text())
def test_a_text_without_at_is_no_email_address(text: str) -> None:
    assert not is_email_address(text.replace("@", ""))


def test_a_long_hostile_text_is_judged_at_once() -> None:
    assert not is_email_address("a." * 200_000 + "@" + "a-" * 200_000)


@pytest.mark.parametrize(
    "text",
    [
        "+4799999999",
        "004799999999",
        "+4740000000",
        "+233242426224",
        "+46701234567",
        "+47 99 99 99 99",
        "+47 99999999 ",
        "+47-999-99-999",
        "+47(999)99999",
        "+ 4799999999",
        "+4722222222",
    ],
)
def test_mobile_numbers(text: str) -> None:
    assert is_mobile_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "99999999",
        "40000000",
        "4799999999",
        " +4799999999",
        "++4799999999",
        "+4750000004",
        "+4712345678",
        "+479999999",
        "+47999999999",
        "+14790000000",
        "+999999999999",
        "+4799999999abc",
        "abc",
        "00+4799999999",
        "+4799999999 ext. 5",
        "+4799999999#5",
        "+1800FLOWERS",
        "+",
        "00",
        "+47" + "9" * 300,
        "+4799999999" + " " * 300,
    ],
)
def test_what_is_no_mobile_number(text: str) -> None:
    assert not is_mobile_number(text)


@given(st.text(st.sampled_from("+0479 -()x.;=,/"), max_size=40) | st.text())
def test_any_text_is_or_is_not_a_mobile_number(text: str) -> None:
    assert isinstance(is_mobile_number(text), bool)


@given(st.integers(0, 9_999_999))
def test_norwegian_mobile_numbers_are_valid_with_either_prefix(number: int) -> None:
    assert is_mobile_number(f"+479{number:07}") == is_mobile_number(f"00479{number:07}")


@pytest.mark.parametrize(("length", "is_valid"), [(11, is_national_identity_number), (9, is_organization_number)])
def test_numbers_of_persons_and_organizations_are_digits_of_one_length(length: int, is_valid: object) -> None:
    assert callable(is_valid)
    assert is_valid("0" * length)
    assert is_valid("1606941234567890"[:length])
    for wrong in (
        "1" * (length - 1),
        "1" * (length + 1),
        "1" * (length - 1) + "a",
        f" {'1' * length}",
        f"{'1' * length}\n",
    ):
        assert not is_valid(wrong)
    assert not is_valid("\u0661" * length)


@pytest.mark.parametrize(
    "text",
    [
        "urn:altinn:person:idporten-email:user@example.com",
        "urn:altinn:person:idporten-email:user%2Btag@example.com",
        "urn:altinn:person:idporten-email:user%40example.com",
        "urn:altinn:username:kari.n",
        "urn:altinn:username:kari:n",
        "urn:altinn:party:username:ola_n7",
        "urn:altinn:person:legacy-selfidentified:ola_n7",
        "urn:altinn:username:100%",
        "urn:altinn:username:%C3%A5se",
    ],
)
def test_external_identities(text: str) -> None:
    assert is_external_identity(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "urn:altinn:username:",
        "urn:altinn:username",
        "urn:altinn:username:%20",
        "urn:altinn:username:+",
        "urn:altinn:person:legacy-selfidentified:   ",
        "urn:altinn:person:idporten-email:user@example",
        "urn:altinn:person:idporten-email:user+tag@example.com",
        "URN:altinn:username:x",
        "urn:altinn:organization:123456789",
        " urn:altinn:username:x",
        "user@example.com",
    ],
)
def test_what_is_no_external_identity(text: str) -> None:
    assert not is_external_identity(text)
