"""Whom the service asks: the platform's registers, and the local platform that stands for them on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from altinn_notifications.settings.values import Group, with_list


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
        return with_list(values, "condition_allowed_hosts")


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
