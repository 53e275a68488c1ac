"""The API key of the metrics files (spec 11, 6 and 10; spec 07, 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from altinn_notifications.api.problems import Problem
from altinn_notifications.authentication.authenticator import Authenticator
from altinn_notifications.authentication.policies import ANONYMOUS, Policy
from altinn_notifications.settings import AuthenticationSettings
from support.callers import admit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.tokens import TokenIssuer

KEY = "nøkkel-4711"


@pytest.fixture
async def authenticator(clock: FixedClock) -> AsyncIterator[Authenticator]:
    """An authenticator with a key; nobody publishes signing keys."""
    made = Authenticator(AuthenticationSettings(metrics_api_key=SecretStr(KEY)), clock)
    yield made
    await made.close()


async def refusal(authenticator: Authenticator, *headers: tuple[str, str], bearer: str | None = None) -> str:
    """The reason that the answer gives; it must be a 401 with one property."""
    with pytest.raises(Problem) as refused:
        await admit(authenticator, *headers, bearer=bearer, policy=Policy.METRICS_KEY)
    assert refused.value.status == 401
    assert refused.value.body is not None
    assert list(refused.value.body) == ["error"]
    return str(refused.value.body["error"])


def as_sent(key: str) -> str:
    """A header value whose bytes on the wire are UTF-8."""
    return key.encode().decode("latin-1")


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key", "X-Api-Key"])
async def test_the_right_key_is_let_in_without_any_token(authenticator: Authenticator, name: str) -> None:
    assert await admit(authenticator, (name, as_sent(KEY)), policy=Policy.METRICS_KEY) is ANONYMOUS


async def test_each_way_of_not_having_the_key_has_its_own_reason(authenticator: Authenticator) -> None:
    missing = await refusal(authenticator)
    blank = await refusal(authenticator, ("X-API-Key", " "))
    wrong = await refusal(authenticator, ("X-API-Key", "guess"))
    assert len({missing, blank, wrong}) == 3
    assert await refusal(authenticator, ("X-API-Key", "")) == blank
    assert await refusal(authenticator, ("X-API-Key", as_sent(KEY)[:-1])) == wrong
    assert await refusal(authenticator, ("X-API-Key", KEY)) == wrong


async def test_of_several_keys_the_first_counts(authenticator: Authenticator) -> None:
    right, wrong = ("X-API-Key", as_sent(KEY)), ("X-API-Key", "guess")
    assert await admit(authenticator, right, wrong, policy=Policy.METRICS_KEY) is ANONYMOUS
    assert "wrong" in await refusal(authenticator, wrong, right)


@pytest.mark.parametrize("configured", [None, "", "  ", "injected-at-deploy-time"])
async def test_a_service_without_a_key_of_its_own_lets_nobody_in(clock: FixedClock, configured: str | None) -> None:
    key = None if configured is None else SecretStr(configured)
    unconfigured = Authenticator(AuthenticationSettings(metrics_api_key=key), clock)
    reasons = {
        await refusal(unconfigured, ("X-API-Key", sent)) for sent in ("injected-at-deploy-time", "None", as_sent(KEY))
    }
    assert reasons == {"No API key is configured, so none is accepted."}
    assert "missing" in await refusal(unconfigured)
    await unconfigured.close()


async def test_a_token_does_not_stand_in_for_the_key(authenticator: Authenticator, issuer: TokenIssuer) -> None:
    assert "missing" in await refusal(authenticator, bearer=issuer.enterprise())


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([("X-Forwarded-For", "192.0.2.7, 198.51.100.1"), ("X-Real-IP", "203.0.113.5")], "192.0.2.7"),
        ([("X-Real-IP", "2001:DB8::1")], "2001:db8::1"),
        ([("X-Forwarded-For", "10848127138")], "unknown"),
        ([], "unknown"),
    ],
)
async def test_a_refused_key_is_logged_with_the_callers_address_and_not_the_key(
    authenticator: Authenticator, headers: list[tuple[str, str]], client: str
) -> None:
    with capture_logs() as lines:
        await refusal(authenticator, ("X-API-Key", "guess"), *headers)
    (line,) = lines
    assert (line["event"], line["reason"], line["client"]) == ("api_key_refused", "wrong", client)
    assert "guess" not in str(line)
    assert "10848127138" not in str(line)
