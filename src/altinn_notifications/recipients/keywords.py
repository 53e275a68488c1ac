"""`$recipientName$` and `$recipientNumber$` in texts (spec 08, 8.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from altinn_notifications.recipients.contacts import Kind

if TYPE_CHECKING:
    from altinn_notifications.recipients.contacts import Identity

NAME: Final = "$recipientName$"
NUMBER: Final = "$recipientNumber$"
_KEYWORD: Final = re.compile("|".join(map(re.escape, (NAME, NUMBER))))
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def has_keywords(text: str) -> bool:
    """Whether the text speaks of its recipient, so that a register must be asked for the name."""
    return NAME in text or NUMBER in text


def personalised(text: str, identity: Identity, name: str, *, html: bool = False) -> str | None:
    """The text for one party, or None when the template is to be sent as it stands.

    The template stands when it has no keyword, and also when nothing would be left of it, so that no message is ever
    empty. `html` replaces what has a meaning in HTML in the name. Source: spec 08, 8.5.
    """
    if not has_keywords(text):
        return None
    number = identity.value if identity.kind is Kind.ORGANIZATION else ""
    # One pass, so that a name that happens to hold a keyword is left alone.
    values = {NAME: name.translate(_ENTITIES) if html else name, NUMBER: number}
    replaced = _KEYWORD.sub(lambda found: values[found[0]], text)
    return replaced if replaced.strip() else None
