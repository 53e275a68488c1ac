"""Requests as the router hands them to the authenticator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from altinn_notifications.api.problems import Problem
from altinn_notifications.api.router import _headers
from altinn_notifications.authentication.policies import Policy

if TYPE_CHECKING:
    from altinn_notifications.authentication.authenticator import Authenticator
    from altinn_notifications.authentication.policies import Caller


async def admit(
    authenticator: Authenticator,
    *more: tuple[str, str],
    bearer: str | None = None,
    platform: str | None = None,
    policy: Policy = Policy.CREATE,
) -> Caller:
    """The caller of a request with these credentials and further headers."""
    headers = [("Authorization", f"Bearer {bearer}")] if bearer is not None else []
    headers += [("PlatformAccessToken", platform)] if platform is not None else []
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (*headers, *more)]
    scope = {"type": "http", "method": "GET", "path": "/notifications/api/v1/orders/1", "headers": raw}
    return await authenticator.admit(scope, _headers(scope), policy)


async def status_of(
    authenticator: Authenticator,
    *more: tuple[str, str],
    bearer: str | None = None,
    platform: str | None = None,
    policy: Policy = Policy.CREATE,
) -> int:
    """The status with which such a request is refused; the answer must be empty."""
    with pytest.raises(Problem) as refused:
        await admit(authenticator, *more, bearer=bearer, platform=platform, policy=policy)
    assert refused.value.body is None
    assert refused.value.headers == {}
    return refused.value.status
