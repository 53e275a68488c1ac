"""How the service logs: constant event names with ids, to standard error, as text for a person or JSON for a store.

What a log may never hold (addresses, texts, tokens) tends to come in through the back door of an exception's message.
So a traceback shows the exception's type and where it happened, and no values.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

ExceptionInfo = tuple[type[BaseException], BaseException, "TracebackType | None"]
NAMES_ONLY_CODE: Final = (ImportError, NameError)  # their messages cannot hold data
LIBRARY_LEVELS: Final = {
    "": logging.WARNING,
    "httpx": logging.WARNING,  # its requests are logged with their whole URL
    "mail": logging.ERROR,  # aiosmtpd names senders and recipients
}


def configure(process: str, *, level: str = "info", form: str = "text") -> None:
    """Set up structlog and the logging of libraries for a process named `process`; `form` is `text` or `json`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        place_of_exception,
    ]
    ending = _json(process) if form == "json" else _text(os.environ)
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _configure_libraries([*shared, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending])


def place_of_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the exception by its type and the lines of code it came through, causes first."""
    info = _exception_info(event.pop("exc_info", None))
    if info is not None:
        event["exception"] = "\n".join(_places(info[1]))
    return event


def _exception_info(given: object) -> ExceptionInfo | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if isinstance(given, tuple):
        return given if given[0] is not None else None
    current = sys.exc_info()
    return current if given and current[0] is not None else None


def _places(error: BaseException) -> list[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    message = f": {error}" if isinstance(error, NAMES_ONLY_CODE) else ""
    return [*(_places(cause) if cause else ()), name + message, *lines]


def _json(process: str) -> list[Processor]:
    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, "process": process}

    return [name_process, structlog.processors.JSONRenderer()]


def _text(environment: Mapping[str, str]) -> list[Processor]:
    colours = "NO_COLOR" not in environment and ("FORCE_COLOR" in environment or sys.stderr.isatty())
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]


def _configure_libraries(processors: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=processors))
    logging.getLogger().handlers = [handler]
    for name, level in LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(level)
