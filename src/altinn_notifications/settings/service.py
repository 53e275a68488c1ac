"""The service itself: where it listens, what it keeps and where, whom it lets in, and how orders are carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from altinn_notifications.settings.values import Environment, Group, with_list


class GeneralSettings(Group):
    """`NOTIFICATIONS_*`"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_", frozen=True, extra="ignore")

    environment: Environment = Field(Environment.LOCAL, description="`local`, `test` or `production`")
    environment_name: str | None = Field(
        None, pattern=r"^[\w .-]*$", description="what metrics files call it; unset: its kind, such as `Production`"
    )
    base_uri: str = Field("http://localhost:5090", description="start of every link and Location header")
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: PositiveInt = Field(5090, description="port the API listens on")
    worker_metrics_port: PositiveInt | None = Field(
        None, description="port on which a worker shows its own counters; unset: it does not"
    )
    openapi: bool = Field(default=True, description="serve the OpenAPI document and its page")
    console: bool = Field(default=True, description="serve the console's pages; off in production unless set")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")
    log_format: Literal["text", "json"] = Field("text", description="for a person or for a log store")


class DatabaseSettings(Group):
    """`NOTIFICATIONS_DATABASE_*`"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_DATABASE_", frozen=True, extra="forbid")

    url: SecretStr | None = Field(None, description="PostgreSQL 15 or newer; unset: the embedded server")
    directory: Path = Field(Path("data/postgresql"), description="data folder of the embedded server")
    pool_size: PositiveInt = Field(10, description="connections of one process")
    timeout_seconds: PositiveFloat = Field(
        60.0,
        description="after this a database that does not answer counts as away; upkeep and exports may take longer",
    )


class AuthenticationSettings(Group):
    """`NOTIFICATIONS_AUTHENTICATION_*` (spec 11)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_AUTHENTICATION_", frozen=True, extra="forbid")

    openid_base_url: str = Field(
        "http://localhost:5101/authentication/api/v1/openid/",
        description="issuer whose .well-known/openid-configuration names the signing keys",
    )
    openid_providers: dict[str, str] = Field(
        {}, description='others whose tokens count: discovery document by issuer, {"https://idp/": "https://idp/..."}'
    )
    cookie_name: str = Field("AltinnStudioRuntime", description="cookie that may carry the token")
    cookies: bool = Field(default=True, description="accept tokens in cookies")
    clock_skew_seconds: NonNegativeInt = Field(10, description="tolerance on exp and nbf")
    validate_issuer: bool = Field(default=False, description="demand that iss equals the discovered issuer")
    certificates: dict[str, str] = Field(
        {}, description='certificates of platform access tokens by issuer, PEM or base64: {"ttd": "MII..."}'
    )
    certificate_directory: Path | None = Field(
        None, description="folder of <issuer>-access-token-public-cert.pem files for platform access tokens"
    )
    certificate_url: str | None = Field(
        "http://localhost:5101/sim/keys/", description="where the same files are fetched over HTTP; unset: nowhere"
    )
    certificate_cache_seconds: PositiveInt = Field(3600, description="how long a certificate is remembered")
    metrics_api_key: SecretStr | None = Field(None, description="key of the metrics files; unset: nobody gets them")
    end_user_scope: str = Field(
        "altinn:portal/enduser", min_length=1, description="scope of persons who may read the log of a dialog"
    )


class NotificationSettings(Group):
    """`NOTIFICATIONS_NOTIFICATION_*` (spec 08, 18)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_NOTIFICATION_", frozen=True, extra="forbid")

    default_email_from_address: str = Field("noreply@altinn.cloud", description="when an order names no sender")
    default_sms_sender_number: str = Field("Altinn", description="when an order names no sender")
    sms_send_window_start_hour: Annotated[int, Field(ge=0, le=23)] = Field(9, description="Oslo hour, exclusive")
    sms_send_window_end_hour: Annotated[int, Field(ge=1, le=24)] = Field(17, description="Oslo hour, exclusive")
    email_publish_batch_size: PositiveInt = Field(500, description="emails claimed at once")
    composed_email_publish_batch_size: PositiveInt = Field(50, description="emails with attachments claimed at once")
    sms_publish_batch_size: PositiveInt = Field(500, description="SMS claimed at once")
    email_publish_concurrency: PositiveInt = Field(64, description="emails handed over at the same time, per worker")
    composed_email_publish_concurrency: PositiveInt = Field(
        5, description="emails whose attachments are fetched and handed over at the same time, per worker"
    )
    sms_publish_concurrency: PositiveInt = Field(64, description="SMS handed over at the same time, per worker")
    past_due_orders_batch_size: PositiveInt = Field(1000, description="orders claimed at once")
    past_due_orders_retry_delay_ms: PositiveInt = Field(60_000, description="wait after a failed look-up or condition")
    provider_call_seconds: PositiveInt = Field(
        240, description="longest wait for one provider call; shorter than the lease of its claim"
    )
    processing_error_retry_seconds: PositiveInt = Field(1800, description="wait after an error nobody foresaw")
    claim_lease_seconds: PositiveInt = Field(300, description="after this a dead worker's claim is free again")
    termination_batch_size: PositiveInt = Field(100, description="expired notifications ended in one transaction")
    expiry_offset_seconds: NonNegativeInt = Field(300, description="grace after expiry before Failed_TTL")
    status_feed_max_page_size: PositiveInt = Field(500, description="most entries of one feed page")
    status_feed_cleanup_batch_size: PositiveInt = Field(10_000, description="old feed entries deleted by one trigger")
    stale_contact_creators: Annotated[tuple[str, ...], NoDecode] = Field(
        ("skd",), description="creators whose person look-ups always use stale contact data (comma-separated)"
    )
    sms_unknown_outcome: Literal["Retry", "Hold"] = Field("Retry", description="what follows an unknown SMS outcome")
    sms_unknown_outcome_hold_creators: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="creators whose SMS of unknown outcome are never repeated (comma-separated)"
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        return with_list(with_list(values, "stale_contact_creators"), "sms_unknown_outcome_hold_creators")

    @model_validator(mode="after")
    def _window_opens_before_it_closes(self) -> NotificationSettings:
        if self.sms_send_window_start_hour >= self.sms_send_window_end_hour:
            msg = "sms_send_window_start_hour must be before sms_send_window_end_hour"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_call_ends_before_its_lease(self) -> NotificationSettings:
        if self.provider_call_seconds >= self.claim_lease_seconds:
            msg = "provider_call_seconds must be less than claim_lease_seconds"
            raise ValueError(msg)
        return self


class RetentionSettings(Group):
    """`NOTIFICATIONS_RETENTION_*`: for how many days things are kept; unset: for ever"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_RETENTION_", frozen=True, extra="forbid")

    status_feed_days: PositiveInt = Field(90, description="entries of the status feed, from their creation")
    log_days: PositiveInt | None = Field(None, description="rows of the notification log; unset: for ever")
    timeline_days: PositiveInt | None = Field(
        None, description="what the console tells of an order's way; unset: as long as orders"
    )
    delivery_report_days: PositiveInt = Field(90, description="delivery reports as they came in")
    order_days: PositiveInt | None = Field(
        None, description="orders that have ended, with their notifications; unset: for ever"
    )
