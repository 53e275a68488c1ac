"""What the groups of settings are made of: kinds of values, mistakes, and the base of every group."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

Names = TypeVar("Names", bound=tuple[str, ...])

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+$", to_lower=True)]
"""Scheme, host and port of a web address."""

PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{4,14}$")]
"""A number as E.164 writes it."""

DomainName = Annotated[str, StringConstraints(pattern=r"^[^@\s]+$", to_lower=True)]
"""What stands after an address' `@`, in small letters."""


class Environment(StrEnum):
    """Where the service runs. Only `LOCAL` starts the simulator; `PRODUCTION` refuses everything made for tests."""

    LOCAL = "local"
    TEST = "test"
    PRODUCTION = "production"


class Contradiction(ValueError):
    """Settings that do not fit together, although each of them could be used; the text names a variable."""


class NotInProduction(Contradiction):
    """Something made for tests is set where messages are real; the text names its variable."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable}: not in production")


class Group(BaseSettings):
    """Base of every group: frozen, and an unknown name is an error rather than silence."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")


def each_once(names: Names) -> Names:
    """The names as they are. Raises `ValueError` if one is repeated."""
    if len(set(names)) < len(names):
        msg = "the same name stands there twice"
        raise ValueError(msg)
    return names


def with_list(values: object, name: str) -> object:
    """Raw values in which the comma-separated text under `name` has become a tuple of texts."""
    if isinstance(values, dict) and isinstance(values.get(name), str):
        values[name] = tuple(part.strip() for part in values[name].split(",") if part.strip())
    return values
