from __future__ import annotations

import email.policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.channels.email.addresses import UnusableAddress, wire_address
from altinn_notifications.channels.email.message import (
    LONGEST_LINE,
    Addressing,
    HeaderInjection,
    Message,
    assemble,
    encode_text,
)
from altinn_notifications.channels.protocol import Attachment, OutgoingEmail
from support.emails import OPERATION_ID, an_email
from support.times import NOON

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
one_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=300)
mime_types = st.sampled_from(["application/pdf", "text/csv", "image/png", "application/vnd.ms-excel"])
attachments = st.builds(
    Attachment, filename=one_line.filter(bool), mime_type=mime_types, content=st.binary(max_size=300)
)


def written(outgoing: OutgoingEmail, *, allow_8bit: bool = True) -> Message:
    sender, recipient = wire_address(outgoing.from_address), wire_address(outgoing.to_address)
    addressing = Addressing(sender.text, recipient.text, NOON, "altinn.cloud")
    return assemble(outgoing, addressing, allow_8bit=allow_8bit)


def read(message: Message) -> EmailMessage:
    parsed = BytesParser(policy=email.policy.default).parsebytes(message.content)
    assert isinstance(parsed, EmailMessage)
    return parsed


def read_body(message: EmailMessage) -> str:
    part = message.get_body()
    assert part is not None
    return str(part.get_content())


def one_kind_of_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def same_text(received: str, sent: str) -> bool:
    return one_kind_of_line_end(received).removesuffix("\n") == one_kind_of_line_end(sent).removesuffix("\n")


def test_the_headers_name_the_operation_and_that_a_machine_wrote_it() -> None:
    message = read(written(an_email()))
    assert message["Message-ID"] == f"<{OPERATION_ID}@altinn.cloud>"
    assert message["X-Notification-Operation-Id"] == str(OPERATION_ID)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"
    assert message["Date"] == "Mon, 02 Mar 2026 12:00:00 +0000"
    assert (message["From"], message["To"]) == ("noreply@altinn.cloud", "kari@example.com")


@pytest.mark.parametrize(("is_html", "expected"), [(False, "text/plain"), (True, "text/html")])
def test_the_body_is_plain_or_html_in_utf_8(is_html: bool, expected: str) -> None:  # noqa: FBT001 - a parameter set
    message = read(written(an_email(is_html=is_html)))
    assert message.get_content_type() == expected
    assert message.get_param("charset") == "utf-8"
    assert not message.is_multipart()


@given(subject=one_line, body=any_text, is_html=st.booleans(), allow_8bit=st.booleans())
def test_what_is_written_is_what_a_reader_sees(subject: str, body: str, *, is_html: bool, allow_8bit: bool) -> None:
    message = written(an_email(subject=subject, body=body, is_html=is_html), allow_8bit=allow_8bit)
    parsed = read(message)
    assert parsed["Subject"] == subject
    assert same_text(read_body(parsed), body)
    assert parsed.get_content_subtype() == ("html" if is_html else "plain")


@given(subject=one_line, body=any_text, files=st.lists(attachments, max_size=3), allow_8bit=st.booleans())
def test_no_line_is_longer_than_the_standard_allows_nor_ends_otherwise_than_in_cr_lf(
    subject: str, body: str, files: list[Attachment], *, allow_8bit: bool
) -> None:
    message = written(an_email(subject=subject, body=body, attachments=tuple(files)), allow_8bit=allow_8bit)
    lines = message.content.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert max(map(len, lines)) <= LONGEST_LINE
    assert message.is_8bit or message.content.isascii()


@given(body=any_text, files=st.lists(attachments, min_size=1, max_size=3))
def test_files_follow_the_body_with_their_names_types_and_octets(body: str, files: list[Attachment]) -> None:
    message = read(written(an_email(body=body, attachments=tuple(files))))
    assert message.get_content_type() == "multipart/mixed"
    assert same_text(read_body(message), body)
    received = list(message.iter_attachments())
    names = [part.get_filename() for part in received]
    assert names == [file.filename.strip() for file in files]  # the standard library's reader strips them
    assert [part.get_content_type() for part in received] == [file.mime_type for file in files]
    assert [part.get_payload(decode=True) for part in received] == [file.content for file in files]


@pytest.mark.parametrize(
    ("body", "allow_8bit", "expected"),
    [
        ("Hei", False, "7bit"),
        ("Blåbær", True, "8bit"),
        ("Blåbær og syltetøy til frokost", False, "quoted-printable"),
        ("Привет, как дела?", False, "base64"),
        ("a" * 998, False, "7bit"),
        ("a" * 999, True, "quoted-printable"),
        ("ø" * 500, True, "base64"),
        ("Hei\0", True, "quoted-printable"),
    ],
)
def test_text_is_encoded_only_when_the_server_or_a_line_demands_it(
    body: str,
    allow_8bit: bool,  # noqa: FBT001 - a parameter set
    expected: str,
) -> None:
    message = written(an_email(body=body), allow_8bit=allow_8bit)
    assert read(message)["Content-Transfer-Encoding"] == expected
    assert message.is_8bit is (expected == "8bit")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hei\r\nBcc: alle@example.com"},
        {"subject": "Hei\nBcc: alle@example.com"},
        {"subject": "Hei\rda"},
        {"attachments": (Attachment("brev\r\nX-Evil: 1.pdf", "application/pdf", b"%PDF"),)},
        {"attachments": (Attachment("brev.pdf", "application/pdf\nX-Evil: 1", b"%PDF"),)},
    ],
)
def test_a_line_break_in_a_header_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(HeaderInjection):
        written(an_email(**changes))


