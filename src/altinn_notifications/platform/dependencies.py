"""What can be said of every service we depend on: which there are, how they are, and that one of them failed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Dependency(StrEnum):
    """The services of the platform that are asked: Dialogporten by the API only, the others also by workers."""

    PROFILE = "profile"
    REGISTER = "register"
    AUTHORIZATION = "authorization"
    MASKINPORTEN = "maskinporten"
    DIALOGPORTEN = "dialogporten"


class Circuit(StrEnum):
    """Whether a dependency is asked at all."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class DependencyHealth:
    """How a dependency looks from this process."""

    dependency: Dependency
    circuit: Circuit
    consecutive_failures: int


class DependencyFailed(Exception):
    """A dependency gave no answer that can be used. Nothing was changed anywhere; the question may be asked again.

    `cause` is one of few words, such as `timeout`, and never quotes the answer. `status` is the HTTP status, if there
    was one.
    """

    def __init__(self, dependency: Dependency, operation: str, cause: str, *, status: int | None = None) -> None:
        super().__init__(f"{dependency} failed to answer {operation}: {cause}")
        self.dependency, self.operation, self.cause, self.status = dependency, operation, cause, status

    @property
    def may_lie_in_the_question(self) -> bool:
        """Whether a part of what was asked may be to blame, so that the rest is worth asking without it."""
        return self.status in {400, 500}
