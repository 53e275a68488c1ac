"""The counters of this process (spec 07, 4.2 and spec 08, 10.4); `/metrics` shows them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

PROVIDER_OUTCOME_UNKNOWN: Final = Counter(
    "provider_outcome_unknown", "Provider calls of which nobody knows whether they reached the provider", ["channel"]
)
DELIVERY_REPORT_STATUS: Final = Counter(
    "delivery_report_status", "Delivery reports applied to a notification", ["channel", "result"]
)
