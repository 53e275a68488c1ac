"""The language in which request models are described.

One description serves reading, the check of what must be given, and the OpenAPI document. A model is a frozen class:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class SmsSettings:
        body: RequiredText
        sender: Annotated[str | None, About("Name or number.")] = None

A member without default must be present (its absence is a layer 1 error of the object). One whose type allows None may
be null, which is the same as absent; for other texts, objects and lists null is a layer 2 error, for all other values a
layer 1 error. A note in `Annotated` can say otherwise (`Given`), choose another `Kind` than the type's usual one, or
add what only the document needs. Modules of models evaluate their annotations: they have no future import of them.

A member's JSON name is its name in camelCase; its segment in the keys of layers 2 and 3 is the same with a capital
first letter, unless a `Key` is noted (spec 01, 6.4). The layers are those of spec 01, 6.2.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, get_args, get_origin

from altinn_notifications.api.json_tree import MAX_DEPTH, Json, Torn
from altinn_notifications.api.scalars import (
    Boolean,
    DateTime,
    Integer32,
    Kind,
    Text,
    Unreadable,
    UriReference,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed import DataclassInstance

    from altinn_notifications.api.json_tree import Members
    from altinn_notifications.orders.rules import Faults

Model = TypeVar("Model", bound="DataclassInstance")
Note = TypeVar("Note")


class Given(Enum):
    """What a member that is there must hold."""

    NULLABLE = "null is the same as absent"
    NOT_NULL = "null is a layer 2 error"
    NOT_BLANK = "null, the empty string and whitespace are layer 2 errors"
    NEVER_NULL = "null is a layer 1 error"


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """The member's segment in the keys of layers 2 and 3, when it is not made from its name."""

    segment: str


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """What the OpenAPI document says of the member, and the default it shows if that is not applied (spec 01, 12)."""

    text: str
    default: Any = None


RequiredText = Annotated[str, Given.NOT_BLANK]
OptionalUri = Annotated[str | None, UriReference()]
_KINDS: Final[Mapping[type, Kind]] = {str: Text(), int: Integer32(), bool: Boolean(), datetime: DateTime()}


@dataclasses.dataclass(frozen=True, slots=True)
class Nested(Kind):
    """An object of `model`."""

    model: type[Any]

    def read(self, raw: Json, depth: int) -> Any:
        """The object. Raises `Unreadable`."""
        return contract_of(self.model).read(raw, depth)

    def schema(self) -> dict[str, Any]:
        """A reference to the OpenAPI schema of the model."""
        return {"$ref": f"#/components/schemas/{self.model.__name__}"}


@dataclasses.dataclass(frozen=True, slots=True)
class NestedList(Kind):
    """A list of objects of `model`."""

    model: type[Any]

    def read(self, raw: Json, depth: int) -> tuple[Any, ...]:
        """The objects, with None for null. Raises `Unreadable`."""
        if raw.__class__ is list:
            return self._items(raw, depth + 1)
        if isinstance(raw, Torn) and isinstance(raw.so_far, list):
            self._items(raw.so_far, depth + 1)
        raise refusal(raw, "A list is expected here.")

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of the value."""
        return {"type": "array", "items": Nested(self.model).schema()}

    def _items(self, items: list[Json], depth: int) -> tuple[Any, ...]:
        contract = contract_of(self.model)
        return tuple(_item(contract, item, position, depth) for position, item in enumerate(items))


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One property of a JSON object."""

    attribute: str
    json_name: str
    key: str
    kind: Kind
    given: Given
    must_be_present: bool
    default: Any
    about: About

    @property
    def is_required(self) -> bool:
        """Whether a request without it is refused, in whichever layer."""
        return self.must_be_present or (self.given is Given.NOT_BLANK and not self.default)

    def read(self, raw: Json, depth: int) -> Any:
        """The value. Raises `Unreadable`."""
        if raw is not None:
            return self.kind.read(raw, depth)
        if self.given is Given.NEVER_NULL:
            raise Unreadable("null is not allowed here.")
        return self.default if self.given is Given.NULLABLE else None

    def held(self, key: str, value: Any) -> list[tuple[str, Any]]:
        """The objects in `value`, which an object at `key` holds, each with its path; nulls are left out.

        Paths of objects end with a dot, that of the root is empty.
        """
        if isinstance(value, tuple):
            items = enumerate(value)
            return [(f"{key}{self.key}[{position}].", item) for position, item in items if item is not None]
        return [] if value is None else [(f"{key}{self.key}.", value)]


