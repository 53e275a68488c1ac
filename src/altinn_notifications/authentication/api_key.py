"""The shared secret of the job that collects the daily metrics files (spec 11, 6 and spec 07, 2.2)."""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

HEADER: Final = b"x-api-key"
PLACEHOLDER: Final = "injected-at-deploy-time"
"""What stands in the original's shipped configuration. It is public, so it is never a key."""


class KeyFault(StrEnum):
    """Why a request has not shown the key, in the words of the answer."""

    MISSING = "The X-API-Key header is missing."
    BLANK = "The X-API-Key header is empty."
    NOT_CONFIGURED = "No API key is configured, so none is accepted."
    WRONG = "The API key is wrong."


def fault_of_key(scope: Mapping[str, Any], configured: SecretStr | None) -> KeyFault | None:
    """What is wrong with the request's key, or None if it is the configured one.

    Of a repeated header the first value counts; the raw headers are read because joined values would hide which that
    is. The time of the comparison does not tell where the values differ.
    """
    given = next((value.strip() for name, value in scope["headers"] if name.lower() == HEADER), None)
    if given is None:
        return KeyFault.MISSING
    if not given:
        return KeyFault.BLANK
    expected = configured.get_secret_value().strip() if configured else ""
    if expected in ("", PLACEHOLDER):
        return KeyFault.NOT_CONFIGURED
    return None if hmac.compare_digest(given, expected.encode()) else KeyFault.WRONG
