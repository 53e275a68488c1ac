"""The mailbox for people and programs (spec 13, 15)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from altinn_notifications.simulator import mail_content
from altinn_notifications.simulator.pages import ROWS, no_news, polling, wants_html
from altinn_notifications.simulator.phones import report_json
from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from altinn_notifications.simulator.mailbox import Mail
    from altinn_notifications.simulator.pages import Pages
    from altinn_notifications.simulator.state import SimulatorState


class MailboxPages:
    """Lists, single mails, their parts and sources."""

    def __init__(self, state: SimulatorState, pages: Pages) -> None:
        self._state, self._pages = state, pages

    def routes(self) -> list[BaseRoute]:
        """Everything below `/sim/mailbox`, and the link from an operation id to its mail."""
        return [
            Route("/sim/mailbox", self.newest, methods=["GET"]),
            Route("/sim/mailbox", self.empty, methods=["DELETE"]),
            Route("/sim/mailbox/{address}", self.sent_to, methods=["GET"]),
            Route("/sim/mailbox/{address}/{id:int}", self.mail, methods=["GET"]),
            Route("/sim/mailbox/{address}/{id:int}/raw", self.raw, methods=["GET"]),
            Route("/sim/mailbox/{address}/{id:int}/attachments/{number:int}", self.attachment, methods=["GET"]),
            Route("/sim/messages/{operation_id}", self.by_operation_id, methods=["GET"]),
        ]

    async def newest(self, request: Request) -> Response:
        """The newest mails, or those to addresses that contain `search`, or those older than the id `before`."""
        search, before = request.query_params.get("search", "").strip(), request.query_params.get("before", "")
        found = self._state.mailbox.newest(
            containing=search.lower(), before=int(before) if before.isdecimal() else None
        )
        return self._list(request, found, title="Mailbox", search=search)

    async def sent_to(self, request: Request) -> Response:
        """The newest mails to one address."""
        address = request.path_params["address"]
        return self._list(request, self._state.mailbox.sent_to(address.lower()), title=address, search=address)

    def _list(self, request: Request, mails: Iterable[Mail], *, title: str, search: str) -> Response:
        poll_url, is_unchanged = polling(request, self._version)
        if is_unchanged:
            return no_news()
        rows = list(islice(mails, ROWS + 1))
        data = {"total": len(self._state.mailbox), "messages": [_summary(mail) for mail in rows[:ROWS]]}
        older = rows[ROWS - 1].id if len(rows) > ROWS else None
        return self._pages.answer(
            request, "mailbox.html", data, title=title, search=search, poll_url=poll_url, older=older
        )

    @property
    def _version(self) -> str:
        return f"{self._state.mailbox.changes}-{self._state.email_reports.taken}"

    async def mail(self, request: Request) -> Response:
        """One mail with all its parts."""
        mail = self._find(request)
        if mail is None:
            return self._missing(request)
        poll_url, is_unchanged = polling(request, [report.sent_at for report in mail.reports])
        if is_unchanged:
            return no_news()
        return self._pages.answer(request, "mail.html", _whole(mail), poll_url=poll_url)

    async def raw(self, request: Request) -> Response:
        """The mail's source, as it came over the wire."""
        mail = self._find(request)
        if mail is None:
            return self._missing(request)
        headers = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
        return Response(mail.raw, media_type="text/plain; charset=utf-8", headers=headers)

    async def attachment(self, request: Request) -> Response:
        """One attached file, to be saved."""
        mail, number = self._find(request), request.path_params["number"]
        files = mail_content.read(mail.raw).attachments if mail else ()
        if number >= len(files):
            return self._missing(request)
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(files[number].name, safe='')}",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(files[number].content, media_type=files[number].content_type, headers=headers)

    async def by_operation_id(self, request: Request) -> Response:
        """From the id a mail was submitted under to the newest mail with it."""
        mail = self._state.mailbox.find_by_reference(request.path_params["operation_id"])
        return RedirectResponse(_url(mail)) if mail else self._missing(request)

    async def empty(self, request: Request) -> Response:
        """Throw every mail away."""
        self._state.mailbox.clear()
        return Response(status_code=204, headers={"HX-Refresh": "true"} if wants_html(request) else None)

    def _find(self, request: Request) -> Mail | None:
        mail = self._state.mailbox.find(request.path_params["id"])
        return mail if mail and mail.address == request.path_params["address"].lower() else None

    def _missing(self, request: Request) -> Response:
        return self._pages.not_found(
            request,
            "No such mail here",
            "It has not arrived, or the mailbox has been emptied since. The mailbox keeps the newest 20,000 mails.",
        )


def _summary(mail: Mail) -> dict[str, Any]:
    headers = mail_content.read_headers(mail.raw)
    return {
        "id": mail.id,
        "address": mail.recipient,
        "sender": mail_content.header(headers, "from") or mail.sender,
        "subject": mail_content.header(headers, "subject"),
        "receivedAt": to_wire(mail.received_at),
        "size": mail.size,
        "operationId": mail.reference,
        "way": mail.way,
        "state": mail.state,
        "reports": [report_json(report) for report in mail.reports],
        "url": _url(mail),
    }


def _whole(mail: Mail) -> dict[str, Any]:
    content = mail_content.read(mail.raw)
    return {
        **_summary(mail),
        "envelopeSender": mail.sender,
        "replyTo": mail_content.header(content.headers, "reply-to"),
        "plain": content.plain,
        "html": content.html,
        "headers": [{"name": name, "value": value} for name, value in content.headers],
        "attachments": [
            {
                "name": file.name,
                "contentType": file.content_type,
                "size": len(file.content),
                "url": f"{_url(mail)}/attachments/{number}",
            }
            for number, file in enumerate(content.attachments)
        ],
    }


def _url(mail: Mail) -> str:
    return f"/sim/mailbox/{quote(mail.recipient, safe='@+')}/{mail.id}"
