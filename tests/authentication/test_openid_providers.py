"""Other OpenID providers than the platform, where some are configured (spec 11, 3.2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest

from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.settings import AuthenticationSettings
from support.callers import admit, status_of
from support.times import NOON
from support.tokens import CREATE, DISCOVERY, running_issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.tokens import TokenIssuer

OTHER = "https://idp.example/"


@pytest.fixture
async def other(clock: FixedClock) -> AsyncIterator[TokenIssuer]:
    """Another provider, with keys of its own."""
    async with running_issuer(clock.now()) as running:
        running.rotate()
        yield running


@pytest.fixture
async def authenticator(issuer: TokenIssuer, other: TokenIssuer, clock: FixedClock) -> AsyncIterator[Authenticator]:
    """The service's authenticator, which knows the other provider under its own name."""
    made = Authenticator(issuer.settings(openid_providers={OTHER: f"{other.url}{DISCOVERY}"}), clock)
    yield made
    await made.close()


async def test_a_token_is_checked_by_the_provider_that_it_names(
    authenticator: Authenticator, issuer: TokenIssuer, other: TokenIssuer
) -> None:
    assert (await admit(authenticator, bearer=other.enterprise("skd", iss=OTHER))).creator == "skd"
    assert issuer.requests == []
    assert (await admit(authenticator, bearer=issuer.enterprise("ttd"))).creator == "ttd"


async def test_nobody_vouches_for_anothers_tokens(
    authenticator: Authenticator, issuer: TokenIssuer, other: TokenIssuer
) -> None:
    assert await status_of(authenticator, bearer=issuer.enterprise(iss=OTHER)) == 401
    assert await status_of(authenticator, bearer=other.enterprise()) == 401


@pytest.mark.parametrize("name", ["https://idp.example", "HTTPS://idp.example/", None])
async def test_the_issuer_is_compared_exactly(
    authenticator: Authenticator, issuer: TokenIssuer, other: TokenIssuer, name: str | None
) -> None:
    assert await status_of(authenticator, bearer=other.enterprise(iss=name)) == 401
    assert (await admit(authenticator, bearer=issuer.enterprise(iss=name))).creator == "ttd"


async def test_an_issuer_that_is_no_text_is_nobodys_name(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    claims = {"iss": [OTHER], "scope": CREATE, "urn:altinn:org": "ttd", "exp": NOON.timestamp() + 60}
    headers = {"kid": issuer.key.key_id}
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), issuer.key.private_key, "RS256", headers=headers)
    assert (await admit(authenticator, bearer=token)).creator == "ttd"


async def test_another_provider_that_is_down_is_no_reason_to_refuse_the_platforms_tokens(
    authenticator: Authenticator, issuer: TokenIssuer, other: TokenIssuer
) -> None:
    await other.go_down()
    assert await status_of(authenticator, bearer=other.enterprise(iss=OTHER)) == 503
    assert (await admit(authenticator, bearer=issuer.enterprise())).creator == "ttd"


def test_in_production_the_other_providers_are_asked_over_https_too(clock: FixedClock) -> None:
    settings = AuthenticationSettings(
        openid_base_url="https://p.example/", certificate_url=None, openid_providers={OTHER: "http://idp.example/"}
    )
    with pytest.raises(ValueError, match="NOTIFICATIONS_AUTHENTICATION_OPENID_PROVIDERS"):
        Authenticator(settings, clock, https_only=True)
