"""A request model with a member of every kind, to try the language of contracts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from altinn_notifications.api.contract import Given, Key, OptionalUri, RequiredText
from altinn_notifications.api.order_requests import CONTENT_TYPE, SENDING_TIME_POLICY
from altinn_notifications.orders.model import ContentType, SendingTimePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    name: RequiredText
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A request with a member of every kind; nothing must be present."""

    text: str | None = None
    title: str = ""
    number: int | None = None
    count: int = 1
    flag: bool = False
    wish: bool | None = None
    content: Annotated[ContentType | int, CONTENT_TYPE] = ContentType.PLAIN
    policy: Annotated[SendingTimePolicy | int, SENDING_TIME_POLICY] = SendingTimePolicy.ANYTIME
    maybe_content: Annotated[ContentType | int | None, CONTENT_TYPE] = ContentType.PLAIN
    moment: datetime | None = None
    strict_moment: Annotated[datetime | None, Given.NEVER_NULL] = None
    link: OptionalUri = None
    leaf: Annotated[Leaf | None, Key("Child")] = None
    must_leaf: Annotated[Leaf | None, Given.NOT_NULL] = Leaf(name="default")
    leaves: tuple[Leaf | None, ...] | None = None
    must_leaves: tuple[Leaf | None, ...] = ()
