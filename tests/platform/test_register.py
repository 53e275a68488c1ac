from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from altinn_notifications.clock import FixedClock
from altinn_notifications.platform.access_token import AccessTokenIssuer, SigningKey
from altinn_notifications.platform.clients import open_platform
from support.platform_peer import NAMES, Reply, connected
from support.times import NOON, SECOND
from support.tokens import a_key

if TYPE_CHECKING:
    from pathlib import Path

    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

KARI = "12838530255"
FLINK = "319900241"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    key = a_key("platform")
    file = tmp_path / "platform.pem"
    private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + key.certificate_pem)
    return file


async def test_organisations_are_named_before_persons_and_each_by_one_key(
    platform: Platform, peer: PlatformPeer
) -> None:
    peer.names = {FLINK: "FLINK TRESKO AS", KARI: "BADEHETTE RASK"}
    found = await platform.register.names([FLINK], [KARI])
    assert peer.calls[0].json == {"parties": [{"orgNo": FLINK}, {"ssn": KARI}]}
    assert found.records == {FLINK: "FLINK TRESKO AS", KARI: "BADEHETTE RASK"}


async def test_a_party_without_a_name_is_known_and_one_that_is_missing_is_not(
    platform: Platform, peer: PlatformPeer
) -> None:
    peer.names = {KARI: None}
    found = await platform.register.names([FLINK], [KARI])
    assert found.records == {KARI: ""}
    assert found.failures == {}


@pytest.mark.parametrize("answer", [{}, {"partyNames": None}, {"partyNames": []}])
async def test_an_answer_without_names_is_no_failure(platform: Platform, peer: PlatformPeer, answer: object) -> None:
    peer.answer_next(NAMES, Reply(answer))
    found = await platform.register.names([FLINK], [])
    assert (found.records, found.failures) == ({}, {})


async def test_numbers_with_wrong_check_digits_are_not_asked_for(platform: Platform, peer: PlatformPeer) -> None:
    peer.names = {KARI: "BADEHETTE RASK"}
    found = await platform.register.names(["319900242"], [KARI, "12838530256"])
    assert peer.calls[0].json == {"parties": [{"ssn": KARI}]}
    assert found.records == {KARI: "BADEHETTE RASK"}


async def test_only_wrong_numbers_make_no_call(platform: Platform, peer: PlatformPeer) -> None:
    await platform.register.names(["319900242"], ["12838530256"])
    assert peer.calls == []


async def test_a_thousand_and_one_parties_take_two_calls(platform: Platform, peer: PlatformPeer) -> None:
    # Every eleventh number or so has the right check digit.
    numbers = [number for number in (f"{candidate:09}" for candidate in range(30_000)) if _is_right(number)][:1001]
    peer.names = dict.fromkeys(numbers, "NAVN")
    found = await platform.register.names(numbers, [])
    assert sorted(len(call.json["parties"]) for call in peer.calls) == [1, 1000]
    assert len(found.records) == 1001


async def test_register_is_shown_an_access_token_of_the_platform(peer: PlatformPeer, key_file: Path) -> None:
    async with connected(peer, access_token_key_file=key_file) as platform:
        await platform.register.names([FLINK], [])
        await platform.register.names([FLINK], [])
    first, second = (call.headers["platformaccesstoken"] for call in peer.calls)
    key = a_key("platform")
    claims = jwt.decode(first, key.public_key, algorithms=["RS256"], audience="platform.altinn.no")
    assert (claims["iss"], claims["urn:altinn:app"]) == ("platform", "notifications")
    assert claims["exp"] - claims["iat"] == 300
    assert claims["iat"] - claims["nbf"] == 5
    assert abs(datetime.fromtimestamp(claims["iat"], UTC) - datetime.now(UTC)) < timedelta(minutes=1)
    header = jwt.get_unverified_header(first)
    assert header["kid"] == key.key_id
    assert urlsafe_b64decode(header["x5t"] + "=").hex().upper() == key.key_id
    assert first == second


async def test_without_a_key_register_is_asked_without_a_token(platform: Platform, peer: PlatformPeer) -> None:
    await platform.register.names([FLINK], [])
    assert "platformaccesstoken" not in peer.calls[0].headers


def test_a_token_is_used_until_five_seconds_before_it_expires(key_file: Path) -> None:
    clock = FixedClock(NOON)
    issuer = AccessTokenIssuer(SigningKey.read(key_file), clock)
    first = issuer.token()
    clock.turn(294 * SECOND)
    assert issuer.token() == first
    clock.turn(SECOND)
    assert issuer.token() != first


@pytest.fixture
def no_key(tmp_path: Path) -> Path:
    file = tmp_path / "platform.pem"
    file.write_text("no key")
    return file


@pytest.fixture
def mixed_keys(key_file: Path) -> Path:
    private, _, _ = key_file.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    key_file.write_bytes(private + a_key("ttd").certificate_pem)
    return key_file


async def test_a_key_file_that_is_none_stops_the_start(peer: PlatformPeer, no_key: Path) -> None:
    with pytest.raises(ValueError, match="NOTIFICATIONS_PLATFORM_ACCESS_TOKEN_KEY_FILE"):
        open_platform(peer.settings(access_token_key_file=no_key))


async def test_a_key_and_a_certificate_of_different_pairs_stop_the_start(peer: PlatformPeer, mixed_keys: Path) -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        open_platform(peer.settings(access_token_key_file=mixed_keys))


def _is_right(number: str) -> bool:
    weights = (3, 2, 7, 6, 5, 4, 3, 2)
    return sum(int(digit) * weight for digit, weight in zip(number, (*weights, 1), strict=True)) % 11 == 0
