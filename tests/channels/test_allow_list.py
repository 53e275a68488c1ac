"""Which SMS are real outside production (spec 13, 1 and 2)."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from altinn_notifications.channels.capture import newest
from altinn_notifications.channels.protocol import Accepted, OutgoingSms
from altinn_notifications.channels.providers import sms_providers
from altinn_notifications.cli.configuration import WrongSettings, read_settings
from altinn_notifications.lifecycle import Channel
from altinn_notifications.settings import GeneralSettings, NotInProduction, Settings, SmsSettings
from support.gateway_peer import GatewayPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database

LISTED = ("+4799999001", "+46701234567")


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayPeer]:
    async with GatewayPeer() as peer:
        yield peer


def settings_of(environment: str, gateway: GatewayPeer, **sms: Any) -> Settings:
    general = GeneralSettings.model_validate({"environment": environment})
    return Settings(general=general, sms=SmsSettings(gateway_endpoint=gateway.url, **sms))


async def send(settings: Settings, db: Database, clock: FixedClock, number: str) -> None:
    """Send one SMS as a process with these settings would."""
    [provider] = sms_providers(settings, clock, db)
    sms = OutgoingSms(uuid4(), "Altinn", number, "Hei", timedelta(hours=48))
    assert isinstance(await provider.send(sms), Accepted)
    await provider.close()


async def captured(db: Database) -> int:
    return len(await newest(db, Channel.SMS, recipient=None, limit=10))


@pytest.mark.parametrize("environment", ["local", "test"])
@pytest.mark.parametrize("number", ["+4799999001", "004799999001", "+47 99 99 90 01", "0046701234567"])
async def test_a_number_on_the_list_gets_a_real_sms(
    db: Database, clock: FixedClock, gateway: GatewayPeer, environment: str, number: str
) -> None:
    await send(settings_of(environment, gateway, allow_list=LISTED), db, clock, number)
    assert (len(gateway.requests), await captured(db)) == (1, 0)


@pytest.mark.parametrize("environment", ["local", "test"])
async def test_any_other_number_gets_none(
    db: Database, clock: FixedClock, gateway: GatewayPeer, environment: str
) -> None:
    await send(settings_of(environment, gateway, allow_list=LISTED), db, clock, "+4799999002")
    assert (len(gateway.requests), await captured(db)) == (0, 1)


async def test_a_shared_test_environment_without_a_list_sends_nothing(
    db: Database, clock: FixedClock, gateway: GatewayPeer
) -> None:
    await send(settings_of("test", gateway), db, clock, "+4799999001")
    assert (len(gateway.requests), await captured(db)) == (0, 1)


@pytest.mark.parametrize("environment", ["local", "production"])
async def test_without_a_list_the_local_environment_and_production_use_their_gateway(
    db: Database, clock: FixedClock, gateway: GatewayPeer, environment: str
) -> None:
    await send(settings_of(environment, gateway), db, clock, "+4799999002")
    assert (len(gateway.requests), await captured(db)) == (1, 0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NOTIFICATIONS_SMS_ALLOW_LIST", "+4799999001"),
        ("NOTIFICATIONS_SMS_PROVIDERS", "link,capture"),
        ("NOTIFICATIONS_EMAIL_PROVIDERS", "capture"),
    ],
)
def test_what_is_for_tests_stops_the_start_in_production(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("NOTIFICATIONS_ENVIRONMENT", "production")
    monkeypatch.setenv(variable, value)
    with pytest.raises(WrongSettings, match=variable):
        read_settings(os.environ)
    with pytest.raises(NotInProduction):
        Settings()


@pytest.mark.parametrize("number", ["4799999001", "99999001", "+47 99999001", "+0799999001"])
def test_a_number_on_the_list_is_written_as_e_164(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("NOTIFICATIONS_SMS_ALLOW_LIST", f"+4799999002,{number}")
    with pytest.raises(WrongSettings, match="NOTIFICATIONS_SMS_ALLOW_LIST"):
        read_settings(os.environ)
