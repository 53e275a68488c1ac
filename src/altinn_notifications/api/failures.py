"""What becomes of an error that no endpoint handles itself (spec 01, 7.2 and 8)."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import structlog

from altinn_notifications.api.problems import Problem, coded_problem, empty_problem
from altinn_notifications.database.pool import DatabaseUnavailable
from altinn_notifications.platform.dependencies import DependencyFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger()


class ClientGone(Exception):
    """The client closed the connection before its request was finished."""


def problem_of(error: Exception, *, route: str | None) -> Problem:
    """The answer that `error` becomes; what nobody foresaw is logged by type and place, without what it says.

    Messages of errors can hold what clients sent, so they stay out of the log.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, ClientGone):
        return coded_problem("NOT-00002")
    if isinstance(error, DatabaseUnavailable):
        log.warning("database_unavailable", route=route, cause=type(error.__cause__).__name__)
        return coded_problem("NOT-00004")
    if isinstance(error, DependencyFailed):  # its client has logged it
        return coded_problem("NOT-00004")
    log.error("request_failed", route=route, error=type(error).__name__, at=list(places(error)))
    return empty_problem(500)


def places(error: BaseException) -> Iterable[str]:
    """Where `error` came from: file and line of every frame, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    return (f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
