"""The counters of this process (spec 07, 4.2 and spec 08, 10.4); `/metrics` shows them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

PROVIDER_OUTCOME_UNKNOWN: Final = Counter(
    "provider_outcome_unknown", "Provider calls of which nobody knows whether they reached the provider", ["channel"]
)
DELIVERY_REPORT_STATUS: Final = Counter(
    "delivery_report_status",
    "Delivery reports applied to a notification; addresses are masked",
    [
        "channel",
        "result",
        "email_status",
        "email_status_message",
        "email_recipient_mail_server",
        "email_sender",
        "email_recipient",
    ],
)
REQUEST_SECONDS: Final = Histogram(
    "http_request_duration_seconds",
    "Time from the arrival of a request's head to its answer; method and path are empty for paths nobody serves",
    ["method", "path", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
