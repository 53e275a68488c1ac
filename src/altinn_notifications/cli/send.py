"""`altinn-notifications send`: one message through the real API, followed until its final status."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from altinn_notifications.run.welcome import ORDERS_PATH, SCOPE, SHIPMENT_PATH, Addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

FINAL_ORDER_STATUSES: Final = frozenset({"Order_Completed", "Order_SendConditionNotMet", "Order_Cancelled"})
DELIVERED: Final = frozenset({"Email_Delivered", "SMS_Delivered"})
LOOK_SECONDS: Final = 0.1
LOOK_SECONDS_LATER: Final = 1.0
SOON_SECONDS: Final = 30.0


class SendFailed(Exception):
    """The message could not be ordered or followed; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Message:
    """What to send: the recipient of an order as the API takes it, and where a person finds what arrived."""

    recipient: dict[str, Any]
    inbox_path: str


@dataclass(frozen=True, slots=True)
class Change:
    """A status that the shipment came to, `seconds` after the order was accepted."""

    seconds: float
    status: str
    is_final: bool


def email_to(address: str, *, subject: str, body: str, sender: str | None) -> Message:
    """A plain email. `sender` is the from-address; None takes the service's own."""
    settings = {"subject": subject, "body": body, **({"senderEmailAddress": sender} if sender else {})}
    recipient = {"recipientEmail": {"emailAddress": address, "emailSettings": settings}}
    return Message(recipient, f"/sim/mailbox/{quote(address)}")


def sms_to(number: str, *, body: str, sender: str | None) -> Message:
    """An SMS that is sent at any hour. `sender` is what the handset shows; None takes the service's own."""
    settings = {"body": body, "sendingTimePolicy": "Anytime", **({"sender": sender} if sender else {})}
    return Message(
        {"recipientSms": {"phoneNumber": number, "smsSettings": settings}}, f"/sim/phones/{quote(number)}/messages"
    )


class Client:
    """A service owner's client of the API, with a token from the local platform."""

    def __init__(self, addresses: Addresses, http: httpx.Client) -> None:
        self._addresses = addresses
        self._http = http

    def log_in(self, org: str) -> None:
        """Get a token for a service owner. Raises `SendFailed`."""
        url = f"{self._addresses.platform}/api/GetEnterpriseToken"
        answer = self._call("GET", url, params={"scopes": SCOPE, "org": org})
        self._http.headers["Authorization"] = f"Bearer {answer.text.strip()}"

    def order(self, message: Message) -> str:
        """Order the message, once, and return its shipment id. Raises `SendFailed`."""
        body = {"idempotencyId": str(uuid.uuid4()), "recipient": message.recipient}
        answer = self._call("POST", self._addresses.api + ORDERS_PATH, json=body)
        return str(answer.json()["notification"]["shipmentId"])

    def follow(self, shipment_id: str) -> Iterator[Change]:
        """Each status that the shipment and its notification come to, as it comes. Raises `SendFailed`."""
        started = time.monotonic()
        seen: list[str] = []
        while True:
            shipment = self._call("GET", f"{self._addresses.api}{SHIPMENT_PATH}/{shipment_id}").json()
            elapsed = time.monotonic() - started
            is_final = shipment["status"] in FINAL_ORDER_STATUSES
            status = " ".join([shipment["status"], *(recipient["status"] for recipient in shipment["recipients"])])
            if status not in seen[-1:]:
                seen.append(status)
                yield Change(elapsed, status, is_final)
            if is_final:
                return
            time.sleep(LOOK_SECONDS if elapsed < SOON_SECONDS else LOOK_SECONDS_LATER)

    def _call(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, url, **arguments)
        except httpx.HTTPError as error:
            place = httpx.URL(url).copy_with(path="/", query=None)
            raise SendFailed(f"{place} does not answer ({type(error).__name__}). {HINT}") from error
        if answer.is_error:
            raise SendFailed(_refusal(answer))
        return answer


HINT: Final = "Is it running? `altinn-notifications run` (or `make run`) starts it in another terminal."


def is_delivered(change: Change) -> bool:
    """Whether every notification of the shipment reached its recipient."""
    _, *notifications = change.status.split()
    return bool(notifications) and all(status in DELIVERED for status in notifications)


def _refusal(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        reasons = [f"{field}: {' '.join(texts)}" for field, texts in problem.get("errors", {}).items()]
        return "\n".join([f"{answer.status_code} {problem.get('title', '')}".strip(), *reasons])
    except (ValueError, AttributeError):
        return f"{answer.status_code} from {answer.request.method} {answer.request.url.path}"
