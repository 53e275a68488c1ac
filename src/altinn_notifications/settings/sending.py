"""How messages leave: the limits of every provider, and each provider's own settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    DirectoryPath,
    Field,
    FilePath,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from altinn_notifications.channels.email.acs_signing import Account
from altinn_notifications.settings.values import DomainName, Group, Origin, PhoneNumber, each_once, with_list


class DkimKey(BaseModel):
    """How mail from one domain is signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selector: str
    key_file: FilePath
    """A private RSA key as PEM."""


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
        tuple[Literal["acs", "smtp", "capture"], ...], NoDecode, Field(min_length=1), AfterValidator(each_once)
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
        values = with_list(with_list(values, "providers"), "message_retry_seconds")
        return with_list(with_list(values, "attachment_retry_seconds"), "attachment_extra_origins")


def _an_account(connection_string: SecretStr | None) -> SecretStr | None:
    if connection_string is not None:
        Account.parse(connection_string.get_secret_value())
    return connection_string


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
        tuple[Literal["link", "capture"], ...], NoDecode, Field(min_length=1), AfterValidator(each_once)
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
        return with_list(with_list(with_list(values, "providers"), "gateway_retry_seconds"), "allow_list")
