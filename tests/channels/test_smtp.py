"""The SMTP provider against a real server on a real socket (spec 09, 8.1 and 8.2)."""

from __future__ import annotations

import asyncio
import email.policy
import socket
from contextlib import asynccontextmanager
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from altinn_notifications.channels.email import smtp_pool
from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.protocol import Accepted, Attachment, Deferred, Refused, Scope, Unknown
from altinn_notifications.clock import FixedClock
from altinn_notifications.lifecycle import EmailResult
from altinn_notifications.settings import EmailSettings
from support.emails import OPERATION_ID, an_email
from support.smtp_peer import DROP, HANG, SmtpPeer, ThenDrop
from support.times import NOON
from support.tls import localhost_identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ACCEPTED = Accepted(str(OPERATION_ID))


@pytest.fixture
async def peer() -> AsyncIterator[SmtpPeer]:
    async with SmtpPeer() as server:
        yield server


@asynccontextmanager
async def provider_for(peer: SmtpPeer, **changes: Any) -> AsyncIterator[SmtpProvider]:
    values = {"smtp_host": "127.0.0.1", "smtp_port": peer.port, "smtp_timeout_seconds": 5, **changes}
    provider = SmtpProvider(EmailSettings(**values), FixedClock(NOON))
    yield provider
    await provider.close()


async def test_a_mail_is_handed_over_once_and_its_reference_is_the_operation_id(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        assert await provider.send(an_email()) == ACCEPTED
    [mail] = peer.mails
    assert mail.mail.split(" SIZE=")[0] == "MAIL FROM:<noreply@altinn.cloud>"
    assert mail.rcpt == "RCPT TO:<kari@example.com>"
    message = BytesParser(policy=email.policy.default).parsebytes(mail.content)
    assert message["Message-ID"] == f"<{OPERATION_ID}@altinn.cloud>"
    assert message["Subject"] == "Ny melding i Altinn"


async def test_a_repeat_carries_the_same_message_id(peer: SmtpPeer) -> None:
    peer.next("CONTENT", DROP)
    async with provider_for(peer) as provider:
        assert isinstance(await provider.send(an_email()), Unknown)
        assert await provider.send(an_email()) == ACCEPTED
    first, second = (BytesParser().parsebytes(mail.content)["Message-ID"] for mail in peer.mails)
    assert first == second


async def test_lines_that_begin_with_a_dot_arrive_as_written(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        assert await provider.send(an_email(body="en\n.\n..to\n.tre")) == ACCEPTED
    assert peer.mails[0].content.endswith(b"\r\n\r\nen\r\n.\r\n..to\r\n.tre\r\n")


async def test_the_envelope_sender_carries_the_operation_id_when_a_bounce_domain_is_set(peer: SmtpPeer) -> None:
    async with provider_for(peer, bounce_domain="bounce.altinn.cloud", bounce_local_part="retur") as provider:
        await provider.send(an_email())
    assert peer.mails[0].mail.startswith(f"MAIL FROM:<retur+{OPERATION_ID}@bounce.altinn.cloud>")
    assert b"From: noreply@altinn.cloud\r\n" in peer.mails[0].content


async def test_delivery_reports_are_asked_for_when_the_server_offers_them() -> None:
    async with SmtpPeer(extensions=("DSN",)) as peer, provider_for(peer) as provider:
        await provider.send(an_email())
    assert peer.mails[0].mail == f"MAIL FROM:<noreply@altinn.cloud> RET=HDRS ENVID={OPERATION_ID}"
    assert peer.mails[0].rcpt == "RCPT TO:<kari@example.com> NOTIFY=SUCCESS,FAILURE,DELAY"


@pytest.mark.parametrize(
    ("extensions", "encoding", "parameter"),
    [(("8BITMIME",), b"8bit", " BODY=8BITMIME"), ((), b"quoted-printable", "")],
)
async def test_text_goes_in_eight_bits_only_where_that_is_offered(
    extensions: tuple[str, ...], encoding: bytes, parameter: str
) -> None:
    async with SmtpPeer(extensions=extensions) as peer, provider_for(peer) as provider:
        await provider.send(an_email(body="Blåbær til frokost"))
    assert peer.mails[0].mail == "MAIL FROM:<noreply@altinn.cloud>" + parameter
    assert b"Content-Transfer-Encoding: %b\r\n" % encoding in peer.mails[0].content


async def test_a_national_domain_travels_as_a_labels(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        assert await provider.send(an_email(to_address="kari@blåbær.no")) == ACCEPTED
    assert peer.mails[0].rcpt == "RCPT TO:<kari@xn--blbr-roah.no>"


async def test_a_national_local_part_needs_smtputf8(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        outcome = await provider.send(an_email(to_address="kåre@example.com"))
    assert isinstance(outcome, Refused)
    assert outcome.result == EmailResult.INVALID_EMAIL_FORMAT
    assert not any(command.startswith("MAIL") for command in peer.commands)


async def test_a_national_local_part_is_carried_by_a_server_with_smtputf8() -> None:
    async with SmtpPeer(extensions=("SMTPUTF8", "8BITMIME")) as peer, provider_for(peer) as provider:
        assert await provider.send(an_email(to_address="kåre@example.com")) == ACCEPTED
    assert peer.mails[0].rcpt == "RCPT TO:<kåre@example.com>"
    assert peer.mails[0].mail == "MAIL FROM:<noreply@altinn.cloud> SMTPUTF8"
    assert "To: kåre@example.com\r\n".encode() in peer.mails[0].content


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"subject": "Hei\r\nBcc: alle@example.com"}, EmailResult.FAILED),
        ({"to_address": "kari@example.com\r\nBcc: alle@example.com"}, EmailResult.FAILED),
        ({"from_address": "noreply@altinn.cloud\nBcc: a@b.no"}, EmailResult.FAILED),
        ({"to_address": "kari"}, EmailResult.INVALID_EMAIL_FORMAT),
        ({"from_address": "altinn"}, EmailResult.FAILED),
        ({"from_address": "førstelinje@altinn.cloud"}, EmailResult.FAILED),
    ],
)
async def test_what_cannot_be_written_is_refused_without_a_word_to_the_server(
    peer: SmtpPeer, changes: dict[str, str], result: EmailResult
) -> None:
    async with provider_for(peer) as provider:
        outcome = await provider.send(an_email(**changes))
        assert isinstance(outcome, Refused)
        assert outcome.result == result
        assert "kari" not in outcome.detail
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 1
    assert len(peer.mails) == 1


