"""Every error an integrator can meet, explained once: the page `/errors` and docs/errors.md are made from it.

The body of an error links to its section of that page, and an error without a body does so in a `Link` header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from altinn_notifications.api.router import HELP_PATH, Route

if TYPE_CHECKING:
    from altinn_notifications.api.router import Request

_TEMPLATES: Final = Environment(
    loader=PackageLoader("altinn_notifications.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


@dataclass(frozen=True, slots=True)
class KnownError:
    """One error: the name that bodies and links call it, what it means and what its receiver can do."""

    name: str
    status: int
    title: str
    meaning: str
    remedy: str
    has_body: bool = True


ERRORS: Final = (
    KnownError(
        "invalid-request",
        400,
        "The request is not valid",
        "Nothing was stored. `errors` lists what is wrong by the property it concerns. A key that begins with "
        "`$` is the place in the JSON where reading stopped, and the other key beside it names the body as a "
        "whole. Any other key is the path of a property (`Recipient.RecipientEmail.EmailAddress`) or the name "
        "of a path, query or header value.",
        "Correct the request. Read the keys and not the texts: texts may change. Errors come in layers: when "
        "the JSON cannot be read, or a required property is missing, the rules behind that were not looked at "
        "yet.",
    ),
    KnownError(
        "not-authenticated",
        401,
        "No valid credentials",
        "The request has no token, or the token is expired, not yet valid, unsigned, altered or signed with "
        "an unknown key.",
        "Get a new token and repeat the request. Tokens of Maskinporten must be exchanged first.",
        has_body=False,
    ),
    KnownError(
        "not-permitted",
        403,
        "The credentials do not open this endpoint",
        "The token is genuine, but lacks the scope that this endpoint asks for, or names no service owner.",
        "Check the scope of the token, and that your organisation is registered as a service owner.",
        has_body=False,
    ),
    KnownError(
        "not-found",
        404,
        "Nothing is here",
        "The path is unknown, or no order of yours has this id. What belongs to somebody else looks the same.",
        "Check the id, the environment, and that the token names the organisation that placed the order.",
    ),
    KnownError(
        "method-not-allowed",
        405,
        "Not with this method",
        "The path exists; the `Allow` header names its methods.",
        "Use one of those.",
        has_body=False,
    ),
    KnownError(
        "too-late-to-cancel",
        409,
        "The order can no longer be cancelled",
        "Its send time is at most five minutes ahead, or it is already being processed.",
        "Read its status: what has been sent cannot be taken back.",
    ),
    KnownError(
        "body-too-large",
        413,
        "The body is too large",
        "It is longer than 30,000,000 bytes. Nothing was stored.",
        "Place several smaller orders.",
        has_body=False,
    ),
    KnownError(
        "unsupported-content-type",
        415,
        "The body is not declared as JSON",
        "`Content-Type` is missing, names something other than JSON, or a character set other than UTF-8 and UTF-16.",
        "Send `Content-Type: application/json`.",
    ),
    KnownError(
        "NOT-00001",
        422,
        "Somebody cannot be reached",
        "At least one recipient of the order or of its reminders has no usable address for the channel that "
        "was asked for, or is reserved. Nothing was stored.",
        "Choose another channel, send by post, or wait until there is contact data. "
        "`useStaleContactInformation` and `ignoreReservation` widen who may be reached where you have the "
        "right to use them.",
    ),
    KnownError(
        "NOT-00002",
        499,
        "The client went away",
        "The connection was closed before the work was finished. Nothing was stored.",
        "Repeat the request with the same idempotency id.",
    ),
    KnownError(
        "NOT-00003",
        404,
        "Shipment not found",
        "No shipment of yours has this id.",
        "Use the `shipmentId` of the receipt, not the `notificationOrderId`.",
    ),
    KnownError(
        "internal-error",
        500,
        "Something failed that nobody foresaw",
        "The service has a defect, and its operators can find it in the log.",
        "Repeat the request with the same idempotency id later, and tell the operators the time.",
        has_body=False,
    ),
    KnownError(
        "exports-not-installed",
        501,
        "This installation writes no Parquet files",
        "The service was installed without the extra `exports`, which brings the library that writes them.",
        "Tell the operators; they install `altinn-notifications[exports]` and start the service anew.",
    ),
    KnownError(
        "NOT-00004",
        503,
        "Something the service needs is away",
        "The database, a contact register or, for instant messages, the provider does not answer now. Nothing "
        "was stored, and an instant message that may have left all the same is not sent again by a repeat.",
        "Repeat the request with the same idempotency id after a short wait.",
    ),
)


async def get_page(_request: Request) -> Response:
    """The page for people, with one section an error."""
    return Response(_TEMPLATES.get_template("errors.html").render(errors=ERRORS), media_type="text/html")


def as_markdown() -> str:
    """The same for those who read the documentation."""
    return _TEMPLATES.get_template("errors.md").render(errors=ERRORS)


ROUTES: Final = [Route("GET", HELP_PATH, get_page)]
