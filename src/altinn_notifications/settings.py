"""All settings: typed, read once at start from `NOTIFICATIONS_*` variables, passed in from there.

A wrong value stops the start and names its variable. Names and defaults follow the original's (spec README), so that
an operator finds them again; `docs/settings.md` lists every one.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    DirectoryPath,
    Field,
    FilePath,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from altinn_notifications.channels.email.acs_signing import Account


class Environment(StrEnum):
    """Where the service runs. Only `LOCAL` starts the simulator; `PRODUCTION` refuses everything made for tests."""

    LOCAL = "local"
    TEST = "test"
    PRODUCTION = "production"


Names = TypeVar("Names", bound=tuple[str, ...])


def _each_once(names: Names) -> Names:
    if len(set(names)) < len(names):
        msg = "the same name stands there twice"
        raise ValueError(msg)
    return names


Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+$", to_lower=True)]
"""Scheme, host and port of a web address."""

PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{4,14}$")]
"""A number as E.164 writes it."""


DomainName = Annotated[str, StringConstraints(pattern=r"^[^@\s]+$", to_lower=True)]


class Contradiction(ValueError):
    """Settings that do not fit together, although each of them could be used; the text names a variable."""


class NotInProduction(Contradiction):
    """Something made for tests is set where messages are real; the text names its variable."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable}: not in production")


class DkimKey(BaseModel):
    """How mail from one domain is signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selector: str
    key_file: FilePath
    """A private RSA key as PEM."""


def _an_account(connection_string: SecretStr | None) -> SecretStr | None:
    if connection_string is not None:
        Account.parse(connection_string.get_secret_value())
    return connection_string


class Group(BaseSettings):
    """Base of every group: frozen, and an unknown name is an error rather than silence."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")


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
        return _texts(_texts(values, "stale_contact_creators"), "sms_unknown_outcome_hold_creators")

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


class SendingSettings(Group):
    """`NOTIFICATIONS_SENDING_*`: when providers count as unwell, and how fast they may be used."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_SENDING_", frozen=True, extra="forbid")

    failures_before_pause: PositiveInt = Field(
        5, description="calls in a row without a usable answer after which a provider is left alone for a while"
    )
    slow_seconds: PositiveFloat = Field(
        10.0, description="a provider is slow when most of its last 20 calls took longer; others are preferred then"
    )
    probe_seconds: PositiveInt = Field(
        60, description="how often one message tries a provider that is misconfigured or slow"
    )
    alarm_seconds: PositiveInt = Field(600, description="how often the log calls for help while one is misconfigured")
    unknown_mail_moves_after_seconds: int = Field(
        3600, description="mail of unknown outcome waits so long for its own provider before another; negative: always"
    )
    messages_per_second: dict[str, PositiveFloat] = Field(
        {}, description='most messages of a provider, all workers together: {"smtp": 50}; not named: no limit'
    )
    domain_messages_per_second: dict[str, PositiveFloat] = Field(
        {}, description='most mails of a sender domain: {"ttd.no": 5, "*": 20}, where * is every other; empty: no limit'
    )
    burst_seconds: PositiveFloat = Field(
        1.0,
        description="so many seconds' worth may leave at once after a pause under these limits; at least one message",
    )


class EmailSettings(Group):
    """`NOTIFICATIONS_EMAIL_*` (spec 09, 11)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_EMAIL_", frozen=True, extra="forbid")

    providers: Annotated[
        tuple[Literal["acs", "smtp", "capture"], ...], NoDecode, Field(min_length=1), AfterValidator(_each_once)
    ] = Field(("smtp",), description="who carries email, the preferred one first (comma-separated)")
    smtp_host: str = Field("localhost", description="relay that takes our mail")
    smtp_port: PositiveInt = Field(5125, description="its port; 587 at most relays")
    smtp_tls: Literal["none", "starttls", "tls"] = Field("none", description="how the connection is secured")
    smtp_ca_file: FilePath | None = Field(
        None, description="PEM file of the authorities that may vouch for the relay; unset: those the system trusts"
    )
    smtp_username: str | None = Field(None, description="unset: no authentication")
    smtp_password: SecretStr | None = Field(None, description="password of smtp_username")
    smtp_timeout_seconds: PositiveFloat = Field(30.0, description="longest wait for one reply")
    smtp_connections: PositiveInt = Field(32, description="connections kept open by one API or worker process")
    message_id_domain: str = Field("altinn.cloud", description="right side of Message-ID")
    bounce_domain: str | None = Field(None, description="domain of the envelope sender; unset: the from address")
    bounce_local_part: str = Field("bounce", description="local part of the envelope sender, before +<operation id>")
    max_message_bytes: PositiveInt = Field(10_485_760, description="largest encoded message")
    delivered_without_bounce_after_seconds: int = Field(
        3600, description="accepted mail without a report counts as delivered then; negative: never"
    )
    intermittent_error_delay_seconds: PositiveInt = Field(60, description="pause after a provider-wide failure")
    message_retry_seconds: Annotated[tuple[PositiveInt, ...], NoDecode, Field(min_length=1)] = Field(
        (60, 300, 900, 1800, 3600), description="waits after a temporary refusal of one mail; the last one repeats"
    )
    bounce_directory: DirectoryPath | None = Field(
        None, description="Maildir that collects bounces, read every minute; unset: they come to the report endpoint"
    )
    dkim_keys: dict[DomainName, DkimKey] = Field(
        {}, description='keys that sign mail, by domain: {"altinn.no": {"selector": "s1", "key_file": "dkim.pem"}}'
    )
    sender_domains: dict[str, tuple[DomainName, ...]] = Field(
        {}, description='domains that a creator may send from; not named here: any. {"ttd": ["ttd.no"]}'
    )
    suppression_file: FilePath | None = Field(
        None, description="file of addresses that are never written to, one on each line; read anew when it changes"
    )
    capture_delivery_delay_seconds: NonNegativeFloat = Field(
        2.0, description="time from a captured mail's acceptance to its report"
    )
    blob_download_concurrency: PositiveInt = Field(5, description="attachments of one mail fetched at the same time")
    blob_download_timeout_seconds: PositiveFloat = Field(30.0, description="longest time for one attachment")
    max_download_bytes: PositiveInt = Field(20_971_520, description="most bytes of all attachments of one mail")
    attachment_retry_seconds: Annotated[tuple[PositiveInt, ...], NoDecode, Field(min_length=1)] = Field(
        (1, 5, 10, 60, 120, 120),
        description="waits after a download that may succeed later; after the last the mail has failed",
    )
    attachment_extra_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (),
        description="where attachments may be besides Azure's blob storage, such as http://localhost:5101 "
        "(comma-separated); refused in production",
    )
    report_access_key: SecretStr | None = Field(None, description="key of the report webhook; unset: nobody gets in")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        values = _texts(_texts(values, "providers"), "message_retry_seconds")
        return _texts(_texts(values, "attachment_retry_seconds"), "attachment_extra_origins")


