"""Check digits of Norwegian identity and organisation numbers (spec 13, 6 and 7).

They never decide whether an order is accepted: a number that is well formed but wrong simply has no contact data. They
decide whether Register can be asked, because one wrong number makes it refuse a whole call (spec 12, 3).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_IDENTITY: Final = re.compile(r"[0-9]{11}")
_ORGANIZATION: Final = re.compile(r"[0-9]{9}")
_FIRST_WEIGHTS: Final = (3, 7, 6, 1, 8, 9, 4, 5, 2)
_SECOND_WEIGHTS: Final = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_ORGANIZATION_WEIGHTS: Final = (3, 2, 7, 6, 5, 4, 3, 2)
_RELAXATIONS: Final = range(4)  # since the numbers of 2032 the first check digit may be any of four (spec 13, 6)
_UNUSABLE: Final = 10  # of two digits, so no number has it


def is_identity_number(number: str) -> bool:
    """Whether the two check digits are right, by the old rule or the relaxed one; the date is not looked at."""
    if not _IDENTITY.fullmatch(number):
        return False
    digits = [int(digit) for digit in number]
    first = {(_mod_11(digits, _FIRST_WEIGHTS) + more) % 11 for more in _RELAXATIONS} - {_UNUSABLE}
    return digits[9] in first and digits[10] == _mod_11(digits, _SECOND_WEIGHTS)


def is_organization_number(number: str) -> bool:
    """Whether the check digit is right."""
    if not _ORGANIZATION.fullmatch(number):
        return False
    digits = [int(digit) for digit in number]
    return digits[8] == _mod_11(digits, _ORGANIZATION_WEIGHTS)


def _mod_11(digits: Sequence[int], weights: Sequence[int]) -> int:
    return -sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11
