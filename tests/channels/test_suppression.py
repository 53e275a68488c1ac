"""Addresses that are never written to (spec 09, 8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.channels.email.smtp import SmtpProvider
from altinn_notifications.channels.protocol import Accepted, Deferred, Refused, Scope
from altinn_notifications.clock import FixedClock
from altinn_notifications.lifecycle import EmailResult
from altinn_notifications.settings import EmailSettings
from support.emails import an_email
from support.smtp_peer import SmtpPeer
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def write(path: Path, text: str | None) -> None:
    """Change the list, or take it away."""
    path.unlink()
    if text is not None:
        path.write_text(text)


SUPPRESSED = Refused(EmailResult.SUPPRESSED_RECIPIENT, "the address is on the suppression list")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "suppressed"
    path.write_text("# asked us to stop\nkari@example.com\n\n  OLA@Example.com\n")
    return path


@pytest.fixture
async def peer() -> AsyncIterator[SmtpPeer]:
    async with SmtpPeer() as server:
        yield server


@pytest.fixture
async def provider(peer: SmtpPeer, listed: Path) -> AsyncIterator[SmtpProvider]:
    settings = EmailSettings(smtp_host="127.0.0.1", smtp_port=peer.port, suppression_file=listed)
    provider = SmtpProvider(settings, FixedClock(NOON))
    yield provider
    await provider.close()


@pytest.mark.parametrize("address", ["kari@example.com", "KARI@example.com", "ola@example.com"])
async def test_a_listed_address_is_not_contacted_at_all(provider: SmtpProvider, peer: SmtpPeer, address: str) -> None:
    assert await provider.send(an_email(to_address=address)) == SUPPRESSED
    assert peer.connections == 0


async def test_the_list_is_read_anew_when_it_changes(provider: SmtpProvider, listed: Path) -> None:
    assert isinstance(await provider.send(an_email(to_address="per@example.com")), Accepted)
    write(listed, "per@example.com\n")
    assert await provider.send(an_email(to_address="per@example.com")) == SUPPRESSED
    assert isinstance(await provider.send(an_email(to_address="kari@example.com")), Accepted)


async def test_without_a_list_that_can_be_read_nobody_is_written_to(
    provider: SmtpProvider, peer: SmtpPeer, listed: Path
) -> None:
    write(listed, None)
    outcome = await provider.send(an_email(to_address="per@example.com"))
    assert outcome == Deferred(Scope.PROVIDER, "the suppression list cannot be read", misconfigured=True)
    assert peer.connections == 0
