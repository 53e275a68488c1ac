"""One email as bytes (RFC 5322, RFC 2045 to 2047, RFC 2231).

Written out by hand because the standard library's message objects cost a millisecond each. What depends on the
template alone is made once for a whole campaign; what differs per mail is a handful of short header lines.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from altinn_notifications.channels.protocol import Attachment, OutgoingEmail

LONGEST_LINE: Final = 998
"""Octets of one line without its CR LF (RFC 5322, 2.1.1)."""

_HEADERS: Final = (
    b"From: %b\r\nTo: %b\r\nSubject: %b\r\nDate: %b\r\nMessage-ID: <%b@%b>\r\nX-Notification-Operation-Id: %b\r\n"
    b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n%b"
)
_ENCODED_WORD_OCTETS: Final = 45  # becomes 60 characters of base64; with its frame below the 75 that RFC 2047 allows
_PREFERRED_LINE: Final = 76
_PARAMETER_SECTION: Final = 60
_CACHED_TEMPLATES: Final = 64
_LARGEST_CACHED: Final = 131_072  # characters; a longer body is encoded each time rather than kept 64 times over
_UNSAFE_SUBJECT: Final = re.compile(r"=\?|[^ -~]|^ | $")
_SAFE_FILENAME: Final = re.compile(r"(?! )[ !#-\[\]-~]{1,60}(?<! )")
_MIME_TYPE: Final = re.compile(r"(?!message/|multipart/)[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII | re.IGNORECASE)
_UNKNOWN_TYPE: Final = "application/octet-stream"


class HeaderInjection(ValueError):
    """A value meant for a header holds a line break; `field` says which one."""

    def __init__(self, field: str) -> None:
        super().__init__(f"a line break in the {field}")
        self.field = field


@dataclass(frozen=True, slots=True, repr=False)
class EncodedText:
    """A subject and a body as they travel."""

    subject: bytes
    entity: bytes
    """The headers that describe the body, an empty line, and the body."""
    is_8bit: bool


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A complete message, with CR LF at the end of every line."""

    content: bytes
    is_8bit: bool
    """Whether the body holds octets above 127, which the server must have offered to take (`8BITMIME`)."""


@dataclass(frozen=True, slots=True, repr=False)
class Addressing:
    """What differs from one mail of a campaign to the next."""

    sender: bytes
    recipient: bytes
    at: datetime
    message_id_domain: str


def assemble(email: OutgoingEmail, addressing: Addressing, *, allow_8bit: bool) -> Message:
    """The whole message. Raises `HeaderInjection`. Source: spec 09, 8.1.

    `allow_8bit` says that the server takes text as it is; else text outside ASCII is encoded.
    """
    has_files = bool(email.attachments)
    text = encode_text(email.subject, email.body, is_html=email.is_html, allow_8bit=allow_8bit and not has_files)
    entity = _mixed(text.entity, email.attachments, email.operation_id.hex) if has_files else text.entity
    return Message(_with_headers(email, addressing, text.subject, entity), text.is_8bit)


def encode_text(subject: str, body: str, *, is_html: bool, allow_8bit: bool) -> EncodedText:
    """Subject and body as they travel; made once for all mails of one template. Raises `HeaderInjection`."""
    encode = _encode_once if len(body) <= _LARGEST_CACHED else _encode
    return encode(subject, body, is_html, allow_8bit)


