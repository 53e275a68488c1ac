"""The one place that judges who is calling (spec 11): credentials in, a caller or a refusal out."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpx
import structlog

from altinn_notifications.api.problems import Problem, empty_problem
from altinn_notifications.authentication.api_key import fault_of_key
from altinn_notifications.authentication.certificates import (
    CertificateFolder,
    Certificates,
    CertificateServer,
    ConfiguredCertificates,
)
from altinn_notifications.authentication.credentials import (
    ALTINN_COOKIE,
    AltinnTokens,
    PlatformTokens,
    bearer_token,
    platform_tokens,
)
from altinn_notifications.authentication.keys import KeyServer, OpenIdKeys, discovery_url
from altinn_notifications.authentication.policies import ANONYMOUS, Caller, Policy, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altinn_notifications.authentication.certificates import CertificateSource
    from altinn_notifications.authentication.policies import Bearer, PlatformToken, Refusal
    from altinn_notifications.clock import Clock
    from altinn_notifications.settings import AuthenticationSettings

log = structlog.get_logger()


class Authenticator:
    """Finds out who calls and whether they may. No other code parses a caller's token.

    With `https_only` keys are never fetched in clear text; settings that would need it raise `ValueError`.
    """

    def __init__(self, settings: AuthenticationSettings, clock: Clock, *, https_only: bool = False) -> None:
        if https_only:
            _demand_https(settings)
        self._clock = clock
        self._http = httpx.AsyncClient()
        self._cookie_names = (ALTINN_COOKIE, settings.cookie_name) if settings.cookies else ()
        self._altinn_tokens = AltinnTokens(
            OpenIdKeys(discovery_url(settings.openid_base_url), KeyServer(self._http, https_only=https_only)),
            {
                issuer: OpenIdKeys(address, KeyServer(self._http, https_only=https_only))
                for issuer, address in settings.openid_providers.items()
            },
            skew=settings.clock_skew_seconds,
            validate_issuer=settings.validate_issuer,
        )
        sources = _sources(settings, KeyServer(self._http, https_only=https_only))
        certificates = Certificates(sources, settings.certificate_cache_seconds)
        self._platform_tokens = PlatformTokens(certificates, skew=settings.clock_skew_seconds)
        self._metrics_key = settings.metrics_api_key
        self._scopes = {Policy.END_USER: settings.end_user_scope}

    async def admit(self, scope: Mapping[str, Any], headers: Mapping[str, str], policy: Policy) -> Caller:
        """The caller, if `policy` lets it in.

        `headers` are the request's by lower-case name. Raises an empty `Problem`: 401 when nobody could be
        authenticated, 403 when somebody was but may not, 503 when keys needed for the answer could not be fetched.
        The 401 of an API key names its `error`. Source: spec 11, 6.
        """
        if policy is Policy.NONE:
            return ANONYMOUS
        if policy is Policy.METRICS_KEY:
            return self._admit_with_key(scope, headers)
        now = self._clock.now().timestamp()
        bearer = await self._altinn_tokens.check(self.bearer(headers), now)
        platform = await self._platform_tokens.check(platform_tokens(scope, headers), now)
        decision = decide(policy, bearer, platform, scope=self._scopes.get(policy))
        if isinstance(decision, Caller):
            return decision
        _audit(scope, policy, decision, bearer, platform)
        raise empty_problem(decision.status)

    def bearer(self, headers: Mapping[str, str]) -> str | None:
        """The Altinn token as it was sent, to be passed on in the caller's name."""
        return bearer_token(headers, self._cookie_names)

    def _admit_with_key(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> Caller:
        fault = fault_of_key(scope, self._metrics_key)
        if fault is None:
            return ANONYMOUS
        log.warning("api_key_refused", path=scope["path"], reason=fault.name.lower(), client=_client(scope, headers))
        raise Problem(401, {"error": fault.value})

    async def close(self) -> None:
        """Close the connections to those who publish keys."""
        await self._http.aclose()


def _sources(settings: AuthenticationSettings, server: KeyServer) -> list[CertificateSource]:
    sources: list[CertificateSource] = [ConfiguredCertificates(settings.certificates)]
    if settings.certificate_directory is not None:
        sources.append(CertificateFolder(settings.certificate_directory))
    if settings.certificate_url is not None:
        sources.append(CertificateServer(settings.certificate_url, server))
    return sources


def _demand_https(settings: AuthenticationSettings) -> None:
    wanted = {
        "openid_base_url": [settings.openid_base_url],
        "certificate_url": [settings.certificate_url or "https://"],
        "openid_providers": settings.openid_providers.values(),
    }
    for name, addresses in wanted.items():
        if not all(address.startswith("https://") for address in addresses):
            raise ValueError(f"NOTIFICATIONS_AUTHENTICATION_{name.upper()} must start with https://")


def _client(scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The address of who calls, as the nearest proxy tells it, and else its own. Source: spec 11, 6."""
    forwarded = headers.get("x-forwarded-for", "").partition(",")[0].strip()
    peer, _ = scope.get("client") or ("", 0)
    address = forwarded or headers.get("x-real-ip", "").strip() or peer
    try:
        return str(ip_address(address))
    except ValueError:  # a header may hold anything, and a log nothing that somebody made up
        return "unknown"


def _audit(scope: Mapping[str, Any], policy: Policy, refusal: Refusal, bearer: Bearer, platform: PlatformToken) -> None:
    log.warning(
        "request_refused",
        path=scope["path"],
        policy=policy.name.lower(),
        status=refusal.status,
        reason=refusal.reason,
        bearer=str(bearer.fault or bearer.proof.value),
        platform_token=str(platform.fault or platform.proof.value),
        platform_issuer=platform.issuer,
        platform_app=platform.app,
        **bearer.audit,
    )
