"""Which credentials open which endpoint (spec 11, 2, 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Policy(Enum):
    """The policies of spec 01, 2. The value is the scope that satisfies it, if one does."""

    NONE = None
    CREATE = "altinn:serviceowner/notifications.create"
    COMPOSED = "altinn:serviceowner/notifications.composedemail.create"
    SUPPORT = "altinn:notifications.support.admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as far as verified credentials tell. `creator` is None when no organisation is known."""

    creator: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
