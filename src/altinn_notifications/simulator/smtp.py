"""The mailbox's SMTP server (RFC 5321, with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN and ENHANCEDSTATUSCODES).

A session is a plain protocol that answers within the callback that brought the bytes. `aiosmtpd`, which runs a
coroutine with a timer for every line, takes about 3 000 mails a second of a processor and would be the slowest part of
every load test; this takes several times as many.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, ClassVar, Final, cast

from altinn_notifications.simulator.faults import Fault, Mode
from altinn_notifications.simulator.mailbox import MailTransaction

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from altinn_notifications.simulator.mailbox import Reception

MAX_MESSAGE_BYTES: Final = 50_000_000
_MAX_LINE_BYTES: Final = 4096
_MAX_UNREAD_BYTES: Final = 65_536
_MAX_RECIPIENTS: Final = 1000
_CLOSING: Final = 421
_END: Final = b"\r\n.\r\n"
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?: +(.*))?$')
_ADDRESS = re.compile(r"(?:\"(?:[^\"\\]|\\.)+\"|[^@\s\"]+)@[^@\s]+$")
_MAIL_PARAMETERS: Final = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID"})
_RECIPIENT_PARAMETERS: Final = frozenset({"NOTIFY", "ORCPT"})
_EXTENSIONS: Final = (
    "localhost simulates a mail relay; nothing is delivered",
    "PIPELINING",
    f"SIZE {MAX_MESSAGE_BYTES}",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
)


class SmtpSession(asyncio.Protocol):
    """One connection."""

    def __init__(self, reception: Reception, sessions: set[SmtpSession]) -> None:
        self._reception, self._sessions = reception, sessions
        self._transport: asyncio.Transport
        self._unread = bytearray()
        self._replies: list[str] = []
        self._is_greeted = False
        self._mail: MailTransaction | None = None
        self._accepts_unicode = False
        self._is_reading_message = False
        self._searched = 0
        self._is_too_large = False
        self._is_waiting = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._sessions.add(self)
        self._transport.write(b"220 localhost ESMTP simulator\r\n")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a client may leave in any way
        """Forget the session."""
        self._sessions.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """End the session without another word."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer everything that can be answered."""
        self._unread += data
        if self._is_waiting and len(self._unread) > _MAX_UNREAD_BYTES:
            self._transport.pause_reading()
        self._work()

    def _work(self) -> None:
        while not self._is_waiting and (self._read_message() if self._is_reading_message else self._read_command()):
            pass
        if self._replies:
            self._transport.write("".join(f"{reply}\r\n" for reply in self._replies).encode())
            self._replies.clear()

    def _read_command(self) -> bool:
        """Answer one line; False when there is none."""
        end = self._unread.find(b"\n", 0, _MAX_LINE_BYTES)
        if end < 0:
            if len(self._unread) >= _MAX_LINE_BYTES:
                self._leave("500 5.5.2 Line too long")
            return False
        line = bytes(self._unread[:end]).rstrip(b"\r")
        del self._unread[: end + 1]
        try:
            self._answer(line.decode())
        except UnicodeDecodeError:
            self._reply("500 5.5.2 Commands are UTF-8")
        return True

    def _answer(self, line: str) -> None:
        verb, _, argument = line.partition(" ")
        command = self._commands.get(verb.upper())
        if command is None:
            self._reply("500 5.5.2 Command not recognised")
        else:
            command(self, argument.strip())

    def _reply(self, text: str) -> None:
        self._replies.append(text)

    def _leave(self, text: str) -> None:
        """Say goodbye, read nothing more and close."""
        self._reply(text)
        self._is_waiting = True
        self._unread.clear()
        self._transport.write("".join(f"{reply}\r\n" for reply in self._replies).encode())
        self._replies.clear()
        self._transport.close()

    def _helo(self, name: str) -> None:
        if self._greet(name):
            self._reply("250 localhost")

    def _ehlo(self, name: str) -> None:
        if self._greet(name):
            *most, last = _EXTENSIONS
            self._replies += [f"250-{extension}" for extension in most]
            self._reply(f"250 {last}")

    def _greet(self, name: str) -> bool:
        if not name:
            self._reply("501 5.5.4 Say who you are")
            return False
        self._is_greeted, self._mail = True, None
        return True

    def _mail_from(self, argument: str) -> None:
        if not self._is_greeted or self._mail is not None:
            self._reply("503 5.5.1 MAIL is not expected here")
            return
        parsed = _path(argument, "FROM:", _MAIL_PARAMETERS)
        if isinstance(parsed, str):
            self._reply(parsed)
            return
        sender, parameters = parsed
        self._accepts_unicode = "SMTPUTF8" in parameters
        refusal = self._refusal_of_sender(sender, parameters.get("SIZE", "0"))
        if refusal:
            self._reply(refusal)
        else:
            self._begin(MailTransaction(sender, parameters.get("ENVID"), []))

    def _refusal_of_sender(self, sender: str, size: str) -> str | None:
        if sender and not _ADDRESS.match(sender):
            return "501 5.1.7 Not a mail address"
        if not sender.isascii() and not self._accepts_unicode:
            return "553 5.6.7 This address needs SMTPUTF8"
        if not size.isdecimal():
            return "501 5.5.4 SIZE is a number of bytes"
        return "552 5.3.4 Too large" if int(size) > MAX_MESSAGE_BYTES else None

    def _begin(self, mail: MailTransaction) -> None:
        fault = self._reception.fault(mail)
        if fault is not None:
            self._fail(fault)
            return
        self._mail = mail
        latency = self._reception.latency.total_seconds()
        if latency > 0:
            self._is_waiting = True
            self._timer = asyncio.get_running_loop().call_later(latency, self._resume, "250 2.1.0 Sender ok")
        else:
            self._reply("250 2.1.0 Sender ok")

    def _resume(self, reply: str) -> None:
        self._is_waiting, self._timer = False, None
        self._transport.resume_reading()
        self._reply(reply)
        self._work()

    def _fail(self, fault: Fault) -> None:
        """Meet `MAIL` with an outage: no answer at all, nonsense, or a reply; 421 also ends the session."""
        if fault.mode is Mode.TIMEOUT:
            self._is_waiting = True
        elif fault.mode is Mode.GARBAGE:
            self._reply("<html>this is not SMTP</html>")
        elif fault.status == _CLOSING:
            self._leave(f"{fault.status} Simulated outage")
        else:
            self._reply(f"{fault.status} Simulated outage")

    def _rcpt_to(self, argument: str) -> None:
        if self._mail is None:
            self._reply("503 5.5.1 MAIL comes first")
            return
        parsed = _path(argument, "TO:", _RECIPIENT_PARAMETERS)
        reply = parsed if isinstance(parsed, str) else self._judge_recipient(self._mail, parsed[0])
        if reply.startswith(f"{_CLOSING} "):
            self._leave(reply)
        else:
            self._reply(reply)

    def _judge_recipient(self, mail: MailTransaction, address: str) -> str:
        if not _ADDRESS.match(address):
            return "501 5.1.3 Not a mail address"
        if not address.isascii() and not self._accepts_unicode:
            return "553 5.6.7 This address needs SMTPUTF8"
        if len(mail.recipients) >= _MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        refusal = self._reception.refuse_recipient(mail, address)
        if refusal is not None:
            return refusal
        mail.recipients.append(address)
        return "250 2.1.5 Recipient ok"

    def _data(self, argument: str) -> None:
        if argument:
            self._reply("501 5.5.4 DATA takes nothing")
        elif self._mail is None:
            self._reply("503 5.5.1 MAIL comes first")
        elif not self._mail.recipients:
            self._reply("554 5.5.1 No valid recipients")
        else:
            self._is_reading_message, self._searched, self._is_too_large = True, 0, False
            self._reply("354 End with a dot on a line of its own")

    def _read_message(self) -> bool:
        """Take the message over; False while its end has not come."""
        if not self._is_too_large and self._unread.startswith(b".\r\n"):
            self._end_message(b"", consumed=3)
            return True
        end = self._unread.find(_END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._unread) - len(_END) + 1)
            if len(self._unread) > MAX_MESSAGE_BYTES:
                self._discard_what_was_read()
            return False
        self._end_message(bytes(self._unread[: end + 2]), consumed=end + len(_END))
        return True

    def _discard_what_was_read(self) -> None:
        """Let go of a message nobody will keep, all but the bytes that may begin its end."""
        del self._unread[: -len(_END) + 1]
        self._is_too_large = True
        self._searched = 0

    def _end_message(self, stuffed: bytes, *, consumed: int) -> None:
        del self._unread[:consumed]
        mail, self._mail, self._is_reading_message = self._mail, None, False
        if self._is_too_large or len(stuffed) > MAX_MESSAGE_BYTES or mail is None:
            self._reply("552 5.3.4 Too large")
            return
        raw = stuffed.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        self._reply(self._reception.take(mail, raw))

    def _rset(self, _argument: str) -> None:
        self._mail = None
        self._reply("250 2.0.0 Forgotten")

    def _noop(self, _argument: str) -> None:
        self._reply("250 2.0.0 Nothing done")

    def _vrfy(self, _argument: str) -> None:
        self._reply("252 2.5.2 Send some mail and see")

    def _quit(self, _argument: str) -> None:
        self._leave("221 2.0.0 Goodbye")

    _commands: ClassVar[dict[str, Callable[[SmtpSession, str], None]]] = {
        "HELO": _helo,
        "EHLO": _ehlo,
        "MAIL": _mail_from,
        "RCPT": _rcpt_to,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _noop,
        "VRFY": _vrfy,
        "QUIT": _quit,
    }


def _path(argument: str, keyword: str, known: frozenset[str]) -> tuple[str, dict[str, str]] | str:
    """Address and parameters of `MAIL` or `RCPT`, or the reply that refuses them."""
    if not argument.upper().startswith(keyword):
        return f"501 5.5.4 {keyword} is missing"
    found = _PATH.match(argument[len(keyword) :].lstrip())
    if found is None:
        return "501 5.5.4 An address stands in angle brackets"
    pairs = (parameter.partition("=") for parameter in (found[2] or "").split())
    parameters = {name.upper(): value for name, _, value in pairs}
    if not known.issuperset(parameters):
        return "555 5.5.4 Parameter not recognised"
    return found[1], parameters


class SmtpServer:
    """Listens for mail."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._sessions: set[SmtpSession] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Take connections from `listener`, which is bound."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, sock=listener)

    def _session(self) -> SmtpSession:
        return SmtpSession(self._reception, self._sessions)

    async def stop(self) -> None:
        """Close the port and every session."""
        if self._server is not None:
            self._server.close()
            for session in list(self._sessions):
                session.close()
            await self._server.wait_closed()
