"""Reading a mail for display: headers in plain words, text, HTML and attachments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import BytesParser, HeaderParser
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from email.message import Message

_FOLD = re.compile(r"\r?\n[ \t]+")
_HEADERS: Final = HeaderParser(policy=policy.compat32)
_MESSAGES: Final = BytesParser(policy=policy.compat32)


@dataclass(frozen=True, slots=True, repr=False)
class MailAttachment:
    """One file of a mail."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, repr=False)
class MailContent:
    """What a mail program shows. `headers` are all of them, in order."""

    headers: tuple[tuple[str, str], ...]
    plain: str | None
    html: str | None
    attachments: tuple[MailAttachment, ...]


def read_headers(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Every header of a mail, unfolded and decoded; what cannot be decoded stays as it was sent."""
    head = raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return tuple((name, _decoded(_FOLD.sub(" ", str(value)))) for name, value in _HEADERS.parsestr(head).items())


def header(headers: tuple[tuple[str, str], ...], name: str) -> str:
    """The first value of a header, in any letter case; empty when there is none."""
    return next((value for key, value in headers if key.lower() == name), "")


def read(raw: bytes) -> MailContent:
    """The whole mail: the first plain and the first HTML part are its text, everything else is attached."""
    parts = [part for part in _MESSAGES.parsebytes(raw).walk() if not part.is_multipart()]
    plain = next((part for part in parts if _is_text(part, "text/plain")), None)
    html = next((part for part in parts if _is_text(part, "text/html")), None)
    return MailContent(
        headers=read_headers(raw),
        plain=_text(plain) if plain else None,
        html=_text(html) if html else None,
        attachments=tuple(_attachment(part) for part in parts if part is not plain and part is not html),
    )


def _is_text(part: Message, content_type: str) -> bool:
    return part.get_content_type() == content_type and part.get_content_disposition() != "attachment"


def _text(part: Message) -> str:
    content = _bytes(part)
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _attachment(part: Message) -> MailAttachment:
    name = part.get_filename()
    return MailAttachment(
        name=_decoded(collapse_rfc2231_value(name)) if name else "unnamed",
        content_type=part.get_content_type(),
        content=_bytes(part),
    )


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):
        return value
