from __future__ import annotations

from uuid import uuid4

import aiosmtplib
import pytest

from support.simulator import Running, a_mail, eventually
from support.times import SECOND

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def submit(simulator: Running, address: str, mail: bytes | None = None) -> tuple[int, str]:
    """The reply that decides on one mail: to the final dot, or to what was refused before."""
    smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port)
    try:
        async with smtp:
            _, reply = await smtp.sendmail("noreply@altinn.no", [address], mail or a_mail())
            return 250, reply
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return refused.recipients[0].code, refused.recipients[0].message
    except aiosmtplib.SMTPResponseException as refused:
        return refused.code, refused.message


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("kari@epost.example", "Delivered"),
        ("bounced@epost.example", "Bounced"),
        ("bounced+p17@epost.example", "Bounced"),
        ("kari+Bounced@epost.example", "Bounced"),
        ("filteredspam@epost.example", "FilteredSpam"),
        ("quarantined@x.example", "Quarantined"),
        ("suppressed@epost.example", "Suppressed"),
        ("failed@epost.example", "Failed"),
        ("expanded@epost.example", "Expanded"),
        ("Permanent-Fail@TEST.com", "Failed"),
        ("bounce@test.com", "Bounced"),
    ],
)
async def test_accepted_mail_is_reported_as_the_address_says(simulator: Running, address: str, status: str) -> None:
    operation_id = str(uuid4())
    assert (await submit(simulator, address, a_mail(operation_id=operation_id)))[0] == 250
    await eventually(simulator.service.mail_reports)
    (report,) = simulator.service.mail_reports()
    assert (report["messageId"], report["status"], report["recipient"]) == (operation_id, status, address)


@pytest.mark.parametrize(
    ("address", "code", "text"),
    [
        ("invalidformat@epost.example", 553, "5.1.3"),
        ("toolarge@epost.example", 552, "5.3.4"),
        ("refused@epost.example", 554, "5.0.0"),
    ],
)
async def test_refused_mail_is_refused_every_time_and_not_kept(
    simulator: Running, address: str, code: int, text: str
) -> None:
    for _ in range(4):
        refusal = await submit(simulator, address)
        assert refusal[0] == code
        assert refusal[1].startswith(text)
    assert await simulator.mailbox(address) == []
    assert (await simulator.http.get("/sim/state")).json()["mailbox"]["reportsWaiting"] == 0


@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ("transient@epost.example", [450, 450, 250, 450, 450, 250]),
        ("transient-fail@test.com", [450, 250, 450, 250]),
        ("ratelimit@epost.example", [421, 250, 421, 250]),
    ],
)
async def test_mail_that_is_refused_at_first_is_accepted_later_and_the_count_starts_anew(
    simulator: Running, address: str, codes: list[int]
) -> None:
    assert [(await submit(simulator, address))[0] for _ in codes] == codes
    assert len(await simulator.mailbox(address)) == 2
    await eventually(lambda: len(simulator.service.mail_reports()) == 2)


async def test_a_temporary_refusal_has_an_enhanced_code_and_a_rate_limit_has_none(simulator: Running) -> None:
    assert (await submit(simulator, "transient@epost.example"))[1].startswith("4.2.1 ")
    assert not (await submit(simulator, "ratelimit@epost.example"))[1].startswith("4.")


@pytest.mark.parametrize("address", ["running@epost.example", "noreport@epost.example"])
async def test_mail_nobody_reports_on_is_accepted_and_kept(simulator: Running, address: str) -> None:
    assert (await submit(simulator, address))[0] == 250
    await submit(simulator, "kari@epost.example")
    await eventually(simulator.service.mail_reports)
    assert [report["recipient"] for report in simulator.service.mail_reports()] == ["kari@epost.example"]
    (mail,) = await simulator.mailbox(address)
    assert (mail["state"], mail["reports"]) == ("Accepted", [])


async def test_slow_delivery_is_reported_about_twenty_seconds_after_acceptance(simulator: Running) -> None:
    await submit(simulator, "slow-delivery@test.com")
    await submit(simulator, "kari@epost.example")
    await eventually(simulator.service.mail_reports)
    (mail,) = await simulator.mailbox("slow-delivery@test.com")
    due = (simulator.clock.now() + 20 * SECOND).isoformat().replace("+00:00", "Z")
    assert mail["reports"] == [{"state": "Delivered", "dueAt": due, "sentAt": None}]


async def test_mail_without_an_operation_id_is_kept_and_not_reported_on(simulator: Running) -> None:
    await submit(simulator, "kari@epost.example", a_mail(operation_id="") + b"X-Notification-Operation-Id: in-body\r\n")
    (mail,) = await simulator.mailbox("kari@epost.example")
    assert (mail["operationId"], mail["reports"]) == (None, [])


