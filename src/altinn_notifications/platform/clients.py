"""All clients of the platform, made from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from altinn_notifications.clock import SystemClock
from altinn_notifications.platform.access_token import AccessTokenIssuer, SigningKey
from altinn_notifications.platform.attachments import AttachmentOrigins, AttachmentStore
from altinn_notifications.platform.authorization import AuthorizationClient
from altinn_notifications.platform.client import DependencyClient, http_client
from altinn_notifications.platform.conditions import MAX_BODY_BYTES, ConditionClient
from altinn_notifications.platform.dependencies import Dependency
from altinn_notifications.platform.dialogporten import DialogportenClient
from altinn_notifications.platform.guarded_fetch import AddressGuard, GuardedFetcher
from altinn_notifications.platform.maskinporten import MaskinportenIdentity, MaskinportenTokens
from altinn_notifications.platform.profile import ProfileClient
from altinn_notifications.platform.register import RegisterClient
from altinn_notifications.settings import Environment

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.platform.dependencies import DependencyHealth
    from altinn_notifications.settings import PlatformSettings, Settings

THIS_MACHINE: Final = ("localhost", "127.0.0.0/8", "::1")
_OK_ONLY: Final = frozenset({200})
_ANY_DECISION: Final = range(200, 500)


@dataclass(frozen=True, slots=True)
class Platform:
    """Everybody we ask. Must be made inside a running event loop and closed there."""

    profile: ProfileClient
    register: RegisterClient
    authorization: AuthorizationClient
    conditions: ConditionClient
    dialogporten: DialogportenClient | None
    """None where the log of a dialog is not served."""
    attachments: AttachmentStore
    _http: httpx.AsyncClient
    _fetcher: GuardedFetcher
    _dependencies: tuple[DependencyClient, ...]

    def health(self) -> list[DependencyHealth]:
        """How each dependency has answered this process lately."""
        return [dependency.health() for dependency in self._dependencies]

    def circuits(self) -> dict[str, str]:
        """Whether each dependency is asked at all, by name: `closed` when it answers, `open` when it does not."""
        return {str(health.dependency): str(health.circuit) for health in self.health()}

    async def close(self) -> None:
        """Let go of connections."""
        await self._fetcher.close()
        await self.attachments.close()
        await self._http.aclose()


def open_platform(settings: Settings) -> Platform:
    """Clients as configured; nothing is asked yet.

    Raises `ValueError` or `OSError`, naming the setting, for a key that cannot be used.
    """
    platform = settings.platform
    http = http_client()
    profile = DependencyClient(Dependency.PROFILE, platform.profile_base_url, http, platform)
    register = DependencyClient(Dependency.REGISTER, platform.register_base_url, http, platform)
    authorization = DependencyClient(
        Dependency.AUTHORIZATION, platform.authorization_base_url, http, platform, accepted=_OK_ONLY
    )
    maskinporten = DependencyClient(Dependency.MASKINPORTEN, platform.maskinporten_base_url, http, platform)
    fetcher = GuardedFetcher(
        AddressGuard(_allowed_hosts(settings)), timeout_seconds=platform.timeout_seconds, max_bytes=MAX_BODY_BYTES
    )
    return Platform(
        profile=ProfileClient(profile),
        register=RegisterClient(register, _issuer(platform)),
        authorization=AuthorizationClient(
            authorization,
            batch_size=platform.authorization_batch_size,
            subscription_key=platform.authorization_subscription_key,
        ),
        conditions=ConditionClient(fetcher, MaskinportenTokens(maskinporten, _identity(platform), SystemClock())),
        attachments=_attachment_store(settings),
        dialogporten=_dialogporten(settings, http),
        _http=http,
        _fetcher=fetcher,
        _dependencies=(profile, register, authorization, maskinporten),
    )


def _attachment_store(settings: Settings) -> AttachmentStore:
    email = settings.email
    origins = AttachmentOrigins(email.attachment_extra_origins)
    fetcher = GuardedFetcher(
        AddressGuard(origins.extra_hosts),
        timeout_seconds=email.blob_download_timeout_seconds,
        max_bytes=email.max_download_bytes,
        may_redirect=origins.allow,
    )
    return AttachmentStore(fetcher, origins)


def _dialogporten(settings: Settings, http: httpx.AsyncClient) -> DialogportenClient | None:
    platform = settings.platform
    if not platform.dialogporten_enabled:
        return None
    address = platform.dialogporten_base_url
    is_production = settings.general.environment is Environment.PRODUCTION
    if not address.startswith(("https://",) if is_production else ("https://", "http://")):
        wanted = "https://" if is_production else "http:// or https://"
        raise ValueError(f"NOTIFICATIONS_PLATFORM_DIALOGPORTEN_BASE_URL must start with {wanted}")
    client = DependencyClient(Dependency.DIALOGPORTEN, address, http, platform, accepted=_ANY_DECISION)
    return DialogportenClient(client)


def _allowed_hosts(settings: Settings) -> tuple[str, ...]:
    configured = settings.platform.condition_allowed_hosts
    if configured is not None:
        return configured
    return THIS_MACHINE if settings.general.environment is Environment.LOCAL else ()


def _issuer(settings: PlatformSettings) -> AccessTokenIssuer | None:
    """Tokens go by the machine's own clock, also when ours is turned: those who check them have not turned theirs."""
    if settings.access_token_key_file is None:
        return None
    try:
        return AccessTokenIssuer(SigningKey.read(settings.access_token_key_file), SystemClock())
    except ValueError as error:
        raise ValueError(f"NOTIFICATIONS_PLATFORM_ACCESS_TOKEN_KEY_FILE: {error}") from None


def _identity(settings: PlatformSettings) -> MaskinportenIdentity | None:
    if settings.maskinporten_jwk is None:
        return None
    try:
        return MaskinportenIdentity.of(
            settings.maskinporten_base_url,
            settings.maskinporten_client_id,
            settings.maskinporten_scope,
            settings.maskinporten_jwk.get_secret_value(),
        )
    except ValueError as error:
        raise ValueError(f"NOTIFICATIONS_PLATFORM_MASKINPORTEN_JWK: {error}") from None