def encoded_size(attachments: Sequence[Attachment]) -> int:
    """Octets that the files take at least once they are in base64, without line breaks and headers."""
    return sum(4 * -(-len(attachment.content) // 3) for attachment in attachments)


def refuse_line_breaks(field: str, value: str) -> None:
    """Raise `HeaderInjection` if `value` would end its header line."""
    if "\r" in value or "\n" in value:
        raise HeaderInjection(field)


def _with_headers(email: OutgoingEmail, addressing: Addressing, subject: bytes, entity: bytes) -> bytes:
    operation_id = str(email.operation_id).encode()
    return _HEADERS % (
        addressing.sender,
        addressing.recipient,
        subject,
        format_datetime(addressing.at).encode(),
        operation_id,
        addressing.message_id_domain.encode(),
        operation_id,
        entity,
    )


def _encode(subject: str, body: str, is_html: bool, allow_8bit: bool) -> EncodedText:  # noqa: FBT001 - cached below
    refuse_line_breaks("subject", subject)
    transfer_encoding, content = _transferable(body, allow_8bit=allow_8bit)
    kind = b"html" if is_html else b"plain"
    headers = b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n"
    entity = headers % (kind, transfer_encoding) + content
    return EncodedText(_encoded_subject(subject), entity, is_8bit=transfer_encoding == b"8bit")


_encode_once = lru_cache(_CACHED_TEMPLATES)(_encode)


def _encoded_subject(subject: str) -> bytes:
    """The subject as it is when that is safe and short, else as encoded words on lines of their own."""
    if len(subject) <= _PREFERRED_LINE - len("Subject: ") and not _UNSAFE_SUBJECT.search(subject):
        return subject.encode()
    return b"\r\n ".join(b"=?utf-8?b?%b?=" % _base64(word) for word in _words(subject))


def _words(text: str) -> list[bytes]:
    """UTF-8 pieces of at most 45 octets, cut between characters."""
    words, word = [], b""
    for character in text:
        octets = character.encode(errors="replace")
        if len(word) + len(octets) > _ENCODED_WORD_OCTETS:
            words.append(word)
            word = b""
        word += octets
    return [*words, word]


def _transferable(body: str, *, allow_8bit: bool) -> tuple[bytes, bytes]:
    """The transfer encoding and the body in it, ending with CR LF."""
    lines = body.encode(errors="replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    plain = _with_crlf(lines)
    if b"\0" not in lines and max(map(len, plain.split(b"\r\n"))) <= LONGEST_LINE:
        if plain.isascii():
            return b"7bit", plain
        if allow_8bit:
            return b"8bit", plain
    quoted = _with_crlf(binascii.b2a_qp(lines, istext=True))
    base64 = _base64_lines(plain)
    return min((b"quoted-printable", quoted), (b"base64", base64), key=lambda encoded: len(encoded[1]))


def _with_crlf(lines: bytes) -> bytes:
    ended = lines if lines.endswith(b"\n") else lines + b"\n"
    return ended.replace(b"\n", b"\r\n")


def _mixed(text: bytes, attachments: Sequence[Attachment], unique: str) -> bytes:
    # "=_" stands in neither base64 nor quoted-printable, and nobody knew the operation id when the text was written.
    boundary = b"=_" + unique.encode()
    parts = [b"\r\n--%b\r\n%b" % (boundary, part) for part in (text, *map(_attached, attachments))]
    head = b'Content-Type: multipart/mixed;\r\n boundary="%b"\r\n' % boundary
    return b"%b%b\r\n--%b--\r\n" % (head, b"".join(parts), boundary)


def _attached(attachment: Attachment) -> bytes:
    refuse_line_breaks("file name", attachment.filename)
    refuse_line_breaks("MIME type", attachment.mime_type)
    # A part of type message or multipart may not be in base64 (RFC 2045, 6.4); as plain octets it arrives unchanged.
    kind = attachment.mime_type if _MIME_TYPE.fullmatch(attachment.mime_type) else _UNKNOWN_TYPE
    head = b"Content-Type: %b\r\nContent-Disposition: attachment;\r\n %b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head % (kind.encode(), _filename(attachment.filename)) + _base64_lines(attachment.content)


def _filename(name: str) -> bytes:
    if _SAFE_FILENAME.fullmatch(name):
        return b'filename="%b"' % name.encode()
    escaped = quote(name, safe="", errors="replace")
    sections = re.findall(rf"(?:%..|.){{1,{_PARAMETER_SECTION // 3}}}", escaped)
    if len(sections) <= 1:
        return b"filename*=utf-8''" + escaped.encode()
    numbered = (
        f"filename*{number}*={section}" for number, section in enumerate(["utf-8''" + sections[0], *sections[1:]])
    )
    return ";\r\n ".join(numbered).encode()


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)


def _base64_lines(data: bytes) -> bytes:
    encoded = _base64(data)
    lines = (encoded[start : start + _PREFERRED_LINE] for start in range(0, len(encoded), _PREFERRED_LINE))
    return b"\r\n".join(lines) + b"\r\n"
