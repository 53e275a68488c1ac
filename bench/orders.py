"""Made-up orders: one email to one direct address each, as request bodies and as chains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from altinn_notifications.identifiers import new_id
from altinn_notifications.lifecycle import OrderType
from altinn_notifications.orders.model import (
    ContentType,
    EmailTemplate,
    NotificationChannel,
    Order,
    OrderChain,
    Recipient,
)

if TYPE_CHECKING:
    from datetime import datetime

CREATOR: Final = "ttd"
SUBJECT: Final = "Du har fått en ny melding i Altinn"
BODY: Final = "Hei! Du har fått et brev fra Testdepartementet. Logg inn i Altinn for å lese det. " * 5
PATH: Final = "/notifications/api/v1/future/orders"
_NUMBER: Final = "%010d"
_PLACE: Final = b"0123456789"


@dataclass(frozen=True, slots=True)
class RequestBytes:
    """A complete HTTP request, cut where each request has a number of its own."""

    pieces: tuple[bytes, ...]

    def numbered(self, number: int) -> bytes:
        """The request with this number in its idempotency id, reference and address."""
        return (b"%010d" % number).join(self.pieces)


def request_bytes(*, host: str, token: str, due: str | None) -> RequestBytes:
    """Requests that order one email, due at `due` (ISO 8601) or at once; ids are new for every call."""
    place = _PLACE.decode()
    body = {
        "idempotencyId": f"{uuid4().hex}-{place}",
        "sendersReference": f"sak-{place}",
        **({"requestedSendTime": due} if due else {}),
        "recipient": {
            "recipientEmail": {
                "emailAddress": f"innbygger-{place}@example.no",
                "emailSettings": {"subject": SUBJECT, "body": BODY},
            }
        },
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return RequestBytes(tuple((head.encode() + content).split(_PLACE)))


def chain(number: int, *, now: datetime, due: datetime) -> OrderChain:
    """The chain that such a request makes."""
    text = _NUMBER % number
    order = Order(
        id=new_id(),
        type=OrderType.Notification,
        creator=CREATOR,
        created=now,
        requested_send_time=due,
        channel=NotificationChannel.EMAIL,
        recipients=(Recipient(email_address=f"innbygger-{text}@example.no"),),
        senders_reference=f"sak-{text}",
        email=EmailTemplate("noreply@altinn.cloud", SUBJECT, BODY, ContentType.PLAIN),
    )
    return OrderChain(id=new_id(), idempotency_id=f"{uuid4().hex}-{text}", main=order)
