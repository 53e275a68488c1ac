"""Which providers a process is made of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, get_args

import pytest

from altinn_notifications.channels import providers
from altinn_notifications.channels.providers import email_providers, sms_providers
from altinn_notifications.cli.configuration import WrongSettings, read_settings
from altinn_notifications.settings import EmailSettings, Settings, SmsSettings

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from altinn_notifications.database.pool import Database


def names_allowed(group: type[EmailSettings | SmsSettings]) -> set[str]:
    literal, _ = get_args(group.model_fields["providers"].annotation)
    return set(get_args(literal))


def test_every_name_that_the_settings_allow_is_a_provider_of_that_name() -> None:
    assert names_allowed(EmailSettings) == set(providers.EMAIL)
    assert names_allowed(SmsSettings) == set(providers.SMS)


async def test_a_process_has_smtp_and_link_unless_told_otherwise(clock: FixedClock, db: Database) -> None:
    assert [provider.name for provider in email_providers(Settings(), clock, db)] == ["smtp"]
    assert [provider.name for provider in sms_providers(Settings(), clock, db)] == ["link"]


@pytest.mark.parametrize("names", ["", "smpt", "smtp,smtp"])
def test_a_list_of_providers_that_cannot_be_used_stops_the_start(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    monkeypatch.setenv("NOTIFICATIONS_EMAIL_PROVIDERS", names)
    with pytest.raises(WrongSettings, match="NOTIFICATIONS_EMAIL_PROVIDERS"):
        read_settings(os.environ)