class AcsSettings(Group):
    """`NOTIFICATIONS_ACS_*` (spec 09, 3, 4 and 11)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_ACS_", frozen=True, extra="forbid")

    connection_string: Annotated[SecretStr | None, AfterValidator(_an_account)] = Field(
        None, description="endpoint=https://...;accesskey=... of the resource; needed by the email provider `acs`"
    )
    api_version: str = Field("2025-09-01", description="version of its operations")
    timeout_seconds: PositiveFloat = Field(30.0, description="longest wait for one answer")
    retry_delay_ms: PositiveInt = Field(800, description="wait before the first of three repeats of a call; doubles")
    poll_interval_ms: PositiveInt = Field(8000, description="time between two questions how it went with a mail")


class SmsSettings(Group):
    """`NOTIFICATIONS_SMS_*` (spec 10, 13)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_SMS_", frozen=True, extra="forbid")

    providers: Annotated[
        tuple[Literal["link", "capture"], ...], NoDecode, Field(min_length=1), AfterValidator(_each_once)
    ] = Field(("link",), description="who carries SMS, the preferred one first (comma-separated)")
    gateway_endpoint: str = Field("http://localhost:5101/sms/gateway", description="LINK Mobility's XML gateway")
    gateway_username: str = Field("", description="account at the gateway")
    gateway_password: SecretStr = Field(SecretStr(""), description="its password")
    gateway_timeout_seconds: PositiveFloat = Field(30.0, description="longest wait for an answer")
    gateway_retry_seconds: Annotated[tuple[PositiveInt, ...], NoDecode, Field(min_length=1)] = Field(
        (300, 600, 900, 1800), description="waits after a gateway error; the last one repeats"
    )
    allow_list: Annotated[tuple[PhoneNumber, ...], NoDecode] = Field(
        (), description="E.164 numbers that get real SMS outside production; all others are captured (comma-separated)"
    )
    capture_delivery_delay_seconds: NonNegativeFloat = Field(
        2.0, description="time from a captured SMS's acceptance to its report"
    )
    unicode_when_needed: bool = Field(default=False, description="send text outside the GSM alphabet as UCS-2")
    report_username: str = Field("", description="user of the report endpoint; empty: nobody gets in")
    report_password: SecretStr = Field(SecretStr(""), description="its password")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        return _texts(_texts(_texts(values, "providers"), "gateway_retry_seconds"), "allow_list")


