"""From a body to a request model: layers 1 and 2 of a validation problem (spec 01, 6.2 and 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from altinn_notifications.api.contract import Model, contract_of
from altinn_notifications.api.json_tree import parse
from altinn_notifications.api.problems import Problem, validation_problem
from altinn_notifications.api.scalars import Unreadable
from altinn_notifications.orders.rules import Faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altinn_notifications.api.json_tree import Document

_LONGEST_PATH: Final = 1000
_ESCAPED_NUL: Final = b"\\u0000"


def read(model: type[Model], body: bytes, *, parameter: str) -> Model:
    """The request that `body` holds; whatever its annotations call required is there.

    `parameter` is the name under which a body that cannot be read is reported missing. Raises the 400 of layer 1 for
    the first problem in document order, else that of layer 2 for all members that must be given and are not.
    """
    document = parse(body)
    if not body or (document.root is None and document.is_whole):
        raise _unreadable("", "A request body is required.", parameter)
    try:
        request = _whole(model, document)
    except Unreadable as problem:
        raise _unreadable(_printable(f"${problem.path}"), problem.reason, parameter) from None
    lacks = Faults()
    contract_of(model).add_lacks(lacks, request)
    if lacks:
        raise validation_problem(lacks)
    return request


def text_faults(request: Model, body: bytes, *, sender_domains: Sequence[str] | None = None) -> Faults:
    """The layer 3 problems that any text of `request` can have, whatever it means.

    More are added to them; `sender_domains` are those that the caller may send email from, None: any.
    """
    faults = Faults(sender_domains=sender_domains)
    if _ESCAPED_NUL in body:  # the only way to spell it, so most requests need no closer look
        contract_of(type(request)).add_nul_faults(faults, request)
    return faults


def _whole(model: type[Model], document: Document) -> Model:
    request = contract_of(model).read(document.root)
    if not document.is_whole:
        raise Unreadable("Something follows the end of the JSON text.")
    return request


def _unreadable(path: str, reason: str, parameter: str) -> Problem:
    return validation_problem({path: [reason], parameter: ["The request body could not be read."]})


def _printable(path: str) -> str:
    """The path without lone surrogates, which no answer can carry, and no longer than anybody reads."""
    return path[:_LONGEST_PATH].encode(errors="replace").decode()
