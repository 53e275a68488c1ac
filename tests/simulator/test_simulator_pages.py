from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import aiosmtplib
import pytest

from altinn_notifications.channels.magic import EMAIL_ADDRESSES, EMAIL_WORDS, SMS_ENDINGS, SMS_NUMBERS
from support.simulator import BROWSER, Running, a_mail, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Page(HTMLParser):
    """A page as a test asks about it."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def one(self, tag: str) -> dict[str, str | None]:
        (attributes,) = self.all(tag)
        return attributes


async def opened(simulator: Running, path: str, status: int = 200) -> Page:
    answer = await simulator.http.get(path, headers=BROWSER, follow_redirects=True)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer)


async def send(simulator: Running, address: str, mail: bytes) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        await smtp.sendmail("noreply@altinn.no", [address], mail)


PATHS = [
    "/",
    "/sim/mailbox",
    "/sim/mailbox/kari@epost.example",
    "/sim/phones",
    "/sim/phones/4799999001/messages",
    "/sim/persons",
    "/sim/persons/12838530255",
    "/sim/organizations",
    "/sim/organizations/319900896",
    "/sim/organizations/319901418",
    "/sim/users",
    "/sim/users/20001",
    "/sim/conditions",
    "/sim/conditions/always/calls",
    "/sim/clock",
    "/sim/faults",
]


@pytest.mark.parametrize("path", [*PATHS, "/sim/calls", "/sim/calls?target=sms"])
async def test_every_page_has_landmarks_one_heading_and_says_that_it_is_a_simulator(
    simulator: Running, path: str
) -> None:
    await simulator.send_sms("4799999001")
    await send(simulator, "kari@epost.example", a_mail())
    page = await opened(simulator, path)
    assert page.one("html")["lang"] == "en"
    assert page.one("main")["id"] == "main"
    assert page.all("a")[0] == {"class": "ds-skip-link", "href": "#main"}
    assert {nav["aria-label"] for nav in page.all("nav")} >= {"Main"}
    assert len(page.all("h1")) == 1
    assert "This is a simulator." in page.text
    labelled = {label["for"] for label in page.all("label")}
    fields = [field for field in page.all("input") + page.all("select") if field.get("type") != "hidden"]
    assert {field["id"] for field in fields if "aria-label" not in field} <= labelled
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", [*PATHS, "/sim/calls"])
async def test_programs_get_the_same_as_json(simulator: Running, path: str) -> None:
    for accept in ("*/*", "application/json"):
        answer = await simulator.http.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)


async def test_every_file_a_page_needs_comes_from_the_simulator(simulator: Running) -> None:
    page = await opened(simulator, "/")
    files = [link["href"] for link in page.all("link")] + [script["src"] for script in page.all("script")]
    for file in files:
        assert file is not None
        assert file.startswith("/")
        assert (await simulator.http.get(file)).status_code == 200, file


async def test_the_start_page_shows_every_magic_value_client_and_command(simulator: Running) -> None:
    page = await opened(simulator, "/")
    for word in [*EMAIL_ADDRESSES, *EMAIL_WORDS, *SMS_NUMBERS, *SMS_ENDINGS]:
        assert word in page.text
    for client in ("sim-client-ttd", "sim-client-annen", "sim-client-uten-org"):
        assert client in page.text
    assert '"p": "' in page.text  # a private JWK
    assert f"curl -s '{simulator.http.base_url}/api/GetEnterpriseToken?" in page.text
    assert "/notifications/api/v1/future/orders" in page.text


async def test_a_command_is_copied_by_a_button_that_says_which(simulator: Running) -> None:
    page = await opened(simulator, "/")
    copies = [button for button in page.all("button") if "data-copies" in button]
    ids = {pre.get("id") for pre in page.all("pre")}
    assert {button["data-copies"] for button in copies} <= ids
    assert len({button["aria-label"] for button in copies}) == len(copies)


async def test_html_mail_is_framed_without_scripts_and_loads_nothing(simulator: Running) -> None:
    body = '<p id="x">Hei</p><script>parent.document.title="taken"</script><img src="http://altinn.example/x.png">'
    await send(simulator, "kari@epost.example", a_mail("Vedtak", body, Content_Type="text/html; charset=utf-8"))
    (mail,) = await simulator.mailbox("kari@epost.example")
    answer = await simulator.http.get(mail["url"], headers=BROWSER)
    frame = Page(answer).one("iframe")
    assert frame["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert body in (frame["srcdoc"] or "")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "img-src 'self' data:;" in policy


async def test_text_of_others_is_never_markup(simulator: Running) -> None:
    evil = "<script>alert(1)</script>"
    await send(simulator, "kari@epost.example", a_mail(evil, evil))
    await simulator.send_sms("4799999001", evil.replace("<", "&lt;"), sender="&lt;b&gt;x")
    (mail,) = await simulator.mailbox("kari@epost.example")
    searches = [f"/sim/mailbox?search={evil}", f"/sim/phones?search={evil}"]
    for path in [
        "/sim/mailbox",
        mail["url"],
        "/sim/phones",
        "/sim/phones/4799999001/messages",
        "/sim/calls",
        *searches,
    ]:
        assert evil not in (await simulator.http.get(path, headers=BROWSER)).text, path


async def test_the_list_links_to_mails_whose_address_needs_escaping(simulator: Running) -> None:
    await send(simulator, "kari+a&b?c#d%e@epost.example", a_mail("Rart"))
    page = await opened(simulator, "/sim/mailbox")
    (link,) = [link["href"] for link in page.all("a") if (link["href"] or "").startswith("/sim/mailbox/")]
    assert "Rart" in (await opened(simulator, link or "")).text


def an_sms(simulator: Running) -> Awaitable[object]:
    return simulator.send_sms("4799999909")


def a_mail_without_report(simulator: Running) -> Awaitable[object]:
    return send(simulator, "noreport@epost.example", a_mail())


@pytest.mark.parametrize(
    ("path", "happens"), [("/sim/mailbox", a_mail_without_report), ("/sim/phones", an_sms), ("/sim/calls", an_sms)]
)
async def test_a_list_asks_for_news_and_gets_none_until_something_happens(
    simulator: Running, path: str, happens: Callable[[Running], Awaitable[object]]
) -> None:
    poll = next(a["hx-get"] for _, a in (await opened(simulator, path)).elements if a.get("id") == "live") or ""
    assert (await simulator.http.get(poll, headers={"HX-Request": "true"})).status_code == 204
    await happens(simulator)
    assert (await simulator.http.get(poll, headers={"HX-Request": "true"})).status_code == 200


async def test_a_taken_report_is_news(simulator: Running) -> None:
    simulator.service.status = 503
    await send(simulator, "kari@epost.example", a_mail())
    await eventually(simulator.service.mail_reports)
    (mail,) = await simulator.mailbox("kari@epost.example")
    polls = [
        next(a["hx-get"] for _, a in (await opened(simulator, path)).elements if a.get("id") == "live")
        for path in ("/sim/mailbox", mail["url"])
    ]
    simulator.service.status = 200
    await eventually(lambda: len(simulator.service.mail_reports()) > 1)
    for poll in polls:
        answer = await simulator.http.get(poll or "", headers={"HX-Request": "true"})
        assert "Delivered" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/sim/messages/unknown",
        "/sim/sms/unknown",
        "/sim/mailbox/kari@epost.example/1",
        "/sim/persons/03837019264",
        "/sim/organizations/319902066",
        "/sim/users/7",
        "/sim/conditions/unknown/calls",
    ],
)
async def test_a_message_that_is_not_here_gets_a_page_that_says_what_to_do(simulator: Running, path: str) -> None:
    page = await opened(simulator, path, status=404)
    assert "No such" in page.text
    assert "/sim/mailbox" in {link["href"] for link in page.all("a")}


async def test_deep_links_end_on_the_message(simulator: Running) -> None:
    await send(simulator, "kari@epost.example", a_mail("Dypt", operation_id="op-1"))
    reference = (await simulator.send_sms("4799999001", "Dypere"))["REF"]
    assert "Dypt" in (await opened(simulator, "/sim/messages/op-1")).text
    phone = await opened(simulator, f"/sim/sms/{reference}")
    assert "Dypere" in phone.text
    assert reference in {item.get("id") for item in phone.all("li")}


async def test_a_phone_offers_reports_by_hand_that_return_to_the_message(simulator: Running) -> None:
    reference = (await simulator.send_sms("4799999909"))["REF"]
    page = await opened(simulator, "/sim/phones/4799999909/messages")
    (action,) = [
        button["formaction"] for button in page.all("button") if (button.get("formaction") or "").endswith("=BARRED")
    ]
    answer = await simulator.http.post(action or "", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sim/phones/+4799999909/messages#{reference}")
    await eventually(simulator.service.sms_reports)
    assert simulator.service.sms_reports() == [(reference, "BARRED")]


async def test_the_allow_list_is_told_on_the_phone(simulator: Running) -> None:
    await simulator.send_sms("4799999001")
    assert "simulated" in (await opened(simulator, "/sim/phones")).text
    await simulator.http.put("/sim/settings", json={"allowList": ["+4799999001"]})
    assert "on the allow-list" in (await opened(simulator, "/sim/phones")).text


async def test_the_start_page_resets_and_comes_back(simulator: Running) -> None:
    await simulator.send_sms("4799999001")
    answer = await simulator.http.post("/sim/reset", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await simulator.http.get("/sim/phones")).json()["phones"] == []


async def test_an_emptied_mailbox_lets_the_page_reload(simulator: Running) -> None:
    answer = await simulator.http.delete("/sim/mailbox", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"]) == (204, "true")
