"""What the OpenAPI document says about an endpoint beyond its route and its request model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
VALIDATION_PROBLEM: Final = {"$ref": "#/components/schemas/ValidationProblem"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One status an endpoint can answer with. `schema` describes its JSON body; without one the body is empty."""

    description: str
    schema: Mapping[str, Any] | None = None
    example: Any = None
    """Left out for a problem, whose example is made from the last two."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Descriptions of the headers it carries, by name."""
    code: str | None = None
    """The product code of a problem, where its status alone does not tell it."""
    example_key: str = "RequestedSendTime"
    """A key that the errors of a validation problem may have here."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint as a reader of the documentation sees it.

    The answers that every endpoint has (401, 403, 400 and 415 of a body, 500, 503) are added by the document.
    """

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    request: type[Any] | None = None
    """The model of its JSON body, if it has one."""
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Request bodies by name."""
    parameters: Sequence[Mapping[str, Any]] = ()
    """OpenAPI parameter objects of its query; those of its path are made from the route."""
    deprecated: bool = False
