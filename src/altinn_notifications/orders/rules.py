"""Rules that several kinds of orders share, and the list of what breaks them (spec 02, 3.6 and 3.7; spec 01, 6.4)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from altinn_notifications.orders.addresses import is_email_address
from altinn_notifications.orders.model import ContentType, SendingTimePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_IDEMPOTENCY_ID: Final = 4000
RESOURCE_PREFIX: Final = "urn:altinn:resource:"
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_WEB_REFERENCE: Final = re.compile(r"(?i:https?)://(?P<authority>[^/?#]*)")
_AUTHORITY: Final = re.compile(
    r"(?:[^@\[\]]*@)?(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:@\[\]]+))(?::0*(?P<port>[0-9]{1,5})?)?", re.ASCII
)
_MUST_BE_ENCODED: Final = re.compile(r"[\x00-\x20\x7f{}\"<>\\^|`]|%(?![0-9A-Fa-f]{2})|\s")
_HIGHEST_PORT: Final = 65_535


class Faults(dict[str, list[str]]):
    """What is wrong with a request: messages by the key of the property they concern (spec 01, 6.4).

    `sender_domains` are those that its caller may send email from; None: any.
    """

    def __init__(self, *, sender_domains: Sequence[str] | None = None) -> None:
        super().__init__()
        self.sender_domains = sender_domains

    def add(self, key: str, message: str) -> None:
        """Note that `message` is true of the property `key`."""
        self.setdefault(key, []).append(message)


def is_uri_reference(text: str) -> bool:
    """Whether `text` can be read as an absolute or relative reference at all.

    Nearly everything can; what cannot is a web address without a proper host or with an impossible port.
    Source: spec 01, 3.2 and spec 02, 3.7.
    """
    web = _WEB_REFERENCE.match(text)
    return web is None or _is_authority(web["authority"])


def condition_endpoint_fault(text: str) -> str | None:
    """Why `text` cannot be asked whether an order is still wanted, or None. Source: spec 02, 3.7."""
    if not _ABSOLUTE.match(text) or _MUST_BE_ENCODED.search(text):
        return "The condition endpoint must be an absolute, well-formed URL."
    if not _WEB_REFERENCE.match(text):
        return "The condition endpoint must be an http or https URL."
    return None


def add_send_time_faults(faults: Faults, key: str, requested: datetime | None, now: datetime) -> None:
    """A send time must state its offset and must not have passed; both can fail at once. Source: spec 02, 2.1."""
    if requested is None:
        return
    if requested.tzinfo is None:
        faults.add(key, "The time must end with Z or an offset from UTC.")
        requested = requested.replace(tzinfo=now.tzinfo)
    if requested < now:
        faults.add(key, "The time has passed.")


def add_resource_faults(faults: Faults, key: str, resource_id: str | None, action: str | None) -> None:
    """A resource is a URN, and an action needs a resource; `key` ends with a dot. Source: spec 02, 3.6."""
    if resource_id is not None and not _is_resource(resource_id):
        faults.add(f"{key}ResourceId", f"The resource must start with {RESOURCE_PREFIX} and name something.")
    add_action_faults(faults, f"{key}ResourceAction", resource_id, action)


def add_action_faults(faults: Faults, key: str, resource_id: str | None, action: str | None) -> None:
    """An action that is given says something, and needs a resource. Source: spec 02, 3.6 and spec 05, 4.3."""
    if not action:
        return
    if resource_id is None or not resource_id.strip():
        faults.add(key, "An action needs a resource.")
    elif not action.strip():
        faults.add(key, "The action must not be blank.")


def add_email_text_faults(
    faults: Faults,
    key: str,
    *,
    sender: str | None,
    content_type: ContentType | int,
    policy: SendingTimePolicy | int = SendingTimePolicy.ANYTIME,
) -> None:
    """The rules of email settings; `key` ends with a dot. Source: spec 02, 2.10."""
    if sender is not None and not is_email_address(sender):
        faults.add(f"{key}SenderEmailAddress", "The sender is not a valid email address.")
    add_sender_domain_fault(faults, f"{key}SenderEmailAddress", sender)
    if not isinstance(content_type, ContentType):
        faults.add(f"{key}ContentType", "The content type must be Plain or Html.")
    if policy is not SendingTimePolicy.ANYTIME:
        faults.add(f"{key}SendingTimePolicy", "Email can only be sent with the policy Anytime.")


def add_sender_domain_fault(faults: Faults, key: str, sender: str | None) -> None:
    """A sender that is named belongs to one of the caller's domains, where those are set."""
    if faults.sender_domains is None or not sender or not sender.strip():
        return
    if sender.strip().rpartition("@")[2].lower() not in faults.sender_domains:
        faults.add(key, "The sender's domain is not one that you may send from.")


def add_idempotency_faults(faults: Faults, idempotency_id: str) -> None:
    """An idempotency id has a longest length. Source: spec 01, 10."""
    if len(idempotency_id) > MAX_IDEMPOTENCY_ID:
        faults.add("IdempotencyId", f"The id must not be longer than {MAX_IDEMPOTENCY_ID} characters.")


def _is_resource(text: str) -> bool:
    return text.startswith(RESOURCE_PREFIX) and len(text) > len(RESOURCE_PREFIX)


def _is_authority(text: str) -> bool:
    parts = _AUTHORITY.fullmatch(text)
    if parts is None or int(parts["port"] or 0) > _HIGHEST_PORT:
        return False
    if parts["ipv6"] is not None:
        return _is_ipv6(parts["ipv6"])
    return "" not in parts["host"].removesuffix(".").split(".")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
