"""One open connection to the relay, and what is said on it (RFC 5321)."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import aiosmtplib

from altinn_notifications.channels.email.smtp_dialogue import Dialogue, NoReply
from altinn_notifications.channels.email.smtp_replies import (
    GARBLED,
    LOST,
    TIMED_OUT,
    TLS_FAILED,
    UNREACHABLE,
    Kind,
    Phase,
    Reply,
    Silence,
    goes_on,
    is_goodbye,
    outcome_of,
)
from altinn_notifications.channels.protocol import Deferred, Scope

if TYPE_CHECKING:
    import asyncio

    from altinn_notifications.channels.email.smtp_replies import Ending
    from altinn_notifications.channels.protocol import Outcome
    from altinn_notifications.settings import EmailSettings

_SLOWEST_OCTETS_PER_SECOND: Final = 65_536
"""A large message may take this long on the way before the wait for its reply counts as silence."""


class SessionFailed(Exception):
    """No connection that mail can be handed to; `outcome` says what that means for the mail in hand."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("the relay gives us no session")
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the server offers. `size` is its limit in octets, None when it names none."""

    size: int | None
    announces_size: bool
    is_8bit: bool
    smtputf8: bool
    dsn: bool
    pipelining: bool
    """Whether several commands may be sent before the first reply (RFC 2920)."""


@dataclass(frozen=True, slots=True, repr=False)
class Submission:
    """One mail for one recipient: the two commands of its envelope, and what is sent after DATA."""

    mail: bytes
    rcpt: bytes
    content: bytes
    """Lines ending with CR LF, not yet dot-stuffed."""


class SmtpConnection:
    """A session that is ready for mail."""

    def __init__(self, client: aiosmtplib.SMTP, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._transport = cast("asyncio.Transport", client.transport)
        self._dialogue = Dialogue(self._transport)
        self.extensions = _extensions(client)
        self.has_been_used = False
        self.is_between_mails = True
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it, as far as we have heard."""
        return self._dialogue.is_open

    async def submit(self, submission: Submission) -> Ending:
        """Hand one mail over; the reply that decided, or the silence. The connection is closed unless it can go on."""
        self.is_between_mails = False
        ending = await self._converse(submission)
        self.is_between_mails = self.has_been_used = True
        return ending

    async def quit(self) -> None:
        """Say goodbye and close."""
        await self._exchange(Phase.SESSION, b"QUIT")
        self.close()

    def close(self) -> None:
        """Close without a word, and without the rest of a mail that the server has stopped reading."""
        self._client.close()
        self._transport.abort()

    async def _converse(self, submission: Submission) -> Ending:
        ending = await self._envelope(submission)
        if _is_content(ending):
            ending = await self._exchange(Phase.DATA, b"DATA")
        if not _is_content(ending):
            await self._abandon(ending)
            return ending
        return await self._transfer(submission.content)

    async def _envelope(self, submission: Submission) -> Ending:
        """Say who writes to whom, in one breath if the server takes it."""
        if not self.extensions.pipelining:
            ending = await self._exchange(Phase.MAIL, submission.mail)
            return await self._exchange(Phase.RCPT, submission.rcpt) if _is_content(ending) else ending
        ending = await self._exchange(Phase.MAIL, submission.mail, submission.rcpt)
        if isinstance(ending, Silence):
            return ending
        if is_goodbye(ending):
            self.close()
            return ending
        answer = await self._hear(Phase.RCPT, self._timeout)
        if isinstance(answer, Silence):
            self.close()
        return answer if _is_content(ending) else ending

    async def _exchange(self, phase: Phase, *commands: bytes) -> Ending:
        """Say the commands and hear the first reply."""
        try:
            self._dialogue.say(*commands)
        except NoReply as error:
            return Silence(phase, error.reason)
        return await self._hear(phase, self._timeout)

    async def _hear(self, phase: Phase, patience: float) -> Ending:
        try:
            return Reply(phase, *await self._dialogue.hear(timeout=patience))
        except NoReply as error:
            return Silence(phase, error.reason)

    async def _abandon(self, ending: Ending) -> None:
        """Forget the mail that was begun, so that the next one can follow."""
        if isinstance(ending, Silence) or ending.kind not in {Kind.TEMPORARY, Kind.PERMANENT}:
            self.close()
        elif ending.phase is not Phase.MAIL and self.is_open:
            reset = await self._exchange(ending.phase, b"RSET")
            if isinstance(reset, Silence) or reset.kind != Kind.SUCCESS:
                self.close()

    async def _transfer(self, content: bytes) -> Ending:
        try:
            self._dialogue.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except NoReply:  # before the first octet: nothing was taken
            self.close()
            return Silence(Phase.DATA, LOST)
        patience = self._timeout + len(content) / _SLOWEST_OCTETS_PER_SECOND
        ending = await self._hear(Phase.CONTENT, patience)
        # Octets that were not sent: the server answered before it had heard all of the mail.
        if isinstance(ending, Silence) or is_goodbye(ending) or self._transport.get_write_buffer_size() > 0:
            self.close()
        return ending


