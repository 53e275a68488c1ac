"""Composed email for tests: requests, and the service with the stores, lanes and relays that its mails go through."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.sending.composed import ComposedLane
from altinn_notifications.sending.downloads import Downloads
from altinn_notifications.sending.policies import mail_policy
from altinn_notifications.settings import EmailSettings
from support.file_peer import FilePeer
from support.lanes import lane_parts
from support.service import API, ORDERS, Service, running_service
from support.smtp_peer import SmtpPeer
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg
    import httpx

    from altinn_notifications.channels.protocol import EmailProvider
    from altinn_notifications.clock import Clock
    from altinn_notifications.database.pool import Database
    from altinn_notifications.settings import Settings

COMPOSED = f"{ORDERS}/composed-email"
SCOPE = "altinn:serviceowner/notifications.composedemail.create"

MAILS = """
    SELECT s.*, n.destination, o.content, o.email, os.status AS order_status
    FROM notification_states s JOIN notifications n ON n.id = s.notification_id JOIN orders o ON o.id = s.order_id
    JOIN order_states os ON os.order_id = o.id WHERE s.lane = 'composed' ORDER BY s.notification_id"""
BUSY = """
    SELECT count(*) FROM notification_states
    WHERE lane = 'composed' AND (claimed_by IS NOT NULL OR result = 'New' OR (result = 'Sending' AND wake_at <= $1))"""


def an_attachment(sas_url: str | None = None, **changes: Any) -> dict[str, Any]:
    """A PDF in Azure's storage, with a link that is valid for a day after noon."""
    return {
        "filename": "vedtak.pdf",
        "mimeType": "application/pdf",
        "sasUrl": sas_url if sas_url is not None else a_sas_url(),
    } | changes


def a_sas_url(host: str = "etaten.blob.core.windows.net", **query: str) -> str:
    """A link to a blob; `query` changes its parameters, as they are written."""
    parameters = {"se": "2026-03-03T12%3A00%3A00Z", "sp": "r", "sr": "b", "sig": "c2VjcmV0"} | query
    return f"https://{host}/ut/vedtak.pdf?" + "&".join(f"{name}={value}" for name, value in parameters.items())


def a_composed_request(*attachments: Any, settings: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An order under a new idempotency id, due now; `settings` change those of the email."""
    email: dict[str, Any] = {"subject": "Vedtak i saken din", "body": "Vedtaket ligger ved."}
    email |= {"attachments": list(attachments)} if attachments else {}
    recipient = {"emailAddress": "kari@example.no", "emailSettings": email | (settings or {})}
    return {"idempotencyId": uuid.uuid4().hex, "recipient": recipient} | changes


@dataclass(slots=True)
class ComposedService:
    """The application, the store its files are in, and the relay its mails go to."""

    service: Service
    files: FilePeer
    smtp: SmtpPeer
    settings: Settings
    clock: Clock

    @property
    def db(self) -> Database:
        """The application's own pool."""
        return self.service.services.db

    async def post(self, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """Order as `ttd`."""
        return await self.service.post(
            COMPOSED, body, headers=self.service.authorization(scope=SCOPE) | (headers or {})
        )

    async def ordered(self, *attachments: Any, **changes: Any) -> str:
        """Order and process an email with these attachments; the id of its shipment."""
        response = await self.post(a_composed_request(*attachments, **changes))
        assert response.status_code == 201, response.text
        await self.process()
        return str(response.json()["notification"]["shipmentId"])

    async def process(self) -> None:
        """Process what is due."""
        assert (await self.service.post(f"{API}/trigger/pastdueorders", b"")).status_code == 200

    async def mails(self) -> list[asyncpg.Record]:
        """The composed emails with their states."""
        return list(await self.db.fetch(MAILS))

    async def mail(self) -> asyncpg.Record:
        """The only one."""
        (mail,) = await self.mails()
        return mail

    async def links(self) -> int:
        """How many links are stored."""
        return int(await self.db.fetchval("SELECT count(*) FROM attachment_links"))

    def lane(self, provider: EmailProvider | None = None, **changes: int) -> ComposedLane:
        """The lane as the worker makes it; `changes` are `batch_size`, `concurrency` and `worker`."""
        provider = provider or SmtpProvider(self.settings.email, self.clock)
        notification = self.settings.notification
        sizes = {
            "batch_size": notification.composed_email_publish_batch_size,
            "concurrency": notification.composed_email_publish_concurrency,
        }
        downloads = Downloads(self.db, self.clock, self.service.services.platform.attachments, self.settings)
        policy = mail_policy(self.settings)
        parts = lane_parts(self.db, self.clock, provider, "composed", **(sizes | {"policy": policy} | changes))
        return ComposedLane(downloads=downloads, **parts)

    async def send(
        self, provider: EmailProvider | None = None, *, done: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Let the lane work until nothing is new or held, or until `done`."""
        async with self.sending(provider):
            await until(done or self._is_idle, "the lane has nothing left to do")

    @asynccontextmanager
    async def sending(self, provider: EmailProvider | None = None) -> AsyncIterator[ComposedLane]:
        """The lane works as long as the block lasts."""
        carrier = provider or SmtpProvider(self.settings.email, self.clock)
        lane, stop = self.lane(carrier), asyncio.Event()
        work = asyncio.create_task(lane.run(stop))
        try:
            yield lane
        finally:
            stop.set()
            await work
            await carrier.close()

    async def _is_idle(self) -> bool:
        return not await self.db.fetchval(BUSY, self.clock.now())


@asynccontextmanager
async def running_composed_service(database_url: str, clock: Clock, **email: Any) -> AsyncIterator[ComposedService]:
    """The application with a file store and a relay as long as the block lasts; `email` are settings."""
    async with FilePeer() as files, SmtpPeer() as smtp:
        given: dict[str, Any] = {
            "smtp_host": "127.0.0.1",
            "smtp_port": smtp.port,
            "smtp_connections": 2,
            "attachment_extra_origins": (files.origin,),
        }
        group = EmailSettings(**(given | email))
        async with running_service(database_url, clock, email=group) as service:
            yield ComposedService(service, files, smtp, service.services.settings, clock)
