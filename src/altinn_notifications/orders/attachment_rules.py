"""Which attachments an email may have (spec 04, 5). No text that says what is wrong quotes a link or a part of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.api.composed_requests import EmailAttachment
    from altinn_notifications.orders.rules import Faults
    from altinn_notifications.platform.attachments import AttachmentOrigins

MARGIN: Final = timedelta(minutes=15)
"""A link must work at least so long after the requested send time."""

_FILENAME: Final = re.compile(r"[^/\\]*\.[^/\\.]+", re.DOTALL)
_MIME_TYPES: Final = {
    "application": (
        "epub+zip gzip json msword ogg onenote pdf rtf vnd.ms-excel vnd.ms-excel.sheet.binary.macroenabled.12"
        " vnd.ms-excel.sheet.macroenabled.12 vnd.ms-fontobject vnd.ms-outlook vnd.ms-powerpoint"
        " vnd.ms-powerpoint.presentation.macroenabled.12 vnd.ms-powerpoint.slideshow.macroenabled.12"
        " vnd.ms-publisher vnd.ms-word.document.macroenabled.12"
        " vnd.openxmlformats-officedocument.presentationml.presentation"
        " vnd.openxmlformats-officedocument.presentationml.slideshow"
        " vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        " vnd.openxmlformats-officedocument.wordprocessingml.document vnd.visio x-7z-compressed x-rar-compressed"
        " x-tar xml zip"
    ),
    "audio": "aac midi mpeg ogg opus wav webm x-ms-wma",
    "font": "otf ttf woff woff2",
    "image": "bmp gif jpeg png svg+xml tiff vnd.microsoft.icon webp",
    "text": "calendar csv plain xml",
    "video": "3gpp 3gpp2 mp4 mpeg ogg webm x-ms-wmv x-msvideo",
}
MIME_TYPES: Final = frozenset(f"{kind}/{name}" for kind, names in _MIME_TYPES.items() for name in names.split())
"""What email may carry, in lower case."""


def add_attachment_faults(
    faults: Faults, key: str, attachment: EmailAttachment, *, due: datetime, origins: AttachmentOrigins
) -> None:
    """What is wrong with an attachment of an email that is due at `due`. Source: spec 04, 5.

    `key` is the path of the attachment.
    """
    if not _FILENAME.fullmatch(attachment.filename):
        faults.add(f"{key}.Filename", "The name must have an extension and no slash or backslash.")
    if attachment.mime_type.lower() not in MIME_TYPES:
        faults.add(f"{key}.MimeType", "The type is not among those that email may carry.")
    url = _url(attachment.sas_url)
    query = _query(url)
    for fault in _link_faults(url, query, origins):
        faults.add(f"{key}.SasUrl", fault)
    expiry = _expiry(query)
    if expiry is not None and expiry - due < MARGIN:
        faults.add(key, "The link must be valid until 15 minutes after the requested send time.")


def _link_faults(url: httpx.URL, query: Mapping[str, str], origins: AttachmentOrigins) -> list[str]:
    """The first step that the link does not pass; of the last two, both. Source: spec 04, 5.3."""
    if not origins.is_secure(url):
        return ["The link must be an absolute https URL."]
    if not origins.allow(url):
        return ["The link must lead to Azure blob storage."]
    is_signed = all(query.get(name, "").strip() for name in ("se", "sp", "sig"))
    if not is_signed or query.get("sr", "").lower() != "b":
        return ["The link must be signed for reading a single blob: se, sp and sig with values, and sr=b."]
    unreadable = [] if _expiry(query) else ["The link's expiry, se, is not a date and time."]
    return unreadable if "r" in query["sp"] else [*unreadable, "The link's permissions, sp, do not allow reading."]


def _url(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL:
        return httpx.URL()


def _query(url: httpx.URL) -> dict[str, str]:
    """The parameters by name in lower case; a repeated one is joined with commas."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(url.query.decode("ascii"), keep_blank_values=True):
        key = name.lower()
        values[key] = f"{values[key]},{value}" if key in values else value
    return values


def _expiry(query: Mapping[str, str]) -> datetime | None:
    """When the link stops working; without a zone it is read as UTC."""
    try:
        moment = datetime.fromisoformat(query.get("se", "").strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
