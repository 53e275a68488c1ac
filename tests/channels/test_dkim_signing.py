"""Signed mail, as a receiver verifies it (RFC 6376)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from altinn_notifications.channels.email import dkim_signing
from altinn_notifications.channels.email.dkim_signing import DkimSigner, DkimUnavailable
from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.protocol import Accepted, Attachment
from altinn_notifications.clock import FixedClock
from altinn_notifications.settings import DkimKey, EmailSettings
from support.emails import an_email
from support.smtp_peer import SmtpPeer
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
PUBLIC_KEY = PRIVATE_KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


def dns(name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001 - the library asks so
    """The name server of altinn.cloud and xn--rdgrd-vuad.no, which have the same key."""
    published = (b"s2026._domainkey.altinn.cloud.", b"s2026._domainkey.xn--rdgrd-vuad.no.")
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(PUBLIC_KEY) if name in published else None


def is_valid(content: bytes) -> bool:
    """Whether a receiver accepts the signature."""
    untyped: Any = dkim
    return bool(untyped.verify(content, dnsfunc=dns))


@pytest.fixture
def key(tmp_path: Path) -> DkimKey:
    (tmp_path / "dkim.pem").write_bytes(PEM)
    return DkimKey(selector="s2026", key_file=tmp_path / "dkim.pem")


@pytest.fixture
async def peer() -> AsyncIterator[SmtpPeer]:
    async with SmtpPeer() as server:
        yield server


async def sent(peer: SmtpPeer, keys: dict[str, DkimKey], **changes: object) -> bytes:
    """What a relay gets of a mail when these keys are set."""
    settings = EmailSettings(smtp_host="127.0.0.1", smtp_port=peer.port, dkim_keys=keys)
    provider = SmtpProvider(settings, FixedClock(NOON))
    assert isinstance(await provider.send(an_email(**changes)), Accepted)
    await provider.close()
    return peer.mails[-1].content


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": "Blåbær", "body": "<p>Æ ø å</p>\n.\n..\n", "is_html": True},
        {"body": "x" * 5000},
        {"attachments": (Attachment("brev.pdf", "application/pdf", b"%PDF-1.7" * 1000),)},
        {"from_address": "noreply@post.altinn.cloud"},
        {"from_address": "noreply@ALTINN.cloud"},
    ],
)
async def test_a_receiver_can_verify_what_the_relay_got(
    peer: SmtpPeer, key: DkimKey, changes: dict[str, object]
) -> None:
    content = await sent(peer, {"altinn.cloud": key}, **changes)
    assert content.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=altinn.cloud;")
    assert is_valid(content)


@pytest.mark.parametrize(
    ("written", "forged"),
    [
        (b"From: noreply@altinn.cloud", b"From: other@altinn.cloud"),
        (b"Subject: Ny melding", b"Subject: En annen"),
        (b"Du har ny post", b"Du har vunnet"),
        (b"To: kari@", b"From: evil@example.com\r\nTo: kari@"),
    ],
)
async def test_a_change_on_the_way_is_found_out(peer: SmtpPeer, key: DkimKey, written: bytes, forged: bytes) -> None:
    content = await sent(peer, {"altinn.cloud": key})
    assert written in content
    assert not is_valid(content.replace(written, forged))


async def test_a_signed_mail_needs_no_eight_bits_that_a_relay_might_have_to_encode(
    peer: SmtpPeer, key: DkimKey
) -> None:
    content = await sent(peer, {"altinn.cloud": key}, body="Æ ø å")
    assert content.isascii()
    assert "BODY=8BITMIME" not in peer.mails[-1].mail


async def test_a_national_domain_is_signed_as_a_labels(peer: SmtpPeer, key: DkimKey) -> None:
    content = await sent(peer, {"rødgrød.no": key}, from_address="post@rødgrød.no")
    assert b"d=xn--rdgrd-vuad.no;" in content
    assert is_valid(content)


@pytest.mark.parametrize("sender", ["noreply@example.no", "noreply@notaltinn.cloud"])
async def test_mail_from_a_domain_without_a_key_is_not_signed(peer: SmtpPeer, key: DkimKey, sender: str) -> None:
    assert b"DKIM-Signature" not in await sent(peer, {"altinn.cloud": key}, from_address=sender)


def test_a_key_that_cannot_sign_stops_the_start_and_names_its_domain(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\nbm8=\n-----END RSA PRIVATE KEY-----\n")
    with pytest.raises(DkimUnavailable, match=r"altinn\.cloud"):
        DkimSigner({"altinn.cloud": DkimKey(selector="s1", key_file=tmp_path / "bad.pem")})


def test_a_missing_library_stops_the_start_and_says_what_to_install(
    key: DkimKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_installed(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(dkim_signing, "import_module", not_installed)
    with pytest.raises(DkimUnavailable, match=r"altinn-notifications\[dkim\]"):
        DkimSigner({"altinn.cloud": key})