class Contract(Generic[Model]):
    """How objects of one model are read, checked for what must be given, and described."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.members = tuple(_member(field) for field in dataclasses.fields(model))
        self._by_name = {member.json_name: member for member in self.members}
        self._by_lower_name = {member.json_name.lower(): member for member in self.members}
        self._present = {member.attribute: member.json_name for member in self.members if member.must_be_present}
        self.texts = tuple(member for member in self.members if isinstance(member.kind, Text | UriReference))
        self.containers = tuple(member for member in self.members if isinstance(member.kind, Nested | NestedList))
        self._required = tuple(member for member in self.members if member.given in {Given.NOT_NULL, Given.NOT_BLANK})

    def read(self, raw: Json, depth: int = 0) -> Model:
        """The object that `raw` is, `depth` levels down. Raises `Unreadable` for its first problem."""
        if raw.__class__ is tuple:
            values = self._values(raw, depth + 1)
            if not values.keys() >= self._present.keys():
                missing = (name for attribute, name in self._present.items() if attribute not in values)
                raise Unreadable(f"Required but missing: {', '.join(missing)}.")
            return self.model(**values)
        if isinstance(raw, Torn) and isinstance(raw.so_far, tuple):
            self._values(raw.so_far, depth + 1)
        raise refusal(raw, "An object is expected here.")

    def _values(self, members: Members, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, raw in members:
                member = self._by_name.get(name) or self._in_any_case(name)
                if member is None:
                    _skip(raw, depth)
                else:
                    values[member.attribute] = member.read(raw, depth)
        except Unreadable as problem:
            raise problem.inside(f".{name}") from None
        return values

    def _in_any_case(self, name: str) -> Member | None:
        return self._by_lower_name.get(name.lower()) if name.isascii() else None

    def add_lacks(self, faults: Faults, value: Model, key: str = "") -> None:
        """Note every member of `value`, and of what it holds, that must be given and is not (layer 2)."""
        for member in self._required:
            given = getattr(value, member.attribute)
            if given is None:
                faults.add(f"{key}{member.key}", "A value is required.")
            elif member.given is Given.NOT_BLANK and (not given or given.isspace()):
                faults.add(f"{key}{member.key}", "The value must not be blank.")
        for member in self.containers:
            for path, item in member.held(key, getattr(value, member.attribute)):
                contract_of(type(item)).add_lacks(faults, item, path)

    def add_nul_faults(self, faults: Faults, value: Model, key: str = "") -> None:
        """Note every text of `value`, and of what it holds, with U+0000, which cannot be stored (spec 01, 3.2)."""
        for member in self.texts:
            if "\0" in (getattr(value, member.attribute) or ""):
                faults.add(f"{key}{member.key}", "The character U+0000 is not allowed.")
        for member in self.containers:
            for path, item in member.held(key, getattr(value, member.attribute)):
                contract_of(type(item)).add_nul_faults(faults, item, path)


def contract_of(model: type[Model]) -> Contract[Model]:
    """The contract of a model."""
    contract: Contract[Model] = _contract(model)
    return contract


@cache
def _contract(model: Any) -> Any:
    return Contract(model)


def _member(field: dataclasses.Field[Any]) -> Member:
    hint, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
    first, *rest = field.name.split("_")
    json_name = first + "".join(word.capitalize() for word in rest)
    kind = next((note for note in reversed(notes) if isinstance(note, Kind)), None) or _usual_kind(hint)
    must_be_present = field.default is dataclasses.MISSING
    key = _noted(notes, Key)
    return Member(
        attribute=field.name,
        json_name=json_name,
        key=key.segment if key else json_name[0].upper() + json_name[1:],
        kind=kind,
        given=_noted(notes, Given) or _usually_given(kind, is_optional=NoneType in get_args(hint)),
        must_be_present=must_be_present,
        default=None if must_be_present else field.default,
        about=_noted(notes, About) or About(""),
    )


def _noted(notes: list[Any], kind: type[Note]) -> Note | None:
    """The outermost note of a kind."""
    return next((note for note in reversed(notes) if isinstance(note, kind)), None)


def _usual_kind(hint: Any) -> Kind:
    """The kind of a type: of `X | None` that of X, of a dataclass an object, of a tuple a list of objects."""
    if get_origin(hint) is tuple:
        return NestedList(_without_none(get_args(hint)[0]))
    plain = _without_none(hint)
    if get_origin(plain) is tuple:
        return _usual_kind(plain)
    return _KINDS.get(plain) or Nested(plain)


def _without_none(hint: Any) -> Any:
    return next((part for part in get_args(hint) if part is not NoneType), hint) if NoneType in get_args(hint) else hint


def _usually_given(kind: Kind, *, is_optional: bool) -> Given:
    if is_optional:
        return Given.NULLABLE
    return Given.NOT_NULL if isinstance(kind, Text | UriReference | Nested | NestedList) else Given.NEVER_NULL


def _item(contract: Contract[Any], item: Json, position: int, depth: int) -> Any:
    try:
        return None if item is None else contract.read(item, depth)
    except Unreadable as problem:
        raise problem.inside(f"[{position}]") from None


def _skip(raw: Json, depth: int) -> None:
    """Pass over a value that nobody asked for; it must be JSON all the same."""
    if isinstance(raw, Torn):
        if raw.so_far is not None:
            _skip(raw.so_far, depth)
        raise refusal(raw, "")
    if isinstance(raw, list | tuple):
        if depth == MAX_DEPTH:
            raise Unreadable(f"The JSON text is nested deeper than {MAX_DEPTH} levels.")
        _skip_each(enumerate(raw) if isinstance(raw, list) else raw, depth + 1)


def _skip_each(steps: Iterable[tuple[int | str, Json]], depth: int) -> None:
    for step, item in steps:
        try:
            _skip(item, depth)
        except Unreadable as problem:
            raise problem.inside(f"[{step}]" if isinstance(step, int) else f".{step}") from None
