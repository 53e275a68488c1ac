from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from altinn_notifications.lifecycle import Channel, EmailResult, OrderStatus, SmsResult
from altinn_notifications.tracking.status import exposed_order_status, exposed_result


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_status_is_shown_with_its_prefix(status: OrderStatus) -> None:
    assert exposed_order_status(status) == f"Order_{status}"


@pytest.mark.parametrize(
    "result", sorted(set(EmailResult) - {EmailResult.INVALID_EMAIL_FORMAT, EmailResult.SUPPRESSED_RECIPIENT})
)
def test_an_email_result_is_shown_with_its_prefix(result: EmailResult) -> None:
    assert exposed_result(Channel.EMAIL, result) == f"Email_{result}"


@pytest.mark.parametrize("result", SmsResult)
def test_an_sms_result_is_shown_with_its_prefix_in_capitals(result: SmsResult) -> None:
    assert exposed_result(Channel.SMS, result) == f"SMS_{result}"


@pytest.mark.parametrize(
    ("channel", "stored", "shown"),
    [
        (Channel.EMAIL, "Failed_InvalidEmailFormat", "Email_Failed_InvalidFormat"),
        (Channel.EMAIL, "Failed_SupressedRecipient", "Email_Failed_SuppressedRecipient"),
        (Channel.SMS, "Failed_InvalidReceiver", "SMS_Failed_InvalidRecipient"),
    ],
)
def test_three_spellings_are_corrected(channel: Channel, stored: str, shown: str) -> None:
    assert exposed_result(channel, stored) == shown


def test_stored_words_are_matched_in_any_letter_case() -> None:
    assert exposed_order_status("SENDCONDITIONNOTMET") == "Order_SendConditionNotMet"
    assert exposed_result(Channel.SMS, "failed_ttl") == "SMS_Failed_TTL"


@pytest.mark.parametrize(("channel", "shown"), [(Channel.EMAIL, "Email_Failed"), (Channel.SMS, "SMS_Failed")])
def test_a_result_that_nobody_knows_is_logged_and_shown_as_an_unspecified_failure(channel: Channel, shown: str) -> None:
    with capture_logs() as logged:
        assert exposed_result(channel, "Failed_Moonlight") == shown
    assert [entry["event"] for entry in logged] == ["unknown_notification_result"]


def test_an_order_status_that_nobody_knows_is_logged_and_shown_as_unfinished() -> None:
    with capture_logs() as logged:
        assert exposed_order_status("Dreaming") == "Order_Processing"
    assert [entry["event"] for entry in logged] == ["unknown_order_status"]


def test_the_vocabulary_has_the_size_that_clients_generate_code_for() -> None:
    assert (len(OrderStatus), len(SmsResult), len(EmailResult)) == (6, 14, 16)
