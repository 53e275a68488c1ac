"""Who we are to Azure Communication Services, and how each request proves it (spec 09, 3.1). Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    import httpx


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """One resource: where its operations are, without a slash at the end, and the key that signs."""

    endpoint: str
    key: bytes

    @classmethod
    def parse(cls, connection_string: str) -> Account:
        """The account that `endpoint=...;accesskey=...` names, in any order and letter case of the names.

        Raises `ValueError`, which says what is wrong without the value. Source: spec 09, 3.1.
        """
        parts = dict(_named(part) for part in connection_string.split(";") if part.strip())
        endpoint, key = parts.get("endpoint", "").rstrip("/"), parts.get("accesskey", "")
        if not _is_web_address(endpoint) or not key:
            raise ValueError("it must name an endpoint with http or https, and an accesskey")
        try:
            return cls(endpoint, base64.b64decode(key, validate=True))
        except binascii.Error:
            raise ValueError("its accesskey is not base64") from None


def _named(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip().lower(), value.strip()


def _is_web_address(text: str) -> bool:
    url = urlsplit(text)
    return url.scheme in {"http", "https"} and bool(url.netloc)


def signed_headers(key: bytes, method: str, url: httpx.URL, body: bytes, *, at: datetime) -> dict[str, str]:
    """The headers that sign a request made at `at` (UTC). Source: spec 09, 3.1."""
    host = url.netloc.decode()  # with its port when that is not the usual one
    date = format_datetime(at, usegmt=True)
    digest = base64.b64encode(sha256(body).digest()).decode()
    return {
        "Host": host,
        "x-ms-date": date,
        "x-ms-content-sha256": digest,
        "Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
        + signature(key, method, url.raw_path.decode(), f"{date};{host};{digest}"),
    }


def signature(key: bytes, method: str, path_and_query: str, signed_values: str) -> str:
    """The signature in base64 over a request whose signed headers have these values, joined by semicolons."""
    text = f"{method}\n{path_and_query}\n{signed_values}"
    return base64.b64encode(hmac.digest(key, text.encode(), sha256)).decode()