class PlatformSettings(Group):
    """`NOTIFICATIONS_PLATFORM_*` (spec 12)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_PLATFORM_", frozen=True, extra="forbid")

    profile_base_url: str = Field("http://localhost:5101/profile/api/v1/", description="contact points")
    register_base_url: str = Field("http://localhost:5101/register/api/v1/", description="names")
    authorization_base_url: str = Field("http://localhost:5101/authorization/api/v1/", description="decisions")
    authorization_subscription_key: SecretStr = Field(SecretStr(""), description="sent along when it is not empty")
    authorization_batch_size: PositiveInt = Field(500, description="most decisions asked for in one call")
    access_token_key_file: Path | None = Field(
        None, description="PEM file with the private key and the certificate of issuer `platform`; unset: no token"
    )
    timeout_seconds: PositiveFloat = Field(30.0, description="longest wait for one question, repeats included")
    retry_delay_ms: PositiveInt = Field(200, description="wait before the first of two repeats; doubles, with jitter")
    maskinporten_base_url: str = Field(
        "http://localhost:5101/maskinporten/", description="Maskinporten's issuer identifier, with its last slash"
    )
    maskinporten_client_id: str = Field("", description="client that asks for tokens for send conditions")
    maskinporten_scope: str = Field("altinn:system/notifications.condition.check", description="scope it asks for")
    maskinporten_jwk: SecretStr | None = Field(
        None, description="its private RSA key, a JWK in base64; unset: no send condition can be asked"
    )
    dialogporten_enabled: bool = Field(default=False, description="serve the log of a dialog to those who may see it")
    dialogporten_base_url: str = Field("", description="who decides that; its address up to `/api/v1/`")
    condition_allowed_hosts: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="host names and address ranges that send conditions may use although they are not public "
        "(comma-separated); unset: this machine in the local environment, elsewhere none",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        return _texts(values, "condition_allowed_hosts")


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


class SimulatorSettings(Group):
    """`NOTIFICATIONS_SIMULATOR_*` (spec 13)"""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_SIMULATOR_", frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="`run` starts the local platform too; never in production")
    host: str = Field("127.0.0.1", description="address the local platform listens on")
    port: PositiveInt = Field(5101, description="port of the local platform")
    smtp_port: PositiveInt = Field(5125, description="port of its mailbox")
    report_delay_ms: NonNegativeInt = Field(2000, description="time from acceptance to delivery report")
    service_url: str = Field("http://localhost:5090", description="where reports and /notifications requests go")
    keys_directory: Path | None = Field(None, description="folder that keeps its key pairs; unset: new ones each start")


class Settings:
    """Every group, read from the environment. Raises `Contradiction`."""

    def __init__(  # noqa: PLR0913 - one argument per group
        self,
        *,
        general: GeneralSettings | None = None,
        database: DatabaseSettings | None = None,
        authentication: AuthenticationSettings | None = None,
        notification: NotificationSettings | None = None,
        sending: SendingSettings | None = None,
        email: EmailSettings | None = None,
        acs: AcsSettings | None = None,
        sms: SmsSettings | None = None,
        platform: PlatformSettings | None = None,
        retention: RetentionSettings | None = None,
        simulator: SimulatorSettings | None = None,
    ) -> None:
        self.general = general or GeneralSettings()
        self.database = database or DatabaseSettings()
        self.authentication = authentication or AuthenticationSettings()
        self.notification = notification or NotificationSettings()
        self.sending = sending or SendingSettings()
        self.email = email or EmailSettings()
        self.acs = acs or AcsSettings()
        self.sms = sms or SmsSettings()
        self.platform = platform or PlatformSettings()
        self.retention = retention or RetentionSettings()
        self.simulator = simulator or SimulatorSettings()
        if self.general.environment is Environment.PRODUCTION:
            self._refuse_what_is_for_tests()

    def _refuse_what_is_for_tests(self) -> None:
        if "capture" in self.email.providers:
            raise NotInProduction("NOTIFICATIONS_EMAIL_PROVIDERS=capture")
        if "capture" in self.sms.providers:
            raise NotInProduction("NOTIFICATIONS_SMS_PROVIDERS=capture")
        if self.sms.allow_list:
            raise NotInProduction("NOTIFICATIONS_SMS_ALLOW_LIST")
        if self.email.attachment_extra_origins:
            raise NotInProduction("NOTIFICATIONS_EMAIL_ATTACHMENT_EXTRA_ORIGINS")


def _texts(values: object, name: str) -> object:
    if isinstance(values, dict) and isinstance(values.get(name), str):
        values[name] = tuple(part.strip() for part in values[name].split(",") if part.strip())
    return values