async def test_a_message_above_our_own_limit_is_too_large(peer: SmtpPeer) -> None:
    big = (Attachment("brev.pdf", "application/pdf", b"x" * 3000),)
    async with provider_for(peer, max_message_bytes=3000) as provider:
        outcome = await provider.send(an_email(attachments=big))
        assert isinstance(outcome, Refused)
        assert outcome.result == EmailResult.PAYLOAD_TOO_LARGE
        outcome = await provider.send(an_email(body="lang " * 600))
        assert isinstance(outcome, Refused)
        assert outcome.result == EmailResult.PAYLOAD_TOO_LARGE
    assert peer.mails == []


@pytest.mark.parametrize(("offer", "accepted"), [("SIZE 900", False), ("SIZE 0", True), ("SIZE", True)])
async def test_a_message_above_the_servers_limit_is_too_large(offer: str, accepted: bool) -> None:  # noqa: FBT001 - one row of the table
    async with SmtpPeer(extensions=(offer,)) as peer, provider_for(peer) as provider:
        outcome = await provider.send(an_email(body="a" * 800))
    if accepted:
        assert outcome == ACCEPTED
        assert " SIZE=" in peer.mails[0].mail
    else:
        assert isinstance(outcome, Refused)
        assert outcome.result == EmailResult.PAYLOAD_TOO_LARGE
        assert peer.mails == []


