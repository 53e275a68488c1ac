"""A file store for attachments, with links that are signed and expire like those of Azure's storage (spec 13, 15)."""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote, urlencode

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator.bodies import BadRequest, Body, read
from altinn_notifications.simulator.calls import Target
from altinn_notifications.simulator.observation import observed
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.clock import Clock
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState

MOST_FILES: Final = 100
LARGEST_FILE: Final = 30_000_000
VALID_FOR: Final = timedelta(days=1)
"""How long a link works that says nothing else."""

_LONGEST_MINUTES: Final = 525_600
_UNKNOWN_TYPE: Final = "application/octet-stream"
_PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Contents 4 0 R"
    b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"
    b"4 0 obj<</Length 50>>stream\nBT /F1 18 Tf 20 50 Td (Vedtak i saken din) Tj ET  \nendstream endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
SEEDED: Final[Mapping[str, bytes]] = {
    "vedtak.pdf": _PDF,
    "liste.csv": "navn;beløp\nKari;100\n".encode(),
    "tom.txt": b"",
    "stor.zip": b"PK" + bytes(12_000_000),
}
"""What is there from the start: two files to attach, one that is empty and one that no mail can carry."""


class Files:
    """Every file by name, the oldest first."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self.by_name = dict(SEEDED)

    def clear(self) -> None:
        """Back to those that are there from the start; links stay valid."""
        self.by_name = dict(SEEDED)

    def put(self, name: str, content: bytes) -> None:
        """Keep a file under this name; a new one pushes out the oldest when there are too many."""
        self.by_name.pop(name, None)
        self.by_name[name] = content
        if len(self.by_name) > MOST_FILES:
            del self.by_name[next(iter(self.by_name))]

    def query(self, name: str, expiry: datetime) -> str:
        """The query of a link to `name` that works until `expiry`."""
        se = to_wire(expiry)
        return urlencode({"se": se, "sr": "b", "sp": "r", "sig": self._signature(name, se)})

    def opens(self, name: str, query: Mapping[str, str], now: datetime) -> bool:
        """Whether a link with this query may be used at `now`."""
        expiry = query.get("se", "")
        is_signed = hmac.compare_digest(query.get("sig", "").encode(), self._signature(name, expiry).encode())
        return is_signed and now < datetime.fromisoformat(expiry)

    def _signature(self, name: str, expiry: str) -> str:
        return b64encode(hmac.digest(self._key, f"{name}\n{expiry}".encode(), hashlib.sha256)).decode()


@dataclass(frozen=True, slots=True)
class FileEndpoints:
    """Where the service fetches attachments, and where people put them."""

    base_url: str
    """What links begin with: the origin that the local profile allows."""
    state: SimulatorState
    clock: Clock
    pages: Pages

    def routes(self) -> list[BaseRoute]:
        """Fetching, seen in the calls and open to faults; putting; and the list."""
        fetched = observed(self.fetch, Target.FILES, self.state, self.clock)
        return [
            Route("/sim/files", self.list, methods=["GET"]),
            Route("/sim/files/{name}", fetched, methods=["GET"]),
            Route("/sim/files/{name}", self.put, methods=["PUT"]),
        ]

    async def fetch(self, request: Request) -> Response:
        """The content of a file; 403 without a valid signature, 404 for a name that nobody put there."""
        name, files = request.path_params["name"], self.state.files
        if not files.opens(name, request.query_params, self.clock.now()):
            return Response("The signature is not valid, or no longer.", 403, media_type="text/plain")
        if name not in files.by_name:
            return Response("There is no such file.", 404, media_type="text/plain")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
        return Response(files.by_name[name], media_type=_type_of(name), headers=headers)

    async def put(self, request: Request) -> Response:
        """Keep the body as a file and answer with a link to it, which works for `validMinutes`, else for a day."""
        wish = read(_Wish, {"name": request.path_params["name"], **request.query_params})
        content = await request.body()
        if len(content) > LARGEST_FILE:
            raise BadRequest({"body": [f"At most {LARGEST_FILE} bytes."]})
        self.state.files.put(wish.name, content)
        return JSONResponse(self._described(wish.name, timedelta(minutes=wish.valid_minutes)), 201)

    async def list(self, request: Request) -> Response:
        """Every file with a link to it."""
        data = {"files": [self._described(name, VALID_FOR) for name in self.state.files.by_name]}
        return self.pages.answer(request, "files.html", data, base_url=self.base_url)

    def _described(self, name: str, valid_for: timedelta) -> dict[str, Any]:
        expiry = self.clock.now() + valid_for
        return {
            "name": name,
            "size": len(self.state.files.by_name[name]),
            "contentType": _type_of(name),
            "url": f"{self.base_url}/sim/files/{quote(name)}?{self.state.files.query(name, expiry)}",
            "expires": to_wire(expiry),
        }


class _Wish(Body):
    name: Annotated[str, Field(pattern=r"^[\w .()-]{1,100}$")]
    valid_minutes: Annotated[int, Field(ge=0, le=_LONGEST_MINUTES)] = VALID_FOR // timedelta(minutes=1)


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE
