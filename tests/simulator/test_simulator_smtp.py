from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiosmtplib
import pytest

from support.simulator import Running, a_mail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Talk:
    """A conversation in SMTP, word for word."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        lines = []
        while True:
            lines.append((await asyncio.wait_for(self.reader.readline(), 5)).decode().rstrip())
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        self.writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.reply()

    async def hello(self) -> None:
        await self.reply()
        await self.say("EHLO test")

    async def ends(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 5) == b""


@asynccontextmanager
async def talk(simulator: Running) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.smtp_port)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()


async def test_the_server_offers_the_extensions_a_sender_needs(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        assert (await smtp.reply()).startswith("220 ")
        lines = (await smtp.say("EHLO test")).split("\n")
    offered = {line[4:].split()[0] for line in lines[1:]}
    assert offered == {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"}


async def test_a_mail_with_every_parameter_is_accepted(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        sender = "MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=42"
        assert (await smtp.say(sender)).startswith("250 2.1.0")
        recipient = "RCPT TO:<bjørn@blåbær.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x"
        assert (await smtp.say(recipient)).startswith("250 2.1.5")
        assert (await smtp.say("DATA")).startswith("354 ")
        assert (await smtp.say(a_mail("Til Bjørn") + b".")).startswith("250 2.0.0")
        assert (await smtp.say("QUIT")).startswith("221 2.0.0")
        assert await smtp.ends()
    assert [mail["subject"] for mail in await simulator.mailbox("bjørn@blåbær.example")] == ["Til Bjørn"]


async def test_commands_are_accepted_in_any_letter_case(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.reply()
        assert (await smtp.say("helo test")).startswith("250 ")
        assert (await smtp.say("mail from:<>")).startswith("250 ")
        assert (await smtp.say("rcpt to: <a@b.example>")).startswith("250 ")


async def test_pipelined_commands_are_answered_in_order(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        smtp.writer.write(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<nonsense>\r\nDATA\r\n")
        assert [(await smtp.reply())[:3] for _ in range(4)] == ["250", "250", "501", "354"]
        smtp.writer.write(a_mail() + b".\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n")
        assert [(await smtp.reply())[:3] for _ in range(3)] == ["250", "250", "221"]


async def test_a_message_may_arrive_byte_by_byte(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        await smtp.say("MAIL FROM:<a@b.example>")
        await smtp.say("RCPT TO:<drops@d.example>")
        await smtp.say("DATA")
        for byte in a_mail("Dråper") + b".\r\n":
            smtp.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await smtp.reply()).startswith("250 ")
    assert len(await simulator.mailbox("drops@d.example")) == 1


async def test_dots_are_unstuffed_and_a_dot_within_a_line_ends_nothing(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        await smtp.say("MAIL FROM:<a@b.example>")
        await smtp.say("RCPT TO:<dots@d.example>")
        await smtp.say("DATA")
        body = b"..\r\n...two\r\nend.\r\n\n.\nnot the end\r\n."
        assert (await smtp.say(b"Subject: x\r\n\r\n" + body)).startswith("250 ")
    url = (await simulator.mailbox("dots@d.example"))[0]["url"]
    raw = (await simulator.http.get(f"{url}/raw")).content
    assert raw == b"Subject: x\r\n\r\n.\r\n..two\r\nend.\r\n\n.\nnot the end\r\n"


async def test_an_empty_message_is_a_message(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        await smtp.say("MAIL FROM:<a@b.example>")
        await smtp.say("RCPT TO:<empty@d.example>")
        await smtp.say("DATA")
        assert (await smtp.say(".")).startswith("250 ")
    assert [mail["size"] for mail in await simulator.mailbox("empty@d.example")] == [0]


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<a@b.example>"], "503 5.5.1"),  # nobody has said EHLO
        (["EHLO"], "501 5.5.4"),
        (["EHLO x", "RCPT TO:<a@b.example>"], "503 5.5.1"),
        (["EHLO x", "DATA"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "DATA"], "554 5.5.1"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "RSET", "RCPT TO:<a@b.example>"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "EHLO x", "RCPT TO:<a@b.example>"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:a@b.example"], "501 5.5.4"),
        (["EHLO x", "MAIL TO:<a@b.example>"], "501 5.5.4"),
        (["EHLO x", "MAIL FROM:<nonsense>"], "501 5.1.7"),
        (["EHLO x", "MAIL FROM:<a@b.example> SIZE=50000001"], "552 5.3.4"),
        (["EHLO x", "MAIL FROM:<a@b.example> SIZE=much"], "501 5.5.4"),
        (["EHLO x", "MAIL FROM:<a@b.example> WEIGHT=1"], "555 5.5.4"),
        (["EHLO x", "MAIL FROM:<å@b.example>"], "553 5.6.7"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<>"], "501 5.1.3"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<å@b.example>"], "553 5.6.7"),
        (["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example> WEIGHT=1"], "555 5.5.4"),
        (["EHLO x", "MAIL FROM:<a@b.example>", 'RCPT TO:<"a >"@b.example>'], "250 2.1.5"),
        (["EHLO x", "NOOP"], "250 2.0.0"),
        (["EHLO x", "VRFY kari"], "252 2.5.2"),
        (["EHLO x", "TURN"], "500 5.5.2"),
        (["EHLO x", "DATA now"], "501 5.5.4"),
    ],
)
async def test_a_command_is_judged_by_its_form_and_its_place(
    simulator: Running, commands: list[str], reply: str
) -> None:
    async with talk(simulator) as smtp:
        await smtp.reply()
        replies = [await smtp.say(command) for command in commands]
    assert replies[-1].startswith(reply)


async def test_bytes_that_are_no_text_are_refused(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.reply()
        assert (await smtp.say(b"EHLO \xff\xfe")).startswith("500 5.5.2")


async def test_an_endless_line_ends_the_session(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.reply()
        smtp.writer.write(b"x" * 5000)
        assert (await smtp.reply()).startswith("500 5.5.2")
        assert await smtp.ends()


async def test_a_message_larger_than_announced_is_refused_and_not_kept(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        await smtp.say("MAIL FROM:<a@b.example>")
        await smtp.say("RCPT TO:<huge@d.example>")
        await smtp.say("DATA")
        megabyte = (b"x" * 998 + b"\r\n") * 1000
        for _ in range(51):
            smtp.writer.write(megabyte)
            await smtp.writer.drain()
        assert (await smtp.say(".")).startswith("552 5.3.4")
        assert (await smtp.say("NOOP")).startswith("250 ")
    assert await simulator.mailbox("huge@d.example") == []


async def test_every_recipient_gets_a_mail_and_a_report_of_its_own(simulator: Running) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        await smtp.sendmail("a@b.example", ["one@d.example", "bounced@d.example"], a_mail())
    assert len(await simulator.mailbox("one@d.example")) == 1
    assert len(await simulator.mailbox("bounced@d.example")) == 1


async def test_at_most_a_thousand_recipients_share_a_mail(simulator: Running) -> None:
    async with talk(simulator) as smtp:
        await smtp.hello()
        await smtp.say("MAIL FROM:<a@b.example>")
        smtp.writer.write(b"".join(b"RCPT TO:<r%d@d.example>\r\n" % number for number in range(1001)))
        replies = [(await smtp.reply())[:9] for _ in range(1001)]
    assert replies[-2:] == ["250 2.1.5", "452 4.5.3"]


async def test_a_fault_meets_the_next_mails_at_mail_with_the_chosen_reply(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "smtp", "mode": "error", "status": 454, "count": 2})
    async with talk(simulator) as smtp:
        await smtp.hello()
        replies = [await smtp.say("MAIL FROM:<a@b.example>") for _ in range(3)]
    assert [reply[:3] for reply in replies] == ["454", "454", "250"]


async def test_a_fault_without_status_is_a_451_and_421_ends_the_session(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "smtp", "mode": "error"})
    async with talk(simulator) as smtp:
        await smtp.hello()
        assert (await smtp.say("MAIL FROM:<a@b.example>")).startswith("451 ")
        await simulator.http.post("/sim/faults", json={"target": "smtp", "mode": "error", "status": 421})
        assert (await smtp.say("MAIL FROM:<a@b.example>")).startswith("421 ")
        assert await smtp.ends()


async def test_a_silent_server_answers_nothing_more_on_that_connection(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "smtp", "mode": "timeout"})
    async with talk(simulator) as smtp:
        await smtp.hello()
        smtp.writer.write(b"MAIL FROM:<a@b.example>\r\nNOOP\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(smtp.reader.readline(), 0.1)
    async with talk(simulator) as smtp:
        await smtp.hello()
        assert (await smtp.say("MAIL FROM:<a@b.example>")).startswith("250 ")


async def test_garbage_is_no_smtp_reply(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "smtp", "mode": "garbage"})
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.smtp_port) as smtp:
        with pytest.raises(aiosmtplib.SMTPException):
            await smtp.sendmail("a@b.example", ["c@d.example"], a_mail())


async def test_a_slow_server_keeps_its_answers_in_order(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"latencyMs": 50})
    async with talk(simulator) as smtp:
        await smtp.hello()
        started = asyncio.get_running_loop().time()
        smtp.writer.write(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nNOOP\r\n")
        replies = [await smtp.reply() for _ in range(3)]
    assert asyncio.get_running_loop().time() - started >= 0.049
    assert [reply[:9] for reply in replies] == ["250 2.1.0", "250 2.1.5", "250 2.0.0"]
