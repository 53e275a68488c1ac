"""Which texts name somebody who can be written to: the value rules of addresses and identities (spec 02, 3.1 to 3.5).

The rules check and never rewrite: what was given is what is stored.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

import phonenumbers

_ATOM: Final = r"[A-Za-z0-9æøåÆØÅ!#$%&'*+\-=?^_`{|}~;]+"
_QUOTED: Final = r"&quot;[^&quot;]+&quot;"  # the original's pattern was kept in HTML, and so are its quotation marks
_LABEL: Final = r"[A-Za-z0-9æøåÆØÅ](?:[A-Za-z0-9æøåÆØÅ-]{0,61}[A-Za-z0-9æøåÆØÅ])?"
_DOMAIN: Final = rf"(?:{_LABEL}\.){{1,9}}[A-Za-z]{{2,14}}|[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}"
_EMAIL: Final = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_DOMAIN})")
_PERSON: Final = re.compile(r"[0-9]{11}")
_ORGANIZATION: Final = re.compile(r"[0-9]{9}")
_LETTER: Final = re.compile(r"[^\W\d_]")

_LONGEST_NUMBER: Final = 250  # what the numbering library looks at; nothing longer is remembered

_EMAIL_IDENTITY: Final = "urn:altinn:person:idporten-email:"
_NAME_IDENTITIES: Final = (
    "urn:altinn:party:username:",
    "urn:altinn:username:",
    "urn:altinn:person:legacy-selfidentified:",
)


def is_email_address(text: str) -> bool:
    """Whether `text`, without surrounding whitespace, is exactly one email address. Source: spec 02, 3.1."""
    return _EMAIL.fullmatch(text.strip()) is not None


def is_mobile_number(text: str) -> bool:
    """Whether `text` is a valid number in international form, of whatever line type.

    Extensions and numbers spelled with letters are refused. Source: spec 02, 3.2.
    """
    return len(text) <= _LONGEST_NUMBER and _is_number_in_use(text)


@lru_cache(maxsize=10_000)
def _is_number_in_use(text: str) -> bool:
    number = f"+{text[2:]}" if text.startswith("00") else text
    if not number.startswith("+") or number.startswith("++") or _LETTER.search(number):
        return False
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return not parsed.extension and phonenumbers.is_valid_number(parsed)


def is_national_identity_number(text: str) -> bool:
    """Whether `text` is eleven digits; neither date nor checksum is looked at. Source: spec 02, 3.3."""
    return _PERSON.fullmatch(text) is not None


def is_organization_number(text: str) -> bool:
    """Whether `text` is nine digits; the checksum is not looked at. Source: spec 02, 3.4."""
    return _ORGANIZATION.fullmatch(text) is not None


def is_external_identity(text: str) -> bool:
    """Whether `text` is a URN of an ID-porten email user or of a user name. Source: spec 02, 3.5."""
    if text.startswith(_EMAIL_IDENTITY):
        return is_email_address(_decoded(text.removeprefix(_EMAIL_IDENTITY)))
    prefix = next((prefix for prefix in _NAME_IDENTITIES if text.startswith(prefix)), None)
    return prefix is not None and bool(_decoded(text.removeprefix(prefix)).strip())


def _decoded(value: str) -> str:
    return unquote_plus(value) if "%" in value or "+" in value else value
