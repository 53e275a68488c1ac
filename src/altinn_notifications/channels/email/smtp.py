"""Email through an SMTP relay (spec 09, 8)."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Final

from altinn_notifications.channels.email.dkim_signing import DkimSigner
from altinn_notifications.channels.email.envelope import (
    Unsendable,
    check_letters,
    check_size,
    envelope_of,
    submission_of,
)
from altinn_notifications.channels.email.message import Addressing, HeaderInjection, assemble, encoded_size
from altinn_notifications.channels.email.smtp_connection import SessionFailed, open_connection
from altinn_notifications.channels.email.smtp_pool import SmtpPool
from altinn_notifications.channels.email.smtp_replies import Phase, is_goodbye, outcome_of
from altinn_notifications.channels.email.suppression import SuppressionList, SuppressionListUnreadable
from altinn_notifications.channels.protocol import Deferred, Refused, Scope
from altinn_notifications.lifecycle import EmailResult

if TYPE_CHECKING:
    from altinn_notifications.channels.email.envelope import Envelope
    from altinn_notifications.channels.email.message import Message
    from altinn_notifications.channels.email.smtp_connection import Extensions, SmtpConnection, Submission
    from altinn_notifications.channels.email.smtp_replies import Ending
    from altinn_notifications.channels.protocol import Outcome, OutgoingEmail
    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import EmailSettings

_SUPPRESSED: Final = Refused(EmailResult.SUPPRESSED_RECIPIENT, "the address is on the suppression list")
_NO_SUPPRESSION_LIST: Final = Deferred(Scope.PROVIDER, "the suppression list cannot be read", misconfigured=True)


class SmtpProvider:
    """Hands mail to one relay over connections that stay open."""

    name = "smtp"

    def __init__(self, settings: EmailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        tls = None if settings.smtp_tls == "none" else ssl.create_default_context(cafile=settings.smtp_ca_file)
        self._pool = SmtpPool(partial(open_connection, settings, tls), limit=settings.smtp_connections)
        self._signer = DkimSigner(settings.dkim_keys) if settings.dkim_keys else None
        self._suppressed = SuppressionList(settings.suppression_file) if settings.suppression_file else None

    async def send(self, email: OutgoingEmail) -> Outcome:
        """Hand one mail over. The reference of an accepted one is its operation id."""
        try:
            if self._suppressed is not None and email.to_address in self._suppressed:
                return _SUPPRESSED
            ending = await self._hand_over(email, envelope_of(email, self._settings))
        except SuppressionListUnreadable:
            return _NO_SUPPRESSION_LIST
        except HeaderInjection as error:
            return Refused(EmailResult.FAILED, str(error))
        except Unsendable as reason:
            return reason.refusal
        except SessionFailed as failure:
            return failure.outcome
        return outcome_of(ending, reference=str(email.operation_id))

    async def close(self) -> None:
        """Take leave of the relay."""
        await self._pool.close()

    async def _hand_over(self, email: OutgoingEmail, envelope: Envelope) -> Ending:
        async with self._pool.connection() as connection:
            was_kept_open = connection.has_been_used
            ending = await self._submit(connection, email, envelope)
        if was_kept_open and ending.phase is Phase.MAIL and is_goodbye(ending):
            # The relay had hung up while nothing was said: this mail is not to blame and was not begun.
            async with self._pool.connection(fresh=True) as connection:
                ending = await self._submit(connection, email, envelope)
        return ending

    async def _submit(self, connection: SmtpConnection, email: OutgoingEmail, envelope: Envelope) -> Ending:
        return await connection.submit(await self._prepare(email, envelope, connection.extensions))

    async def _prepare(self, email: OutgoingEmail, envelope: Envelope, extensions: Extensions) -> Submission:
        check_letters(envelope, extensions)
        check_size(encoded_size(email.attachments), self._settings, extensions)
        message = await self._message(email, envelope, extensions)
        check_size(len(message.content), self._settings, extensions)
        return submission_of(email, envelope, message, extensions)

    async def _message(self, email: OutgoingEmail, envelope: Envelope, extensions: Extensions) -> Message:
        now, domain = self._clock.now(), self._settings.message_id_domain
        addressing = Addressing(envelope.sender.text, envelope.recipient.text, now, domain)
        # What is signed must not change on the way, and a relay may have to encode eight bits (RFC 6376, 5.3).
        make = partial(assemble, email, addressing, allow_8bit=extensions.is_8bit and self._signer is None)
        # Megabytes become base64, and mails are signed, in a thread: other mails go on meanwhile.
        if self._signer is not None:
            return await asyncio.to_thread(lambda signer: signer.sign(make(), envelope.sender.domain), self._signer)
        return await asyncio.to_thread(make) if email.attachments else make()
