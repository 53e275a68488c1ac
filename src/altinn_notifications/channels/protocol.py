"""What the service hands to a provider, and what a provider may answer.

A provider is one class with `name` and `send`. It never raises for what happens on the wire: every end of a call is
one of the four outcomes below, so that the caller must decide on each of them. One that takes messages before it knows
what becomes of them is asked again with `poll`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """One file of a composed email, already downloaded."""

    filename: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingEmail:
    """One email to one address. Its representation says nothing about people or text."""

    notification_id: UUID
    operation_id: UUID
    """Our id of this submission; a repeat after an unknown outcome carries the same one (spec 09, 3.1 and 8.1)."""
    from_address: str
    to_address: str
    subject: str
    body: str
    is_html: bool
    attachments: tuple[Attachment, ...] = ()
    may_have_arrived: bool = False
    """Whether an earlier submission under this operation id may have been taken; a provider that can tell is asked."""

    def __repr__(self) -> str:
        return f"OutgoingEmail({self.notification_id})"


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingSms:
    """One SMS to one number. Its representation says nothing about people or text."""

    notification_id: UUID
    sender: str
    mobile_number: str
    """As stored; the adapter rewrites it to the form its gateway wants (spec 10, 4)."""
    body: str
    validity: timedelta
    """How long the gateway may keep trying."""

    def __repr__(self) -> str:
        return f"OutgoingSms({self.notification_id})"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken the message over. `reference` is what its delivery reports will carry, if it gave one."""

    reference: str | None
    is_final: bool = True
    """False: it has only begun, and says how it went when it is asked under the reference (`PolledEmailProvider`)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will never take this message; `result` is the final stored result, `detail` is safe to show."""

    result: str
    detail: str


class Scope(Enum):
    """How much a temporary failure concerns."""

    PROVIDER = "provider"
    DOMAIN = "domain"
    """Whatever comes from the sender's domain."""
    CALL = "call"
    """This message as far as anybody knows; when several calls in a row end so, the provider."""
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Deferred:
    """The provider has taken nothing now and may later.

    With scope `PROVIDER` everything to this provider waits, with `DOMAIN` what has the same sender domain, with `CALL`
    and `MESSAGE` only this one. `retry_after` is the provider's own wish, if it had one. `misconfigured` marks what
    only an operator can mend, such as a wrong password.
    """

    scope: Scope
    detail: str
    retry_after: timedelta | None = None
    misconfigured: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the provider took the message (no answer in time, connection lost after the request).

    With scope `PROVIDER` the trouble is everybody's: all messages to this provider wait, and this one with them.
    `retry_after` is the provider's own wish, if it had one. `misconfigured` marks what only an operator can mend.
    """

    detail: str
    scope: Scope = Scope.MESSAGE
    retry_after: timedelta | None = None
    misconfigured: bool = False


Outcome = Accepted | Refused | Deferred | Unknown


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The provider has not said yet how it went with a message that it took.

    `ask_after` is how long to leave it alone, None as usual. `trouble` says why it gave no answer, if it gave none;
    that tells nothing about the message. `misconfigured` marks what only an operator can mend.
    """

    ask_after: timedelta | None = None
    trouble: str | None = None
    misconfigured: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """The provider took the message and then did not send it, but might another time."""

    detail: str


PollOutcome = Accepted | Refused | NotSent | Unfinished


class EmailProvider(Protocol):
    """Carries email."""

    name: str

    async def send(self, email: OutgoingEmail) -> Outcome:
        """Hand one email over. Does not raise for anything that happens on the wire."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class PolledEmailProvider(EmailProvider, Protocol):
    """Carries email, and says only when it is asked what became of it."""

    async def poll(self, reference: str) -> PollOutcome:
        """Ask about a mail that it took. Does not raise for anything that happens on the wire."""


class SmsProvider(Protocol):
    """Carries SMS."""

    name: str

    async def send(self, sms: OutgoingSms) -> Outcome:
        """Hand one SMS over. Does not raise for anything that happens on the wire."""

    async def close(self) -> None:
        """Let go of connections."""
