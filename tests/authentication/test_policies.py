"""Spec 11, 5 and 6: the whole matrix, without a token in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.authentication.policies import (
    ANONYMOUS,
    Bearer,
    Caller,
    PlatformToken,
    Policy,
    Proof,
    Refusal,
    decide,
    scopes_of,
)
from support.tokens import COMPOSED, CREATE, SUPPORT

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPES = {Policy.CREATE: CREATE, Policy.COMPOSED: COMPOSED, Policy.SUPPORT: SUPPORT}
NO_BEARER = Bearer(Proof.ABSENT)
BAD_BEARER = Bearer(Proof.INVALID)
UNCHECKED_BEARER = Bearer(Proof.UNCHECKED)
NO_PLATFORM = PlatformToken(Proof.ABSENT)
BAD_PLATFORM = PlatformToken(Proof.INVALID)
UNCHECKED_PLATFORM = PlatformToken(Proof.UNCHECKED)
APP = PlatformToken(Proof.VALID, "skd", "apps-test")
SCOPELESS = Bearer.valid({"scope": "something:else", "urn:altinn:org": "ttd"})
ENOUGH, PASS_AS_TTD, PASS_AS_SKD = "enough", "ttd", "skd"

MATRIX: list[tuple[Bearer | str, PlatformToken, int | str, int | str]] = [
    # bearer, platform token, policy create, policies composed and support
    (NO_BEARER, NO_PLATFORM, 401, 401),
    (NO_BEARER, APP, PASS_AS_SKD, 401),
    (NO_BEARER, BAD_PLATFORM, 401, 401),
    (NO_BEARER, UNCHECKED_PLATFORM, 503, 401),
    (BAD_BEARER, NO_PLATFORM, 401, 401),
    (BAD_BEARER, BAD_PLATFORM, 401, 401),
    (BAD_BEARER, APP, PASS_AS_SKD, 401),
    (BAD_BEARER, UNCHECKED_PLATFORM, 503, 401),
    (SCOPELESS, NO_PLATFORM, 403, 403),
    (SCOPELESS, BAD_PLATFORM, 403, 403),
    (SCOPELESS, APP, PASS_AS_SKD, 403),
    (SCOPELESS, UNCHECKED_PLATFORM, 503, 403),
    (ENOUGH, NO_PLATFORM, PASS_AS_TTD, PASS_AS_TTD),
    (ENOUGH, BAD_PLATFORM, 401, 401),
    (ENOUGH, APP, PASS_AS_SKD, PASS_AS_SKD),
    (ENOUGH, UNCHECKED_PLATFORM, 503, 503),
    (UNCHECKED_BEARER, NO_PLATFORM, 503, 503),
    (UNCHECKED_BEARER, BAD_PLATFORM, 503, 503),
    (UNCHECKED_BEARER, APP, PASS_AS_SKD, 503),
    (UNCHECKED_BEARER, UNCHECKED_PLATFORM, 503, 503),
]


def _enough_for(policy: Policy) -> Bearer:
    return Bearer.valid({"scope": SCOPES[policy], "urn:altinn:org": "ttd"})


@pytest.mark.parametrize("policy", list(SCOPES))
@pytest.mark.parametrize(("bearer", "platform", "create", "others"), MATRIX)
def test_every_pair_of_credentials_has_its_answer(
    policy: Policy, bearer: Bearer | str, platform: PlatformToken, create: int | str, others: int | str
) -> None:
    credential = _enough_for(policy) if isinstance(bearer, str) else bearer
    decision = decide(policy, credential, platform)
    found = decision.creator if isinstance(decision, Caller) else decision.status
    assert found == (create if policy is Policy.CREATE else others)


@pytest.mark.parametrize("bearer", [NO_BEARER, BAD_BEARER, UNCHECKED_BEARER, SCOPELESS])
@pytest.mark.parametrize("platform", [NO_PLATFORM, BAD_PLATFORM, UNCHECKED_PLATFORM, APP])
def test_an_open_endpoint_does_not_ask_who_calls(bearer: Bearer, platform: PlatformToken) -> None:
    assert decide(Policy.NONE, bearer, platform) is ANONYMOUS


@pytest.mark.parametrize("policy", list(SCOPES))
@pytest.mark.parametrize("other", list(SCOPES))
def test_a_scope_opens_only_its_own_policy(policy: Policy, other: Policy) -> None:
    decision = decide(policy, _enough_for(other), NO_PLATFORM)
    assert isinstance(decision, Caller) is (policy is other)


@pytest.mark.parametrize("claims", [{}, {"urn:altinn:org": ""}, {"urn:altinn:org": "  "}, {"urn:altinn:org": ["ttd"]}])
def test_a_token_without_a_named_organisation_passes_without_a_creator(claims: Mapping[str, Any]) -> None:
    assert decide(Policy.CREATE, Bearer.valid({"scope": CREATE, **claims}), NO_PLATFORM) == Caller(
        None, {"scope": CREATE, **claims}
    )


def test_the_creator_is_written_as_the_token_writes_it() -> None:
    decision = decide(Policy.CREATE, Bearer.valid({"scope": CREATE, "urn:altinn:org": "TtD"}), NO_PLATFORM)
    assert isinstance(decision, Caller)
    assert decision.creator == "TtD"


def test_a_caller_let_in_by_its_platform_token_brings_no_claims_of_a_bad_bearer() -> None:
    assert decide(Policy.CREATE, BAD_BEARER, APP) == Caller("skd", {})


def test_a_refusal_keeps_its_reason_for_the_log() -> None:
    assert decide(Policy.CREATE, SCOPELESS, NO_PLATFORM) == Refusal(403, "scope-missing")


@pytest.mark.parametrize(
    ("claims", "passes"),
    [
        ({"scope": CREATE}, True),
        ({"scope": f"a {CREATE} b"}, True),
        ({"scope": f"{CREATE}s"}, False),
        ({"scope": CREATE.upper()}, False),
        ({"scope": "altinn:serviceowner/notifications"}, False),
        ({"scope": f"a\t{CREATE}"}, False),
        ({"scope": f"a,{CREATE}"}, False),
        ({"urn:altinn:scope": "other", "scope": CREATE}, False),
        ({"urn:altinn:scope": CREATE}, True),
        ({"urn:altinn:scope": CREATE, "scope": "other"}, True),
        ({"urn:altinn:scope": None, "scope": CREATE}, False),
        ({"scope": ["other", CREATE]}, True),
        ({"scope": [f"a {CREATE}"]}, True),
        ({"scope": [1, None]}, False),
        ({"scope": {"is": CREATE}}, False),
        ({}, False),
    ],
)
def test_a_scope_is_a_whole_word_of_the_first_scope_claim(claims: Mapping[str, Any], *, passes: bool) -> None:
    assert (CREATE in scopes_of(claims)) is passes
