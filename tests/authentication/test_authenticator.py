"""Spec 11, 10: the edge cases, on tokens whose keys are fetched over a real socket."""

from __future__ import annotations

import base64
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.authentication.policies import ANONYMOUS, Policy
from support.callers import admit, status_of
from support.times import NOON, SECOND
from support.tokens import COMPOSED, CREATE, DISCOVERY, SUPPORT, a_key, unsigned

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from support.tokens import TokenIssuer

T0 = int(NOON.timestamp())


async def test_nobody_is_nobody(authenticator: Authenticator) -> None:
    assert await status_of(authenticator) == 401


async def test_a_bearer_with_scope_and_organisation_passes(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    caller = await admit(authenticator, bearer=issuer.enterprise("ttd"))
    assert caller.creator == "ttd"
    assert caller.claims["client_id"] == "a-client"


async def test_the_clocks_may_differ_by_ten_seconds_at_expiry(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    assert (await admit(authenticator, bearer=issuer.enterprise(exp=T0 - 9))).creator == "ttd"
    assert (await admit(authenticator, bearer=issuer.enterprise(exp=T0 - 10))).creator == "ttd"
    assert await status_of(authenticator, bearer=issuer.enterprise(exp=T0 - 11)) == 401


async def test_the_clocks_may_differ_by_ten_seconds_at_the_start(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    assert (await admit(authenticator, bearer=issuer.enterprise(nbf=T0 + 9))).creator == "ttd"
    assert await status_of(authenticator, bearer=issuer.enterprise(nbf=T0 + 11)) == 401


async def test_the_tolerance_is_a_setting(issuer: TokenIssuer, clock: FixedClock) -> None:
    strict = Authenticator(issuer.settings(clock_skew_seconds=0), clock)
    assert (await admit(strict, bearer=issuer.enterprise(exp=T0))).creator == "ttd"
    assert await status_of(strict, bearer=issuer.enterprise(exp=T0 - 1)) == 401
    await strict.close()


async def test_a_remembered_token_still_expires(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    token = issuer.enterprise(exp=T0 + 5)
    assert (await admit(authenticator, bearer=token)).creator == "ttd"
    clock.turn(16 * SECOND)
    assert await status_of(authenticator, bearer=token) == 401


async def test_a_token_without_expiry_is_refused(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    assert await status_of(authenticator, bearer=issuer.enterprise(exp=None)) == 401


@pytest.mark.parametrize("moment", ["soon", True, float("inf"), float("nan"), 10**400, [1], {}])
async def test_an_expiry_that_is_no_moment_is_refused(
    authenticator: Authenticator, issuer: TokenIssuer, moment: object
) -> None:
    assert await status_of(authenticator, bearer=issuer.enterprise(exp=moment)) == 401


async def test_a_token_signed_with_an_unknown_key_is_refused(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    token = issuer.sign({"scope": CREATE, "urn:altinn:org": "ttd", "exp": T0 + 60}, a_key("stranger"))
    assert await status_of(authenticator, bearer=token) == 401


async def test_a_known_key_id_does_not_make_a_strangers_signature_right(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    claims = {"scope": CREATE, "urn:altinn:org": "ttd", "exp": T0 + 60}
    token = jwt.encode(claims, a_key("stranger").private_key, "RS256", headers={"kid": issuer.key.key_id})
    assert await status_of(authenticator, bearer=token) == 401


async def test_changed_content_breaks_the_signature(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    head, _, signature = issuer.enterprise("ttd").split(".")
    _, body, _ = issuer.enterprise("skd").split(".")
    assert await status_of(authenticator, bearer=f"{head}.{body}.{signature}") == 401


async def test_only_asymmetric_algorithms_are_accepted(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    claims = {"scope": CREATE, "urn:altinn:org": "ttd", "exp": T0 + 60}
    public = issuer.key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = unsigned(claims, "HS256").rpartition(".")[0]
    code = base64.urlsafe_b64encode(hmac.digest(public, content.encode(), "sha256")).rstrip(b"=").decode()
    assert await status_of(authenticator, bearer=unsigned(claims)) == 401
    assert await status_of(authenticator, bearer=unsigned(claims, "RS256")) == 401
    assert await status_of(authenticator, bearer=f"{content}.{code}") == 401
    for algorithm in ("RS384", "RS512"):
        longer = jwt.encode(claims, issuer.key.private_key, algorithm, headers={"kid": issuer.key.key_id})
        assert (await admit(authenticator, bearer=longer)).creator == "ttd"


@pytest.mark.parametrize(
    "garbage", ["aaa.bbb.ccc", "garbage", "a.b", "..", "a.b.c.d", "æøå", "eyJhbGciOiJSUzI1NiJ9.W10.c2ln", "e30.e30.x"]
)
async def test_a_broken_token_is_a_refusal_and_never_an_error(authenticator: Authenticator, garbage: str) -> None:
    assert await status_of(authenticator, bearer=garbage) == 401
    assert await status_of(authenticator, platform=garbage) == 401
    assert await admit(authenticator, bearer=garbage, platform=garbage, policy=Policy.NONE) is ANONYMOUS


@pytest.mark.parametrize("stray", [",", ",,,,", "=", "==", "====", "!!!!", "\u00e6\u00e6"])
async def test_a_token_with_stray_characters_is_not_repaired(
    authenticator: Authenticator, issuer: TokenIssuer, stray: str
) -> None:
    for token in (issuer.enterprise(), issuer.platform()):
        head, rest = token.split(".", 1)
        for altered in (f"{token}{stray}", f"{stray}{token}", f"{head}{stray}.{rest}"):
            assert await status_of(authenticator, bearer=altered) == 401
            assert await status_of(authenticator, platform=altered) == 401


async def test_a_missing_or_misspelt_scope_is_forbidden(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    for scopes in ("", f"{CREATE}s", CREATE.upper()):
        assert await status_of(authenticator, bearer=issuer.enterprise(scopes=scopes)) == 403
    assert (await admit(authenticator, bearer=issuer.enterprise(scopes=f"a {CREATE} b"))).creator == "ttd"


async def test_the_altinn_scope_claim_hides_the_other(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    other: dict[str, Any] = {"urn:altinn:scope": "other"}
    enough: dict[str, Any] = {"urn:altinn:scope": CREATE}
    hidden, alone = issuer.enterprise(scopes=CREATE, **other), issuer.enterprise(scope=None, **enough)
    assert await status_of(authenticator, bearer=hidden) == 403
    assert (await admit(authenticator, bearer=alone)).creator == "ttd"


async def test_a_person_passes_the_policy_without_a_creator(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    assert (await admit(authenticator, bearer=issuer.personal(scopes=CREATE))).creator is None


async def test_each_policy_wants_its_own_scope(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    composed = issuer.enterprise(scopes=COMPOSED)
    support = issuer.enterprise(org=None, scopes=SUPPORT)
    assert (await admit(authenticator, bearer=composed, policy=Policy.COMPOSED)).creator == "ttd"
    assert await status_of(authenticator, bearer=composed) == 403
    assert await status_of(authenticator, bearer=issuer.enterprise(), policy=Policy.COMPOSED) == 403
    assert await status_of(authenticator, platform=issuer.platform(), policy=Policy.COMPOSED) == 401
    assert (await admit(authenticator, bearer=support, policy=Policy.SUPPORT)).creator is None
    assert await status_of(authenticator, bearer=issuer.enterprise(), policy=Policy.SUPPORT) == 403
    assert await status_of(authenticator, policy=Policy.SUPPORT) == 401


async def test_a_token_may_come_in_a_cookie(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    token = issuer.enterprise()
    for cookie in (f"AltinnStudioRuntime={token}", f"a=b; .ALTINNTOKEN={token}; c=d", f'AltinnStudioRuntime="{token}"'):
        assert (await admit(authenticator, ("Cookie", cookie))).creator == "ttd"
    both = f"AltinnStudioRuntime={issuer.enterprise('skd')}; .ALTINNTOKEN={token}"
    assert (await admit(authenticator, ("Cookie", both))).creator == "ttd"


async def test_a_good_cookie_does_not_rescue_a_bad_bearer(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    cookie = ("Cookie", f"AltinnStudioRuntime={issuer.enterprise()}")
    assert await status_of(authenticator, cookie, bearer="garbage") == 401
    assert (await admit(authenticator, cookie, ("Authorization", "Basic YTpi"))).creator == "ttd"
    assert (await admit(authenticator, cookie, ("Authorization", "Bearer  "))).creator == "ttd"


async def test_a_long_token_may_come_in_several_cookies(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    token = issuer.enterprise()
    name = "AltinnStudioRuntime"
    parts = f"{name}=chunks-2; {name}C1={token[:300]}; {name}C2={token[300:]}"
    assert (await admit(authenticator, ("Cookie", parts))).creator == "ttd"
    assert await status_of(authenticator, ("Cookie", f"{name}=chunks-2; {name}C1={token[:300]}")) == 401
    assert await status_of(authenticator, ("Cookie", f"{name}=chunks-{'9' * 5000}")) == 401


async def test_cookies_are_a_setting(issuer: TokenIssuer, clock: FixedClock) -> None:
    without = Authenticator(issuer.settings(cookies=False), clock)
    renamed = Authenticator(issuer.settings(cookie_name="Token"), clock)
    token = issuer.enterprise()
    assert await status_of(without, ("Cookie", f"AltinnStudioRuntime={token}; .ALTINNTOKEN={token}")) == 401
    assert await status_of(renamed, ("Cookie", f"AltinnStudioRuntime={token}")) == 401
    assert (await admit(renamed, ("Cookie", f"Token={token}"))).creator == "ttd"
    await without.close()
    await renamed.close()


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
async def test_the_scheme_may_be_written_in_any_case(
    authenticator: Authenticator, issuer: TokenIssuer, scheme: str
) -> None:
    header = ("Authorization", f"{scheme} {issuer.enterprise()} ")
    assert (await admit(authenticator, header)).creator == "ttd"


async def test_the_issuer_is_compared_only_when_that_is_asked_for(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    comparing = Authenticator(issuer.settings(validate_issuer=True), clock)
    elsewhere = issuer.enterprise(iss="https://elsewhere.example/")
    assert (await admit(authenticator, bearer=elsewhere)).creator == "ttd"
    assert await status_of(comparing, bearer=elsewhere) == 401
    assert (await admit(comparing, bearer=issuer.enterprise())).creator == "ttd"
    await comparing.close()


async def test_a_refusal_is_logged_with_its_reason_and_never_with_the_token(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    expired = issuer.enterprise(exp=T0 - 60)
    with capture_logs() as lines:
        await status_of(authenticator, bearer=expired)
        await status_of(authenticator, bearer=issuer.enterprise(), platform=unsigned({"iss": "skd"}))
    first, second = (line for line in lines if line["event"] == "request_refused")
    assert first["path"] == "/notifications/api/v1/orders/1"
    assert (first["policy"], first["status"], first["reason"]) == ("create", 401, "not-authenticated")
    assert (first["bearer"], first["client_id"]) == ("expired", "a-client")
    assert (second["reason"], second["platform_token"]) == ("platform-token-invalid", "algorithm-not-allowed")
    assert expired not in str(lines)
    assert expired.split(".")[2] not in str(lines)


async def test_what_a_forged_token_says_is_not_logged(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    forged = issuer.sign({"iss": "10848127138", "client_id": "Anna", "exp": T0 + 60}, a_key("stranger"))
    with capture_logs() as lines:
        await status_of(authenticator, bearer=forged, platform=forged)
    assert "10848127138" not in str([line for line in lines if line["event"] == "request_refused"])
    assert "Anna" not in str(lines)


async def test_an_open_endpoint_needs_neither_keys_nor_a_readable_token(
    authenticator: Authenticator, issuer: TokenIssuer
) -> None:
    await issuer.go_down()
    assert await admit(authenticator, bearer="aaa.bbb.ccc", policy=Policy.NONE) is ANONYMOUS
    assert await admit(authenticator, bearer=issuer.enterprise(), policy=Policy.NONE) is ANONYMOUS
    assert issuer.requests == []


async def test_a_verified_token_is_not_verified_again_within_a_minute(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    token = issuer.enterprise()
    await admit(authenticator, bearer=token)
    issuer.rotate()
    clock.turn(59 * SECOND)
    assert (await admit(authenticator, bearer=token)).creator == "ttd"
    assert issuer.requests == [DISCOVERY, f"{DISCOVERY}/jwks"]


async def test_a_withdrawn_key_stops_counting(
    authenticator: Authenticator, issuer: TokenIssuer, clock: FixedClock
) -> None:
    token = issuer.enterprise(ttl=24 * 3600)
    await admit(authenticator, bearer=token)
    issuer.rotate()
    clock.turn(timedelta(hours=12, seconds=1))
    assert await status_of(authenticator, bearer=token) == 401