def test_a_long_subject_is_folded_into_encoded_words_of_at_most_75_characters() -> None:
    message = written(an_email(subject="Påminnelse: svar på brevet fra Digitaliseringsdirektoratet " * 5))
    header = message.content.split(b"Subject: ")[1].split(b"\r\nDate")[0]
    words = header.split(b"\r\n ")
    assert len(words) > 1
    assert all(len(word) <= 75 and word.startswith(b"=?utf-8?b?") for word in words)


def test_a_short_ascii_subject_stays_readable_on_the_wire() -> None:
    assert b"\r\nSubject: Du har ny post i Altinn\r\n" in written(an_email(subject="Du har ny post i Altinn")).content


def test_a_national_file_name_is_written_by_rfc_2231_in_sections() -> None:
    name = "Årsoppgave for æresmedlemmer i blåbærklubben på Ål.pdf"
    message = written(an_email(attachments=(Attachment(name, "application/pdf", b"x"),)))
    assert b"filename*0*=utf-8''%C3%85rsoppgave" in message.content
    assert b"filename*1*=" in message.content
    assert next(read(message).iter_attachments()).get_filename() == name


@pytest.mark.parametrize("mime_type", ["", "pdf", "message/rfc822", "multipart/mixed", 'text/plain; name="x"', "a/b/c"])
def test_a_type_that_cannot_stand_over_base64_becomes_plain_octets(mime_type: str) -> None:
    message = read(written(an_email(attachments=(Attachment("fil", mime_type, b"abc"),))))
    part = next(message.iter_attachments())
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_payload(decode=True) == b"abc"


def test_a_campaign_encodes_its_template_once() -> None:
    template = {"is_html": True, "allow_8bit": True}
    first = encode_text("Emne", "<p>Hei</p>" * 500, **template)
    assert encode_text("Emne", "<p>Hei</p>" * 500, **template) is first
    assert encode_text("Emne", "<p>Hei</p>" * 500, is_html=False, allow_8bit=True) is not first


def test_a_very_long_body_is_not_kept_in_memory() -> None:
    body = "a " * 100_000
    first = encode_text("Emne", body, is_html=False, allow_8bit=True)
    assert encode_text("Emne", body, is_html=False, allow_8bit=True) is not first


@pytest.mark.parametrize(
    ("address", "text", "needs_smtputf8"),
    [
        ("kari@example.com", b"kari@example.com", False),
        ("kari@blåbær.no", b"kari@xn--blbr-roah.no", False),
        ("kåre@example.com", "kåre@example.com".encode(), True),
        ("kåre@blåbær.no", "kåre@xn--blbr-roah.no".encode(), True),
        ('"kari nordmann"@example.com', b'"kari nordmann"@example.com', False),
        ("kari@[192.0.2.1]", b"kari@[192.0.2.1]", False),
        ("o'hara+x{y}@example.com", b"o'hara+x{y}@example.com", False),
    ],
)
def test_a_domain_is_written_as_a_labels_and_a_local_part_as_it_is(
    address: str,
    text: bytes,
    needs_smtputf8: bool,  # noqa: FBT001 - a parameter set
) -> None:
    wire = wire_address(address)
    assert (wire.text, wire.needs_smtputf8) == (text, needs_smtputf8)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "kari",
        "@example.com",
        "kari@",
        "kari nordmann@example.com",
        "kari@exa mple.com",
        "kari@example.com>",
        "<kari@example.com>",
        "kari@example.com,ola@example.com",
        "kari@example.com\r\nRCPT TO:<ola@example.com>",
        "kari@example.com\0",
        "kari@ola@example.com",
        "kari\u00a0nordmann@example.com",
        "kari@" + "å" * 70 + ".no",
        "kari@blåbær..no",
        "\ud800@example.com",
        "kåre\ud800@blåbær.no",
    ],
)
def test_an_address_that_would_break_a_command_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(UnusableAddress) as caught:
        wire_address(address)
    assert "kari" not in str(caught.value)


@given(any_text)
def test_an_accepted_address_never_holds_what_ends_a_command(address: str) -> None:
    try:
        text = wire_address(address).text.decode()
    except UnusableAddress:
        return
    assert not set("\r\n\0") & set(text)
    assert ">" not in text.rpartition("@")[2]
