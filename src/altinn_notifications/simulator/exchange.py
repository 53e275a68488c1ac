"""What Altinn makes of others' tokens, and the claims of Altinn's own (spec 11, 3.4, 4.1 and 7.2). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from altinn_notifications.simulator.maskinporten import AUTHORITY
from altinn_notifications.simulator.owners import short_name_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ALTINN_TOKEN_SECONDS: Final = 1800
PLATFORM_TOKEN_SECONDS: Final = 300
_NOT_COPIED: Final = frozenset({"aud", "iss", "client_amr", "sid"})


class NotExchangeable(Exception):
    """The token names no organisation that could act in Altinn."""


def exchanged(maskinporten: Mapping[str, Any], issuer: str, now: datetime) -> dict[str, Any]:
    """The claims of the Altinn token for verified Maskinporten claims. Raises `NotExchangeable`.

    An organisation that is not on the list of service owners gets no `urn:altinn:org`. Source: spec 11, 7.2.
    """
    number = _organisation_number(maskinporten.get("consumer"))
    copied = {name: value for name, value in maskinporten.items() if name not in _NOT_COPIED}
    short_name = short_name_of(number) if "altinn:serviceowner" in str(copied.get("scope")) else None
    return {**copied, **organisation_claims(short_name, number, issuer), **lifetime(now, ALTINN_TOKEN_SECONDS)}


def organisation_claims(short_name: str | None, number: str, issuer: str) -> dict[str, Any]:
    """What an Altinn token says about an organisation."""
    named = {"urn:altinn:org": short_name} if short_name else {}
    return {
        **named,
        "urn:altinn:orgNumber": number,
        "urn:altinn:authenticatemethod": "maskinporten",
        "urn:altinn:authlevel": 3,
        "iss": issuer,
        "sid": str(uuid4()),
    }


def lifetime(now: datetime, seconds: int, *, backdated: int = 0) -> dict[str, int]:
    """The times of a token that is made at `now` and lives for `seconds`."""
    issued = int(now.timestamp())
    return {"iat": issued, "nbf": issued - backdated, "exp": issued + seconds}


def _organisation_number(consumer: object) -> str:
    if not isinstance(consumer, dict) or consumer.get("authority") != AUTHORITY:
        raise NotExchangeable
    number = str(consumer.get("ID", "")).partition(":")[2]
    if not number:
        raise NotExchangeable
    return number