async def open_connection(settings: EmailSettings, tls: ssl.SSLContext | None) -> SmtpConnection:
    """Connect, secure and authenticate as `settings` say. Raises `SessionFailed`. Source: spec 09, 8.2."""
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        timeout=settings.smtp_timeout_seconds,
        local_hostname=settings.message_id_domain,  # the machine's own name is seldom one that a relay can look up
        use_tls=settings.smtp_tls == "tls",
        start_tls=False,
        tls_context=tls,
    )
    with ExitStack() as cleanup:
        cleanup.callback(client.close)
        try:
            await _greet(client, settings)
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:  # UnicodeError: not a host name
            raise SessionFailed(_outcome_of_error(error)) from None
        if not client.is_connected:  # the relay hung up after its last reply
            raise SessionFailed(outcome_of(Silence(Phase.SESSION, LOST), reference=""))
        cleanup.pop_all()
    return SmtpConnection(client, settings.smtp_timeout_seconds)


async def _greet(client: aiosmtplib.SMTP, settings: EmailSettings) -> None:
    await client.connect()
    await client.ehlo()
    if settings.smtp_tls == "starttls":
        _demand("STARTTLS", offered=client.supports_extension("starttls"))
        await client.starttls()
        await client.ehlo()
    if settings.smtp_username is not None:
        _demand("authentication that we know", offered=bool(client.supported_auth_methods))
        await client.login(settings.smtp_username, _password(settings))


def _password(settings: EmailSettings) -> str:
    return settings.smtp_password.get_secret_value() if settings.smtp_password else ""


def _demand(what: str, *, offered: bool) -> None:
    """Without it mail would go in the clear or as nobody, so none goes at all."""
    if not offered:
        raise SessionFailed(Deferred(Scope.PROVIDER, f"the relay offers no {what}", misconfigured=True))


def _outcome_of_error(error: Exception) -> Outcome:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return outcome_of(Reply(Phase.SESSION, error.code, error.message), reference="")
    return outcome_of(Silence(Phase.SESSION, _reason(error)), reference="")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return TLS_FAILED
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return GARBLED
    return LOST if isinstance(error, aiosmtplib.SMTPServerDisconnected) else UNREACHABLE


def _is_content(ending: Ending) -> bool:
    """Whether the server waits for what follows."""
    return not isinstance(ending, Silence) and goes_on(ending)


def _extensions(client: aiosmtplib.SMTP) -> Extensions:
    size = client.esmtp_extensions.get("size")
    return Extensions(
        size=int(size) or None if size and size.isdecimal() else None,  # 0: no fixed limit (RFC 1870, 3)
        announces_size=size is not None,
        is_8bit=client.supports_extension("8bitmime"),
        smtputf8=client.supports_extension("smtputf8"),
        dsn=client.supports_extension("dsn"),
        pipelining=client.supports_extension("pipelining"),
    )