async def test_files_arrive_as_attachments(peer: SmtpPeer) -> None:
    content = bytes(range(256)) * 4000
    files = (Attachment("Årsoppgave.pdf", "application/pdf", content), Attachment("a.csv", "text/csv", b"1;2"))
    async with provider_for(peer) as provider:
        assert await provider.send(an_email(attachments=files)) == ACCEPTED
    message = BytesParser(policy=email.policy.default).parsebytes(peer.mails[0].content)
    received = list(message.iter_attachments())
    assert [part.get_filename() for part in received] == ["Årsoppgave.pdf", "a.csv"]
    assert received[0].get_payload(decode=True) == content


# Edge cases 43 to 45 of spec 09, 12, and what a connection can do besides.


async def test_a_refused_recipient_leaves_the_connection_to_other_mail(peer: SmtpPeer) -> None:
    peer.next("RCPT", "550 5.1.1 <kari@example.com>: no such user", "450 4.7.1 greylisted")
    async with provider_for(peer) as provider:
        assert await provider.send(an_email()) == Refused(EmailResult.BOUNCED, "RCPT answered 550 5.1.1")
        assert await provider.send(an_email()) == Deferred(Scope.MESSAGE, "RCPT answered 450 4.7.1")
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 1
    assert peer.commands.count("RSET") == 2


async def test_a_refusal_at_mail_or_after_the_content_needs_no_reset(peer: SmtpPeer) -> None:
    peer.next("MAIL", "550 5.1.8 who are you")
    peer.next("CONTENT", "554 5.7.1 no", "552 too much")
    async with provider_for(peer) as provider:
        results = [await provider.send(an_email()) for _ in range(3)]
        assert await provider.send(an_email()) == ACCEPTED
    assert [r.result for r in results if isinstance(r, Refused)] == [
        EmailResult.FAILED,
        EmailResult.FILTERED_SPAM,
        EmailResult.PAYLOAD_TOO_LARGE,
    ]
    assert peer.connections == 1
    assert "RSET" not in peer.commands


