"""What the counter of applied reports tells, and what it does not (spec 09, 10)."""

from __future__ import annotations

from prometheus_client import REGISTRY

from altinn_notifications.reports.telemetry import MOST_SERIES, ReportTags, count_report, tags_of

DETAILED = {
    "sender": "sender@example.com",
    "recipient": "kari@example.no",
    "messageId": "m",
    "status": "Bounced",
    "deliveryStatusDetails": {
        "statusMessage": "550 KARI@example.no does not exist, says sender@example.com to post@other.no",
        "recipientMailServerHostName": "mx.example.no",
    },
}


def test_addresses_are_masked_in_the_tags_and_inside_the_status_message() -> None:
    assert tags_of("Email", "Failed_Bounced", DETAILED) == ReportTags(
        "email",
        "Failed_Bounced",
        "Bounced",
        "550 ka***@example.no does not exist, says se***@example.com to post@other.no",
        "mx.example.no",
        "se***@example.com",
        "ka***@example.no",
    )


def test_what_a_report_does_not_say_is_empty() -> None:
    assert tags_of("Email", "Delivered", {"messageId": "m", "status": "Delivered"}) == ReportTags(
        "email", "Delivered", "Delivered"
    )
    assert tags_of("Email", "Failed", {"status": None, "deliveryStatusDetails": "odd", "sender": 7}) == ReportTags(
        "email", "Failed"
    )


def test_a_bounce_tells_what_the_server_said() -> None:
    bounce = {
        "recipient": "kari@example.no",
        "status": "5.1.1",
        "diagnosticCode": "550 kari@example.no",
        "remoteMta": "mx",
    }
    tags = tags_of("Email", "Failed_Bounced", bounce)
    assert (tags.status_message, tags.recipient_mail_server) == ("550 ka***@example.no", "mx")


def test_an_sms_tells_its_result_and_no_number() -> None:
    tags = tags_of("Sms", "Delivered", {"receiver": "4799999001", "state": "DELIVRD"})
    assert tags == ReportTags("sms", "Delivered")


def test_however_many_different_reports_come_the_series_have_an_end() -> None:
    for number in range(MOST_SERIES + 50):
        report = {"status": "Bounced", "deliveryStatusDetails": {"statusMessage": f"queue id {number}"}}
        count_report("Email", "Failed_Bounced", report)
    samples = [
        sample
        for metric in REGISTRY.collect()
        if metric.name == "delivery_report_status"
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["email_status"] == "Bounced"
    ]
    assert len(samples) <= MOST_SERIES + 1
    assert sum(sample.value for sample in samples) >= MOST_SERIES + 50
