"""Dialogporten as the judge of who may see a dialog (spec 07, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from altinn_notifications.platform.breaker import THRESHOLD
from altinn_notifications.platform.clients import open_platform
from altinn_notifications.settings import Environment, GeneralSettings, PlatformSettings, Settings, SimulatorSettings
from support.platform_peer import Reply, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.platform.clients import Platform
    from altinn_notifications.platform.dialogporten import DialogportenClient
    from support.platform_peer import PlatformPeer

DIALOG = UUID("0198a6d2-51f3-7c40-9b1e-6d2f0c8e4a77")
LOOKUP = "/dialogporten/api/v1/enduser/dialoglookup"


@pytest.fixture
async def dialogporten(peer: PlatformPeer) -> AsyncIterator[DialogportenClient]:
    """A client of the peer."""
    address = f"{peer.url}/dialogporten/api/v1"
    async with connected(peer, dialogporten_enabled=True, dialogporten_base_url=address, timeout_seconds=1) as platform:
        assert platform.dialogporten is not None
        yield platform.dialogporten


async def test_the_question_is_put_with_the_callers_own_token(
    peer: PlatformPeer, dialogporten: DialogportenClient
) -> None:
    peer.answer_next(LOOKUP, Reply({}))
    assert await dialogporten.may_see(DIALOG, "a.b.c")
    (call,) = peer.calls_to(LOOKUP)
    assert (call.method, call.headers["authorization"], call.body) == ("GET", "Bearer a.b.c", b"")
    assert call.target == f"{LOOKUP}?instanceRef=urn:altinn:dialog-id:{DIALOG}"


@pytest.mark.parametrize(("status", "access"), [(200, True), (204, True), (299, True), (302, False), (404, False)])
async def test_any_status_of_success_means_access(
    peer: PlatformPeer, dialogporten: DialogportenClient, status: int, *, access: bool
) -> None:
    peer.answer_next(LOOKUP, Reply(status=status, headers={"Location": "/elsewhere"}))
    assert await dialogporten.may_see(DIALOG, "a.b.c") is access
    assert [call.path for call in peer.calls] == [LOOKUP]


@pytest.mark.parametrize("reply", [Reply(status=500), Reply(silent=True), Reply(drop=True), Reply(status=503)])
async def test_no_answer_means_no_access(peer: PlatformPeer, dialogporten: DialogportenClient, reply: Reply) -> None:
    peer.answer_next(LOOKUP, reply, reply, reply)
    assert not await dialogporten.may_see(DIALOG, "a.b.c")


async def test_who_fails_again_and_again_is_left_alone_and_who_denies_is_not(
    peer: PlatformPeer, dialogporten: DialogportenClient
) -> None:
    peer.answer_next(LOOKUP, *[Reply(status=403)] * THRESHOLD, *[Reply(status=500)] * THRESHOLD, Reply({}))
    for _ in range(2 * THRESHOLD + 1):
        assert not await dialogporten.may_see(DIALOG, "a.b.c")
    assert len(peer.calls) == 2 * THRESHOLD


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        (Environment.LOCAL, ""),
        (Environment.TEST, "dialogporten"),
        (Environment.PRODUCTION, "http://dialogporten.example/api/v1/"),
    ],
)
async def test_an_address_that_cannot_work_or_would_show_tokens_stops_the_start(
    environment: Environment, address: str
) -> None:
    settings = Settings(
        general=GeneralSettings(environment=environment),
        platform=PlatformSettings(dialogporten_enabled=True, dialogporten_base_url=address),
        simulator=SimulatorSettings(enabled=False),
    )
    with pytest.raises(ValueError, match="NOTIFICATIONS_PLATFORM_DIALOGPORTEN_BASE_URL"):
        open_platform(settings)


async def test_it_is_not_asked_unless_that_is_wished(platform: Platform) -> None:
    assert platform.dialogporten is None
