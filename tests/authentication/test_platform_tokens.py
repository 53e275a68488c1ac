"""Spec 11, 4 and 5: platform access tokens, their certificates, and whom they make the creator."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.authentication.policies import Policy
from support.callers import admit, status_of
from support.times import HOUR, MINUTE, NOON, SECOND
from support.tokens import COMPOSED, a_key, unsigned

if TYPE_CHECKING:
    from pathlib import Path

    from altinn_notifications.clock import FixedClock
    from support.tokens import TokenIssuer

T0 = int(NOON.timestamp())
TTD_FILE = "/certificates/ttd-access-token-public-cert.pem"


async def test_a_platform_token_alone_makes_its_issuer_the_creator(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    assert (await admit(authenticator, platform=issuer.platform("ttd"))).creator == "ttd"
    assert (await admit(authenticator, platform=issuer.platform("platform", app="notifications"))).creator == "platform"


async def test_another_issuers_certificate_does_not_vouch(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    assert await status_of(authenticator, platform=issuer.platform("ttd", key=a_key("skd"))) == 401


async def test_a_platform_token_expires_with_ten_seconds_of_tolerance(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    assert (await admit(authenticator, platform=issuer.platform(exp=T0 - 9))).creator == "ttd"
    assert await status_of(authenticator, platform=issuer.platform(exp=T0 - 11)) == 401
    assert await status_of(authenticator, platform=issuer.platform(nbf=T0 + 11)) == 401
    assert await status_of(authenticator, platform=issuer.platform(exp=None)) == 401


async def test_an_issuer_without_a_certificate_is_refused(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    assert await status_of(authenticator, platform=issuer.platform("annen")) == 401


async def test_two_platform_tokens_are_refused(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    second = ("PlatformAccessToken", issuer.platform("ttd", jti="2"))
    assert await status_of(authenticator, second, platform=issuer.platform("ttd")) == 401
    assert await status_of(authenticator, ("PlatformAccessToken", ""), platform=issuer.platform("ttd")) == 401
    assert await status_of(authenticator, second, platform=issuer.platform("ttd"), bearer=issuer.enterprise()) == 401


async def test_an_empty_header_is_no_platform_token(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    assert (await admit(authenticator, platform="", bearer=issuer.enterprise())).creator == "ttd"


async def test_nobody_becomes_another_organisation_by_an_unsigned_token(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    bearer = issuer.enterprise("ttd")
    for forged in (unsigned({"iss": "skd"}), issuer.platform("skd", key=a_key("ttd")), "garbage", "aaa.bbb.ccc"):
        assert await status_of(authenticator, bearer=bearer, platform=forged) == 401


async def test_a_bad_platform_token_spoils_composed_orders_too(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    bearer = issuer.enterprise(scopes=COMPOSED)
    assert await status_of(authenticator, bearer=bearer, platform="garbage", policy=Policy.COMPOSED) == 401
    both = await admit(authenticator, bearer=bearer, platform=issuer.platform("skd"), policy=Policy.COMPOSED)
    assert both.creator == "skd"


async def test_a_platform_token_helps_a_bearer_without_scope(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    bearer = issuer.enterprise("ttd", scopes="other")
    assert (await admit(authenticator, bearer=bearer, platform=issuer.platform("skd"))).creator == "skd"
    assert await status_of(authenticator, bearer=bearer, platform="garbage") == 403


async def test_when_both_are_valid_the_platform_tokens_issuer_is_the_creator(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    caller = await admit(authenticator, bearer=issuer.enterprise("ttd"), platform=issuer.platform("skd"))
    assert (caller.creator, caller.claims["urn:altinn:org"]) == ("skd", "ttd")


@pytest.mark.parametrize("name", ["../../etc", "", "TTD", "t" * 51, "ttd\n", "a/b", "ttd.", None])
async def test_an_issuer_that_is_not_a_name_is_never_looked_up(
    authenticator: Authenticator, issuer: TokenIssuer, name: object
) -> None:
    assert await status_of(authenticator, platform=issuer.platform(key=a_key("ttd"), iss=name)) == 401
    assert issuer.requests == []


async def test_a_certificate_is_fetched_once_an_hour(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    for wait in (0 * SECOND, HOUR - SECOND, SECOND):
        clock.turn(wait)
        issuer.now = clock.now()
        await admit(authenticator, platform=issuer.platform())
    assert issuer.requests == [TTD_FILE, TTD_FILE]


async def test_how_long_a_certificate_is_remembered_is_a_setting(issuer: TokenIssuer, clock: FixedClock) -> None:
    service = Authenticator(issuer.settings(certificate_cache_seconds=90), clock)
    await admit(service, platform=issuer.platform())
    clock.turn(90 * SECOND)
    await admit(service, platform=issuer.platform())
    assert issuer.requests == [TTD_FILE, TTD_FILE]
    await service.close()


async def test_an_unknown_issuer_is_asked_for_once_a_minute(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await status_of(authenticator, platform=issuer.platform("annen"))
    issuer.certificates["annen"] = a_key("annen").certificate_pem
    clock.turn(59 * SECOND)
    assert await status_of(authenticator, platform=issuer.platform("annen")) == 401
    clock.turn(SECOND)
    assert (await admit(authenticator, platform=issuer.platform("annen"))).creator == "annen"


async def test_a_replaced_certificate_is_found_at_the_first_token_that_needs_it(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await admit(authenticator, platform=issuer.platform("ttd"))
    issuer.certificates["ttd"] = a_key("ttd-new").certificate_pem
    assert (await admit(authenticator, platform=issuer.platform("ttd", key=a_key("ttd-new")))).creator == "ttd"
    issuer.certificates["ttd"] = a_key("ttd").certificate_pem
    assert await status_of(authenticator, platform=issuer.platform("ttd", jti="2")) == 401
    clock.turn(5 * MINUTE)
    issuer.now = clock.now()
    assert (await admit(authenticator, platform=issuer.platform("ttd", jti="3"))).creator == "ttd"


async def test_one_file_may_hold_the_old_and_the_new_certificate(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    issuer.certificates["ttd"] = a_key("ttd").certificate_pem + a_key("ttd-new").certificate_pem
    for key in (a_key("ttd"), a_key("ttd-new")):
        assert (await admit(authenticator, platform=issuer.platform("ttd", key=key))).creator == "ttd"


async def test_without_a_source_of_certificates_a_platform_token_cannot_be_judged(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await admit(authenticator, bearer=issuer.enterprise())
    await issuer.go_down()
    assert await status_of(authenticator, platform=issuer.platform()) == 503
    assert await status_of(authenticator, platform=issuer.platform(), bearer=issuer.enterprise()) == 503
    assert await status_of(authenticator, platform="garbage", bearer=issuer.enterprise()) == 401
    await issuer.go_up()
    clock.turn(2 * SECOND)
    assert (await admit(authenticator, platform=issuer.platform())).creator == "ttd"


async def test_a_known_certificate_outlives_its_source(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await admit(authenticator, platform=issuer.platform())
    await issuer.go_down()
    clock.turn(timedelta(days=1))
    issuer.now = clock.now()
    assert (await admit(authenticator, platform=issuer.platform())).creator == "ttd"


async def test_a_withdrawn_certificate_stops_counting(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    await admit(authenticator, platform=issuer.platform())
    del issuer.certificates["ttd"]
    clock.turn(HOUR)
    issuer.now = clock.now()
    assert await status_of(authenticator, platform=issuer.platform()) == 401


async def test_a_file_that_is_no_certificate_vouches_for_nobody(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    for content in (b"not a certificate", b"-----BEGIN CERTIFICATE-----\n", b"\x30\x00", b""):
        issuer.certificates["ttd"] = content
        assert await status_of(authenticator, platform=issuer.platform("ttd", jti=content.hex())) == 401


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
async def test_certificates_are_read_from_a_folder(
    issuer: TokenIssuer, clock: FixedClock, tmp_path: Path, encoding: Encoding
) -> None:
    content = a_key("ttd").certificate.public_bytes(encoding)
    (tmp_path / "ttd-access-token-public-cert.pem").write_bytes(content)
    service = Authenticator(issuer.settings(certificate_directory=tmp_path), clock)
    assert (await admit(service, platform=issuer.platform("ttd"))).creator == "ttd"
    assert issuer.requests == []
    assert (await admit(service, platform=issuer.platform("skd"))).creator == "skd"
    await service.close()


async def test_a_certificate_that_cannot_be_read_is_not_a_missing_one(
    issuer: TokenIssuer, clock: FixedClock, tmp_path: Path
) -> None:
    (tmp_path / "ttd-access-token-public-cert.pem").mkdir()
    service = Authenticator(issuer.settings(certificate_directory=tmp_path), clock)
    assert await status_of(service, platform=issuer.platform("ttd")) == 503
    await service.close()


async def test_a_certificate_may_be_given_in_the_settings(issuer: TokenIssuer, clock: FixedClock) -> None:
    certificates = {"ttd": a_key("ttd").certificate_pem.decode(), "skd": a_key("skd").x5c}
    service = Authenticator(issuer.settings(certificates=certificates, certificate_url=None), clock)
    for name in certificates:
        assert (await admit(service, platform=issuer.platform(name))).creator == name
    assert await status_of(service, platform=issuer.platform("platform")) == 401
    assert issuer.requests == []
    await service.close()


def test_settings_that_cannot_work_stop_the_start(issuer: TokenIssuer, clock: FixedClock, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="certificate_directory"):
        Authenticator(issuer.settings(certificate_directory=tmp_path / "missing"), clock)
    with pytest.raises(ValueError, match="no RSA certificate for ttd"):
        Authenticator(issuer.settings(certificates={"ttd": base64.b64encode(b"nonsense").decode()}), clock)
