"""The requests the simulator received, kept for people to look at: tokens without signature, no passwords."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_CALLS: Final = 500
MAX_BODY_BYTES: Final = 4096
_TOKEN = re.compile(r"(eyJ[\w-]*)\.(eyJ[\w-]*)\.[\w-]*")
_BASIC = re.compile(r"\bBasic +\S+", re.IGNORECASE)
_PASSWORD_ELEMENT = re.compile(r"(<PW>).*?(</PW>|$)", re.DOTALL)
_KEY_PARAMETER = re.compile(r"(\b(?:accesskey|sig)=)[^&\s]*", re.IGNORECASE)
_SIGNATURE = re.compile(r"(\bSignature=)[^&\s]+")
_KEY_HEADERS: Final = frozenset({"x-api-key", "ocp-apim-subscription-key"})


class Target(StrEnum):
    """A part of the platform that is called; one module each."""

    NOTIFICATIONS = "notifications"
    SMS = "sms"
    SMTP = "smtp"
    ACS = "acs"
    PROFILE = "profile"
    REGISTER = "register"
    AUTHORIZATION = "authorization"
    MASKINPORTEN = "maskinporten"
    CONDITION = "condition"
    DIALOGPORTEN = "dialogporten"
    FILES = "files"


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request as it came in; masked only when shown. `status` is None when nobody answered."""

    at: datetime
    target: Target
    method: str
    path: str
    status: int | None
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


class CallLog:
    """The last 500 calls to each target."""

    def __init__(self) -> None:
        self._calls = {target: deque[tuple[int, Call]](maxlen=MAX_CALLS) for target in Target}
        self.changes = 0
        """Grows with every call, and numbers them."""

    def record(self, call: Call) -> None:
        """Keep `call`, and forget the oldest of its target when there are too many."""
        self.changes += 1
        self._calls[call.target].append((self.changes, call))

    def newest(self, target: Target | None = None) -> list[tuple[int, Call]]:
        """The last 500 calls to `target`, or to all of them, each with its number, the newest first."""
        targets = [target] if target else list(Target)
        newest_first = merge(*(reversed(self._calls[name]) for name in targets), key=itemgetter(0), reverse=True)
        return list(islice(newest_first, MAX_CALLS))

    def clear(self) -> None:
        """Forget every call."""
        for calls in self._calls.values():
            calls.clear()
        self.changes += 1


def shown(number: int, call: Call) -> dict[str, Any]:
    """`call` for people: signatures cut, passwords and keys masked, tokens decoded beside it."""
    headers = [(name, _masked_header(name, value)) for name, value in call.headers]
    return {
        "id": number,
        "at": to_wire(call.at),
        "target": call.target,
        "method": call.method,
        "path": masked(call.path),
        "status": call.status,
        "headers": [{"name": name, "value": value} for name, value in headers],
        "tokens": [claims for _, value in call.headers for claims in _decoded(value)],
        "body": masked(call.body.decode("utf-8", "replace")),
    }


def masked(text: str) -> str:
    """`text` without token signatures, Basic credentials, gateway passwords and access keys."""
    text = _TOKEN.sub(r"\1.\2.***", text)
    text = _BASIC.sub("Basic ***", text)
    text = _SIGNATURE.sub(r"\1***", text)
    text = _PASSWORD_ELEMENT.sub(r"\1***\2", text)
    return _KEY_PARAMETER.sub(r"\1***", text)


def _masked_header(name: str, value: str) -> str:
    return "***" if name.lower() in _KEY_HEADERS else masked(value)


def _decoded(text: str) -> list[dict[str, Any]]:
    """Header and claims of each token in `text` that can be read."""
    return [
        {"header": header, "claims": claims}
        for match in _TOKEN.finditer(text)
        if (header := _json_part(match[1])) is not None and (claims := _json_part(match[2])) is not None
    ]


def _json_part(part: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return None
