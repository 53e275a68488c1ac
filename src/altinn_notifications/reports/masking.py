"""Email addresses in what others may see, such as tags of a metric (spec 09, 10). Pure."""

from __future__ import annotations

import re
from typing import Final

_MASK: Final = "***"
_SHOWN: Final = 2


def masked_address(address: str | None) -> str:
    """The first two characters of the local part and the domain; nothing of what is not an address.

    A local part of two characters or fewer is hidden altogether. Source: spec 09, 10.
    """
    if not address or address.startswith("@") or address.endswith("@") or "@" not in address:
        return ""
    local, _, domain = address.partition("@")
    shown = local[:_SHOWN] if len(local) > _SHOWN else ""
    return f"{shown}{_MASK}@{domain}"


def masked_text(text: str | None, *, recipient: str | None, sender: str | None) -> str:
    """`text` with both addresses masked, in any letter case; other addresses are not looked for.

    Source: spec 09, 10.
    """
    if not text or not text.strip():
        return ""
    for address in (recipient, sender):
        if address and address.strip():
            text = _hidden(text, address)
    return text


def _hidden(text: str, address: str) -> str:
    mask = masked_address(address)
    return re.sub(re.escape(address), lambda _: mask, text, flags=re.IGNORECASE)