async def test_mails_follow_each_other_without_a_reset(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        for _ in range(5):
            await provider.send(an_email(operation_id=uuid4()))
    verbs = [command.split(" ")[0] for command in peer.commands]
    assert verbs == ["EHLO", *["MAIL", "RCPT", "DATA"] * 5, "QUIT"]


@pytest.mark.parametrize(("extensions", "said"), [(("PIPELINING",), ["MAIL", "RCPT"]), ((), ["MAIL"])])
async def test_sender_and_recipient_are_said_in_one_breath_only_if_the_relay_takes_it(
    extensions: tuple[str, ...], said: list[str]
) -> None:
    async with SmtpPeer(extensions=extensions) as peer, provider_for(peer) as provider:
        peer.next("MAIL", "550 5.1.8 who are you")
        assert isinstance(await provider.send(an_email()), Refused)
        assert await provider.send(an_email()) == ACCEPTED
    verbs = [command.split(" ")[0] for command in peer.commands]
    assert verbs == ["EHLO", *said, "MAIL", "RCPT", "DATA", "QUIT"]
    assert peer.connections == 1


async def test_a_multiline_refusal_is_read_as_one(peer: SmtpPeer) -> None:
    peer.next("RCPT", "550-5.1.1 no such user\n550 5.1.1 ask somebody else")
    async with provider_for(peer) as provider:
        assert await provider.send(an_email()) == Refused(EmailResult.BOUNCED, "RCPT answered 550 5.1.1")
        assert await provider.send(an_email()) == ACCEPTED


@pytest.mark.parametrize("step", [DROP, HANG, "what?"])
@pytest.mark.parametrize("point", ["RCPT", "DATA"])
async def test_silence_before_the_content_means_that_nothing_was_taken(
    peer: SmtpPeer, point: str, step: object
) -> None:
    peer.next(point, step)
    async with provider_for(peer, smtp_timeout_seconds=0.2) as provider:
        outcome = await provider.send(an_email())
        assert isinstance(outcome, Deferred)
        assert outcome.scope is Scope.MESSAGE
        assert peer.mails == []
        assert await provider.send(an_email()) == ACCEPTED


@pytest.mark.parametrize("step", [DROP, HANG, "what?"])
async def test_silence_after_the_final_dot_leaves_the_outcome_unknown(peer: SmtpPeer, step: object) -> None:
    peer.next("CONTENT", step)
    async with provider_for(peer, smtp_timeout_seconds=0.2) as provider:
        assert isinstance(await provider.send(an_email()), Unknown)
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 2


@pytest.mark.parametrize("step", [DROP, HANG, "421 4.3.2 going down", "451 later", "what?"])
async def test_a_failure_at_the_first_mail_of_a_connection_concerns_the_provider(peer: SmtpPeer, step: object) -> None:
    peer.next("MAIL", step)
    async with provider_for(peer, smtp_timeout_seconds=0.2) as provider:
        outcome = await provider.send(an_email())
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.PROVIDER
    assert peer.mails == []


async def test_421_after_the_final_dot_is_a_refusal_for_now_and_ends_the_connection(peer: SmtpPeer) -> None:
    peer.next("CONTENT", "421 going down")
    async with provider_for(peer) as provider:
        assert await provider.send(an_email()) == Deferred(Scope.PROVIDER, "end of data answered 421")
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 2


async def test_an_answer_before_the_end_of_the_mail_counts_and_ends_the_connection(peer: SmtpPeer) -> None:
    peer.next("EARLY", "552 5.3.4 that is enough")
    big = (Attachment("stor.bin", "application/octet-stream", b"\0" * 7_000_000),)
    async with provider_for(peer) as provider:
        outcome = await provider.send(an_email(attachments=big))
        assert outcome == Refused(EmailResult.PAYLOAD_TOO_LARGE, "end of data answered 552 5.3.4")
        assert await provider.send(an_email()) == ACCEPTED
        peer.may_end.set()
    assert peer.connections == 2
    assert len(peer.mails) == 1


async def test_a_connection_that_was_closed_while_idle_is_replaced_and_the_mail_goes_once(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        assert await provider.send(an_email()) == ACCEPTED
        peer.hang_up()
        await peer.wait_until_gone()
        assert await provider.send(an_email(operation_id=(second := uuid4()))) == Accepted(str(second))
    assert peer.connections == 2
    assert len(peer.mails) == 2


@pytest.mark.parametrize("step", [DROP, ThenDrop("421 4.4.2 idle for too long")])
async def test_a_connection_that_dies_as_the_next_mail_begins_is_replaced_too(peer: SmtpPeer, step: object) -> None:
    async with provider_for(peer) as provider:
        assert await provider.send(an_email()) == ACCEPTED
        peer.next("MAIL", step)
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 2
    assert len(peer.mails) == 2


async def test_a_relay_that_stays_away_is_not_tried_a_third_time(peer: SmtpPeer) -> None:
    async with provider_for(peer) as provider:
        await provider.send(an_email())
        peer.always("MAIL", DROP)
        assert await provider.send(an_email()) == Deferred(Scope.PROVIDER, "connection lost at MAIL")
    assert peer.connections == 2


async def test_connections_are_kept_and_never_more_than_allowed(peer: SmtpPeer) -> None:
    async with provider_for(peer, smtp_connections=3) as provider:
        for _ in range(2):
            outcomes = await asyncio.gather(*(provider.send(an_email()) for _ in range(20)))
            assert outcomes == [ACCEPTED] * 20
        assert peer.connections == 3
    await peer.wait_until_gone()
    assert peer.commands.count("QUIT") == 3


async def test_connections_that_are_not_needed_are_given_back(peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_pool, "IDLE_SECONDS", 0.05)
    async with provider_for(peer) as provider:
        await asyncio.gather(*(provider.send(an_email()) for _ in range(4)))
        await asyncio.wait_for(peer.wait_until_gone(), timeout=5)
        assert peer.commands.count("QUIT") == 4
        assert await provider.send(an_email()) == ACCEPTED


async def test_a_cancelled_mail_takes_its_connection_with_it(peer: SmtpPeer) -> None:
    peer.next("CONTENT", HANG)
    async with provider_for(peer, smtp_connections=1) as provider:
        sending = asyncio.ensure_future(provider.send(an_email()))
        await asyncio.wait_for(peer.has_mail.wait(), timeout=5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 2


# Connecting.


async def test_a_relay_that_refuses_connections_is_a_failure_of_the_provider(peer: SmtpPeer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with provider_for(peer, smtp_port=free.getsockname()[1]) as provider:
            assert await provider.send(an_email()) == Deferred(Scope.PROVIDER, "not reachable at connection")


@pytest.mark.parametrize("host", ["relay.invalid", "a" * 64 + ".example", ".."])
async def test_a_relay_that_cannot_be_looked_up_is_a_failure_of_the_provider(peer: SmtpPeer, host: str) -> None:
    async with provider_for(peer, smtp_host=host) as provider:
        outcome = await provider.send(an_email())
    assert isinstance(outcome, Deferred)
    assert outcome.scope is Scope.PROVIDER


@pytest.mark.parametrize(
    ("point", "step"),
    [
        ("GREETING", "250 what?"),
        *[(point, step) for point in ("GREETING", "EHLO") for step in (DROP, HANG, "421 busy", "450 later", "what?")],
    ],
)
async def test_a_relay_that_does_not_greet_is_a_failure_of_the_provider(
    peer: SmtpPeer, point: str, step: object
) -> None:
    peer.next(point, step)
    async with provider_for(peer, smtp_timeout_seconds=0.2) as provider:
        outcome = await provider.send(an_email())
        assert isinstance(outcome, Deferred)
        assert (outcome.scope, outcome.misconfigured) == (Scope.PROVIDER, False)
        assert await provider.send(an_email()) == ACCEPTED


@pytest.mark.parametrize("point", ["GREETING", "EHLO"])
async def test_a_relay_that_will_not_have_us_is_for_the_operator(peer: SmtpPeer, point: str) -> None:
    peer.always(point, "554 5.7.1 go away")
    async with provider_for(peer) as provider:
        outcome = await provider.send(an_email())
    assert outcome == Deferred(Scope.PROVIDER, "connection answered 554 5.7.1", misconfigured=True)


async def test_a_user_name_makes_us_authenticate() -> None:
    async with SmtpPeer(extensions=("AUTH PLAIN LOGIN",)) as peer:
        async with provider_for(peer, smtp_username="altinn", smtp_password="hemmelig") as provider:
            assert await provider.send(an_email()) == ACCEPTED
        assert "AUTH PLAIN AGFsdGlubgBoZW1tZWxpZw==" in peer.commands


async def test_a_relay_that_knows_only_login_is_told_name_and_password_in_turn() -> None:
    async with SmtpPeer(extensions=("AUTH LOGIN",)) as peer:
        peer.next("AUTH", "334 UGFzc3dvcmQ6")
        peer.next("AGVTBWVSAWC=", "235 2.7.0 Authentication successful")  # the password, where a verb would stand
        async with provider_for(peer, smtp_username="altinn", smtp_password="hemmelig") as provider:
            assert await provider.send(an_email()) == ACCEPTED
        assert peer.commands[1:3] == ["AUTH LOGIN YWx0aW5u", "aGVtbWVsaWc="]


@pytest.mark.parametrize(
    ("answer", "misconfigured"),
    [("535 5.7.8 bad credentials", True), ("454 4.7.0 Temporary authentication failure", False), ("530 no", True)],
)
async def test_a_wrong_password_is_nobodys_bounce(answer: str, misconfigured: bool) -> None:  # noqa: FBT001 - one row of the table
    async with SmtpPeer(extensions=("AUTH PLAIN",)) as peer:
        peer.always("AUTH", answer)
        async with provider_for(peer, smtp_username="altinn", smtp_password="feil") as provider:
            outcome = await provider.send(an_email())
    assert isinstance(outcome, Deferred)
    assert (outcome.scope, outcome.misconfigured) == (Scope.PROVIDER, misconfigured)
    assert "feil" not in outcome.detail
    assert not any(command.startswith("MAIL") for command in peer.commands)


async def test_without_an_offer_to_authenticate_nothing_is_sent(peer: SmtpPeer) -> None:
    async with provider_for(peer, smtp_username="altinn") as provider:
        outcome = await provider.send(an_email())
    assert isinstance(outcome, Deferred)
    assert outcome.misconfigured


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_mail_goes_encrypted_to_a_relay_that_we_trust(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = localhost_identity(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))
    peer = SmtpPeer(extensions=("STARTTLS", "8BITMIME"), tls=identity.server, implicit_tls=mode == "tls")
    async with peer, provider_for(peer, smtp_tls=mode, smtp_host="localhost") as provider:
        assert await provider.send(an_email()) == ACCEPTED
        assert await provider.send(an_email()) == ACCEPTED
    assert peer.connections == 1
    assert peer.commands.count("STARTTLS") == (1 if mode == "starttls" else 0)


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_nothing_is_sent_to_a_relay_that_we_do_not_trust(mode: str, tmp_path: Path) -> None:
    identity = localhost_identity(tmp_path)
    peer = SmtpPeer(extensions=("STARTTLS",), tls=identity.server, implicit_tls=mode == "tls")
    async with peer, provider_for(peer, smtp_tls=mode, smtp_host="localhost") as provider:
        outcome = await provider.send(an_email())
    assert outcome == Deferred(Scope.PROVIDER, "no TLS agreement at connection")
    assert peer.mails == []


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_a_relay_may_be_vouched_for_by_an_authority_of_ones_own(mode: str, tmp_path: Path) -> None:
    identity = localhost_identity(tmp_path)
    peer = SmtpPeer(extensions=("STARTTLS", "AUTH PLAIN"), tls=identity.server, implicit_tls=mode == "tls")
    trust = {"smtp_tls": mode, "smtp_ca_file": identity.certificate, "smtp_host": "localhost"}
    async with peer, provider_for(peer, **trust, smtp_username="altinn", smtp_password="hemmelig") as provider:
        assert await provider.send(an_email()) == ACCEPTED
    assert any(command.startswith("AUTH PLAIN") for command in peer.commands)


@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_a_certificate_in_another_name_is_not_believed(mode: str, tmp_path: Path) -> None:
    identity = localhost_identity(tmp_path, names=("relay.example.no",))
    peer = SmtpPeer(extensions=("STARTTLS",), tls=identity.server, implicit_tls=mode == "tls")
    trust = {"smtp_tls": mode, "smtp_ca_file": identity.certificate, "smtp_host": "localhost"}
    async with peer, provider_for(peer, **trust) as provider:
        assert await provider.send(an_email()) == Deferred(Scope.PROVIDER, "no TLS agreement at connection")
    assert peer.mails == []


async def test_without_an_offer_of_starttls_nothing_goes_in_the_clear(peer: SmtpPeer) -> None:
    async with provider_for(peer, smtp_tls="starttls") as provider:
        outcome = await provider.send(an_email())
    assert outcome == Deferred(Scope.PROVIDER, "the relay offers no STARTTLS", misconfigured=True)
    assert not any(command.startswith("MAIL") for command in peer.commands)


async def test_a_relay_that_cannot_start_tls_now_may_later() -> None:
    async with SmtpPeer(extensions=("STARTTLS",)) as peer:
        peer.always("STARTTLS", "454 4.7.0 TLS not available due to temporary reason")
        async with provider_for(peer, smtp_tls="starttls") as provider:
            outcome = await provider.send(an_email())
    assert outcome == Deferred(Scope.PROVIDER, "connection answered 454 4.7.0")