async def test_the_mailbox_lists_the_newest_first_and_searches_by_part_of_an_address(simulator: Running) -> None:
    for number, address in enumerate(["kari@a.example", "ola@b.example", "Kari@c.example"]):
        await submit(simulator, address, a_mail(f"Nr. {number}"))
    everything = (await simulator.http.get("/sim/mailbox")).json()
    found = (await simulator.http.get("/sim/mailbox?search=KARI@")).json()
    assert [mail["subject"] for mail in everything["messages"]] == ["Nr. 2", "Nr. 1", "Nr. 0"]
    assert [mail["address"] for mail in found["messages"]] == ["Kari@c.example", "kari@a.example"]
    assert [mail["subject"] for mail in await simulator.mailbox("KARI@c.example")] == ["Nr. 2"]
    assert everything["total"] == 3


async def test_a_mail_shows_its_parts_in_plain_words(simulator: Running) -> None:
    attached = (
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
        "Subject: =?utf-8?q?P=C3=A5minnelse?=\r\nFrom: Testdepartementet <noreply@altinn.no>\r\n"
        "Reply-To: svar@altinn.no\r\nX-Notification-Operation-Id: op-1\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHei på deg\r\n"
        "--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "<b>bl=E5b=E6r</b>\r\n"
        "--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename*=utf-8''vedtak%20%C3%A6.pdf\r\n\r\nJVBERg==\r\n--b--\r\n"
    )
    await submit(simulator, "kari@epost.example", attached.encode())
    (summary,) = await simulator.mailbox("kari@epost.example")
    mail = (await simulator.http.get(summary["url"])).json()
    assert mail["subject"] == "Påminnelse"
    assert mail["sender"] == "Testdepartementet <noreply@altinn.no>"
    assert mail["replyTo"] == "svar@altinn.no"
    assert mail["plain"].strip() == "Hei på deg"
    assert mail["html"].strip() == "<b>blåbær</b>"
    assert {"name": "Reply-To", "value": "svar@altinn.no"} in mail["headers"]
    (file,) = mail["attachments"]
    assert (file["name"], file["contentType"], file["size"]) == ("vedtak æ.pdf", "application/pdf", 4)
    content = await simulator.http.get(file["url"])
    assert content.content == b"%PDF"
    assert content.headers["content-disposition"] == "attachment; filename*=UTF-8''vedtak%20%C3%A6.pdf"


@pytest.mark.parametrize(
    "head",
    [
        b"Subject: =?nonsense?q?x?=\r\nContent-Type: text/plain; charset=nonsense\r\n",
        b"Subject: =?utf-8?b?###?=\r\nContent-Type: multipart/mixed\r\n",
        b"no header at all\r\n",
        b"Subject: \xff\xfe\r\nContent-Type: \xff\r\n",
    ],
)
async def test_a_broken_mail_is_shown_as_well_as_it_can_be(simulator: Running, head: bytes) -> None:
    await submit(simulator, "kari@epost.example", head + b"\r\nHei\r\n")
    (summary,) = await simulator.mailbox("kari@epost.example")
    mail = await simulator.http.get(summary["url"], headers={"Accept": "text/html"})
    assert mail.status_code == 200
    assert "Hei" in (await simulator.http.get(f"{summary['url']}/raw")).text


async def test_the_source_is_shown_as_it_came_and_as_text(simulator: Running) -> None:
    source = a_mail("Kilde", "Hei på deg")
    await submit(simulator, "kari@epost.example", source)
    (mail,) = await simulator.mailbox("kari@epost.example")
    raw = await simulator.http.get(f"{mail['url']}/raw")
    assert raw.content == source
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_mail_is_only_found_under_its_own_address(simulator: Running) -> None:
    await submit(simulator, "kari@epost.example")
    (mail,) = await simulator.mailbox("kari@epost.example")
    assert (await simulator.http.get(f"/sim/mailbox/ola@epost.example/{mail['id']}")).status_code == 404
    assert (await simulator.http.get(f"/sim/mailbox/kari@epost.example/{mail['id'] + 1}")).status_code == 404
    assert (await simulator.http.get(f"{mail['url']}/attachments/0")).status_code == 404


async def test_an_operation_id_leads_to_its_newest_mail(simulator: Running) -> None:
    for _ in range(2):
        await submit(simulator, "kari@epost.example", a_mail(operation_id="op-1"))
    answer = await simulator.http.get("/sim/messages/op-1", follow_redirects=True)
    assert answer.json()["url"] == (await simulator.mailbox("kari@epost.example"))[0]["url"]
    assert (await simulator.http.get("/sim/messages/op-2")).status_code == 404


async def test_deleting_empties_the_mailbox(simulator: Running) -> None:
    await submit(simulator, "kari@epost.example")
    assert (await simulator.http.delete("/sim/mailbox")).status_code == 204
    assert (await simulator.http.get("/sim/mailbox")).json() == {"total": 0, "messages": []}


async def test_a_list_holds_a_hundred_mails_and_leads_to_older_ones(simulator: Running) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        for number in range(101):
            await smtp.sendmail("a@b.example", ["noreport@epost.example"], a_mail(str(number)))
    first = (await simulator.http.get("/sim/mailbox")).json()
    older = (await simulator.http.get(f"/sim/mailbox?before={first['messages'][-1]['id']}")).json()
    assert (len(first["messages"]), first["total"]) == (100, 101)
    assert [mail["subject"] for mail in older["messages"]] == ["0"]
