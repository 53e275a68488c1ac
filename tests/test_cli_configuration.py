from __future__ import annotations

import os

import pytest

from altinn_notifications.cli.configuration import HIDDEN, WrongSettings, all_settings, read_settings


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NOTIFICATIONS_")]:
        monkeypatch.delenv(name)


def mistakes() -> list[str]:
    with pytest.raises(WrongSettings) as caught:
        read_settings(os.environ)
    return caught.value.mistakes


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_PORT", "many")
    monkeypatch.setenv("NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS", "2,soon")
    port, retry = mistakes()
    assert port.startswith("NOTIFICATIONS_PORT: ")
    assert port.endswith("(given: 'many')")
    assert retry.startswith("NOTIFICATIONS_SMS_GATEWAY_RETRY_SECONDS: ")


def test_a_list_of_waits_may_not_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_EMAIL_MESSAGE_RETRY_SECONDS", "")
    assert [text.split(":")[0] for text in mistakes()] == ["NOTIFICATIONS_EMAIL_MESSAGE_RETRY_SECONDS"]


def test_settings_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_NOTIFICATION_SMS_SEND_WINDOW_START_HOUR", "18")
    assert "sms_send_window_start_hour must be before" in mistakes()[0]


def test_a_value_that_should_be_json_and_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_EMAIL_SENDER_DOMAINS", "ttd.no")
    assert mistakes() == ["NOTIFICATIONS_EMAIL_SENDER_DOMAINS: is not JSON"]


def test_a_misspelt_name_is_refused_and_the_right_one_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_SMS_GATWAY_USERNAME", "x")
    expected = "NOTIFICATIONS_SMS_GATWAY_USERNAME: there is no such setting; did you mean "
    assert mistakes() == [expected + "NOTIFICATIONS_SMS_GATEWAY_USERNAME?"]


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_SMS_GATEWAY_PASSWORD", "hunter2")
    monkeypatch.setenv("NOTIFICATIONS_DATABASE_URL", "postgresql://user:hunter2@db/notifications")
    settings = {setting.variable: setting.value for setting in all_settings(read_settings(os.environ))}
    assert settings["NOTIFICATIONS_SMS_GATEWAY_PASSWORD"] == HIDDEN
    assert "hunter2" not in str(settings)
    monkeypatch.setenv("NOTIFICATIONS_SMS_PORT", "1")
    monkeypatch.setenv("NOTIFICATIONS_SMS_GATEWAY_TIMEOUT_SECONDS", "long")
    assert "hunter2" not in str(mistakes())


def test_local_addresses_follow_the_ports_unless_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_PORT", "6001")
    monkeypatch.setenv("NOTIFICATIONS_SIMULATOR_PORT", "6002")
    monkeypatch.setenv("NOTIFICATIONS_SIMULATOR_SMTP_PORT", "6003")
    monkeypatch.setenv("NOTIFICATIONS_SMS_GATEWAY_ENDPOINT", "http://gateway.example/")
    settings = read_settings(os.environ)
    assert settings.general.base_uri == "http://localhost:6001"
    assert settings.simulator.service_url == "http://localhost:6001"
    assert settings.authentication.openid_base_url == "http://localhost:6002/authentication/api/v1/openid/"
    assert settings.email.smtp_port == 6003
    assert settings.sms.gateway_endpoint == "http://gateway.example/"


def test_outside_the_local_environment_no_address_follows_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS_ENVIRONMENT", "test")
    monkeypatch.setenv("NOTIFICATIONS_PORT", "6001")
    assert read_settings(os.environ).general.base_uri == "http://localhost:5090"
