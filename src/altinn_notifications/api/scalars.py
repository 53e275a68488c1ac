"""How single JSON values are read: the types that members of a request can have (spec 01, 3.2, 3.3 and 5)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.api.json_tree import Fractional, Integer, Json, Torn
from altinn_notifications.orders.rules import is_uri_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

INT32: Final = range(-(2**31), 2**31)
UINT32: Final = range(2**32)
_WHOLE_NUMBER: Final = re.compile(r"[+-]?0*[0-9]{1,10}")
_DATE_TIME: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,16}))?)?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::(?P<zone_minute>[0-9]{2}))?)?)?"
)
_LARGEST_OFFSET: Final = timedelta(hours=14)


class Unreadable(Exception):
    """Reading stopped here. `path` is the way from the value that was being read, such as `.recipient`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def inside(self, step: str) -> Unreadable:
        """The same problem, seen from the value that holds this one under `step`."""
        self.path = step + self.path
        return self


class Kind(ABC):
    """A type of JSON value."""

    __slots__ = ()

    @abstractmethod
    def read(self, raw: Json, depth: int) -> Any:
        """The value that `raw` is, `depth` levels down. Raises `Unreadable`."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""


def refusal(raw: Json, expected: str) -> Unreadable:
    """The problem of a value that is not what it should be."""
    return Unreadable("The JSON text breaks off or is malformed here." if isinstance(raw, Torn) else expected)


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """A string of Unicode text; nothing else is turned into one."""

    pattern: str | None = None
    """What the OpenAPI document says about it; the rules of spec 02 decide."""
    max_length: int | None = None

    def read(self, raw: Json, _depth: int) -> str:
        """The text. Raises `Unreadable` for other types, lone surrogates and bytes that are not UTF-8."""
        if raw.__class__ is not str:
            raise refusal(raw, "A string is expected here.")
        if not raw.isascii():
            _demand_unicode(raw)
        return str(raw)

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        limits = {"pattern": self.pattern, "maxLength": self.max_length}
        return {"type": "string", **{name: limit for name, limit in limits.items() if limit is not None}}


@dataclass(frozen=True, slots=True)
class UriReference(Kind):
    """A string that can be read as an absolute or relative URI reference; it is kept as given."""

    def read(self, raw: Json, depth: int) -> str:
        """The reference. Raises `Unreadable`."""
        text = Text().read(raw, depth)
        if not is_uri_reference(text):
            raise Unreadable("A URL is expected here.")
        return text

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        return {"type": "string", "format": "uri"}


@dataclass(frozen=True, slots=True)
class Integer32(Kind):
    """A whole number of 32 bits, or a string that holds one."""

    minimum: int | None = None
    """What the OpenAPI document says about it; the rules decide."""
    maximum: int | None = None

    def read(self, raw: Json, _depth: int) -> int:
        """The number. Raises `Unreadable`."""
        number = _whole_number(raw)
        if number is None or number not in INT32:
            raise refusal(raw, "A whole number of 32 bits is expected here.")
        return number

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        limits = {"minimum": self.minimum, "maximum": self.maximum}
        present = {name: limit for name, limit in limits.items() if limit is not None}
        return {"type": "integer", "format": "int32", **present}


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A number from `minimum` to `maximum`, with or without fraction."""

    minimum: float
    maximum: float

    def read(self, raw: Json, _depth: int) -> float:
        """The number. Raises `Unreadable`."""
        value = float(raw) if isinstance(raw, Integer | Fractional) else None
        if value is None or not self.minimum <= value <= self.maximum:
            raise refusal(raw, f"A number from {self.minimum:.0f} to {self.maximum:.0f} is expected here.")
        return value

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        return {"type": "number", "format": "double", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Boolean(Kind):
    """`true` or `false`, and no text or number that means it."""

    def read(self, raw: Json, _depth: int) -> bool:
        """The truth value. Raises `Unreadable`."""
        if raw is not True and raw is not False:
            raise refusal(raw, "true or false is expected here.")
        return bool(raw)

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Enumeration(Kind):
    """A member by its name in any letter case, or by its number, which may stand in a string.

    A number without a member is read as that number, for a rule to refuse.
    """

    members: Mapping[int, Any]
    names: tuple[str, ...]
    """As they are written, in the sequence of `members`."""
    numbers: range = INT32
    _by_name: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = dict(zip((name.lower() for name in self.names), self.members.values(), strict=True))
        object.__setattr__(self, "_by_name", by_name)

    def read(self, raw: Json, _depth: int) -> Any:
        """The member, or the number that has none. Raises `Unreadable`."""
        if raw.__class__ is str and (member := self._by_name.get(raw.strip().lower())) is not None:
            return member
        number = _whole_number(raw.strip() if raw.__class__ is str else raw)
        if number is None or number not in self.numbers:
            raise refusal(raw, f"One of {', '.join(self.names)} is expected here.")
        return self.members.get(number, number)

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        return {"type": "string", "enum": list(self.names)}

    def name_of(self, member: Any) -> str:
        """How `member` is written."""
        return self.names[list(self.members.values()).index(member)]


@dataclass(frozen=True, slots=True)
class DateTime(Kind):
    """An ISO 8601 moment: in UTC, or without time zone (for a rule to refuse) if none was stated."""

    def read(self, raw: Json, _depth: int) -> datetime:
        """The moment, to the microsecond. Raises `Unreadable`. Source: spec 01, 5."""
        parts = _DATE_TIME.fullmatch(raw) if raw.__class__ is str else None
        if parts is None:
            raise refusal(raw, "A date and time in ISO 8601 format is expected here.")
        try:
            return _moment(parts)
        except (ValueError, OverflowError) as error:
            raise Unreadable("The date or time does not exist.") from error

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        return {"type": "string", "format": "date-time"}


def _demand_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unreadable("The string is not valid Unicode text.") from error


def _whole_number(raw: Json) -> int | None:
    if isinstance(raw, str) and not isinstance(raw, Fractional) and _WHOLE_NUMBER.fullmatch(raw):
        digits = raw.lstrip("+-").lstrip("0") or "0"
        return -int(digits) if raw.startswith("-") else int(digits)
    return None


def _moment(parts: re.Match[str]) -> datetime:
    day = date.fromisoformat(parts["date"])
    if parts["hour"] is None:
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a rule refuses what states no zone
    moment = datetime(  # noqa: DTZ001 - the zone is applied below
        day.year,
        day.month,
        day.day,
        int(parts["hour"]),
        int(parts["minute"]),
        int(parts["second"] or 0),
        int((parts["fraction"] or "0")[:6].ljust(6, "0")),
    )
    return moment if parts["zone"] is None else (moment - _offset(parts)).replace(tzinfo=UTC)


def _offset(parts: re.Match[str]) -> timedelta:
    if parts["zone"] == "Z":
        return timedelta()
    offset = timedelta(hours=int(parts["zone_hour"]), minutes=_minute(parts["zone_minute"]))
    if offset > _LARGEST_OFFSET:
        raise ValueError("no place on earth is that far from UTC")
    return -offset if parts["sign"] == "-" else offset


def _minute(text: str | None) -> int:
    minute = int(text or 0)
    if minute > 59:  # noqa: PLR2004 - an hour's last minute
        raise ValueError("no such minute")
    return minute
