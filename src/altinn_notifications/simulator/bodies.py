"""Reading what is sent to the simulator: JSON of programs, forms of its own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request


class BadRequest(Exception):
    """The body is not what the endpoint takes; `errors` are messages by property."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(f"{len(errors)} properties are wrong")
        self.errors = errors


class Body(BaseModel):
    """A body in camelCase whose properties are all known: what people type, where a slip is to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True)


class Question(BaseModel):
    """A body in camelCase that may hold more than is read: what other programs send."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


B = TypeVar("B", bound=BaseModel)


def read(body_type: type[B], content: bytes | dict[str, object]) -> B:
    """The body, from JSON or from values. Raises `BadRequest`, which names every property that is wrong."""
    try:
        if isinstance(content, bytes):
            return body_type.model_validate_json(content)
        return body_type.model_validate(content)
    except ValidationError as error:
        problems: dict[str, list[str]] = {}
        for problem in error.errors():
            problems.setdefault(".".join(map(str, problem["loc"])), []).append(problem["msg"])
        raise BadRequest(problems) from None


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a page's form, without blanks around them; of a repeated field the last."""
    content = (await request.body()).decode("utf-8", "replace")
    return {name: value.strip() for name, value in parse_qsl(content, keep_blank_values=True)}


def rows(form: Mapping[str, str], name: str, key: str) -> list[dict[str, str]]:
    """The lines of a table in a form, whose fields are called `name.0.field`; those with a blank `key` are left out."""
    found: dict[int, dict[str, str]] = {}
    for field, value in form.items():
        table, _, rest = field.partition(".")
        number, _, column = rest.partition(".")
        if table == name and number.isdecimal():
            found.setdefault(int(number), {})[column] = value
    return [found[number] for number in sorted(found) if found[number].get(key)]


def without(*names: str) -> Any:
    """A validator that passes over properties which are only shown, so that what was read can be sent back edited."""

    def drop(values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if name not in names}

    return model_validator(mode="before")(drop)
