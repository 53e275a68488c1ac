"""JSON text as a tree that forgets nothing: order and repetition of members, numbers as spelled, and where it broke.

The first problem of a request in document order is the one it is told (spec 01, 1.1), so a text that is not JSON still
yields the tree up to the place where reading stopped.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

MAX_DEPTH: Final = 32


class Integer(str):
    """A JSON number without fraction and exponent, as spelled."""

    __slots__ = ()


class Fractional(str):
    """A JSON number with a fraction or an exponent, as spelled."""

    __slots__ = ()


Json: TypeAlias = Any
"""`str`, `Integer`, `Fractional`, `bool`, `None`, a list, an object as its `Members`, or `Torn`."""
Members: TypeAlias = tuple[tuple[str, Json], ...]


@dataclass(frozen=True, slots=True)
class Torn:
    """A value that is not JSON to its end. `so_far` is what an object or list held before it broke, else None."""

    so_far: Members | list[Json] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A text's root value, and whether nothing but whitespace follows it."""

    root: Json
    is_whole: bool = True


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and the infinities are no JSON


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=Integer, parse_float=Fractional, parse_constant=_refuse_constant
)


def parse(body: bytes) -> Document:
    """The tree of a JSON text in UTF-8; a byte that is not UTF-8 becomes a lone surrogate in its string."""
    text = _decoded(body)
    try:
        return Document(_DECODER.decode(text))
    except (ValueError, RecursionError):  # deeper than Python's own limit is deeper than ours
        return _Scanner(text).document()


def _decoded(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogateescape")
    return text.removeprefix("\ufeff")


class _Scanner:
    """Reads what `_DECODER` could not: slower, and it keeps what it has when the text breaks."""

    _space: Final = re.compile(r"[ \t\n\r]*")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._is_torn = False

    def document(self) -> Document:
        root = self._value(0)
        return Document(root, is_whole=self._is_torn or not self._next())

    def _next(self) -> str:
        """The next character that is not whitespace, unread; empty at the end."""
        if found := self._space.match(self._text, self._at):
            self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _takes(self, character: str) -> bool:
        if self._next() != character:
            return False
        self._at += 1
        return True

    def _value(self, depth: int) -> Json:
        opening = self._next()
        if not opening or opening not in "{[":
            return self._scalar()
        if depth == MAX_DEPTH:
            return self._tear(None)
        self._at += 1
        return self._object(depth + 1) if opening == "{" else self._list(depth + 1)

    def _scalar(self) -> Json:
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except ValueError:
            return self._tear(None)
        return value

    def _object(self, depth: int) -> Json:
        members: list[tuple[str, Json]] = []
        if self._takes("}"):
            return ()
        while self._next() == '"' and isinstance(name := self._scalar(), str) and self._takes(":"):
            members.append((name, self._value(depth)))
            if self._is_torn or self._takes("}"):
                return tuple(members)
            if not self._takes(","):
                break
        return self._tear(tuple(members))

    def _list(self, depth: int) -> Json:
        items: list[Json] = []
        if self._takes("]"):
            return items
        while True:
            items.append(self._value(depth))
            if self._is_torn or self._takes("]"):
                return items
            if not self._takes(","):
                break
        return self._tear(items)

    def _tear(self, so_far: Members | list[Json] | None) -> Torn:
        self._is_torn = True
        return Torn(so_far)
