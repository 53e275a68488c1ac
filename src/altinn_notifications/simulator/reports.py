"""The two kinds of delivery report as their providers post them (spec 09, 7.1 and spec 10, 7.3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import httpx

from altinn_notifications.timestamps import to_wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from altinn_notifications.settings import EmailSettings, SmsSettings
    from altinn_notifications.simulator.outbox import Report

_EVENT_TYPE: Final = "Microsoft.Communication.EmailDeliveryReportReceived"
_TOPIC: Final = "/subscriptions/simulator/providers/microsoft.communication/communicationservices/simulator"
_GATEWAY_ZONE: Final = ZoneInfo("Europe/Oslo")


class EventGrid:
    """Posts email reports as Event Grid does: a JSON array of events to the webhook with its access key."""

    def __init__(self, service_url: str, settings: EmailSettings) -> None:
        key = settings.report_access_key
        self._url = httpx.URL(
            f"{service_url.rstrip('/')}/notifications/email/api/v1/reports",
            params={"accesskey": key.get_secret_value() if key else ""},
        )

    def request(self, reports: Sequence[Report], now: datetime) -> httpx.Request:
        """One POST with an event per report. Source: spec 09, 7.1 and 7.4."""
        content = json.dumps([_event(report, now) for report in reports])
        return httpx.Request("POST", self._url, content=content, headers={"Content-Type": "application/json"})


def _event(report: Report, now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "topic": _TOPIC,
        "subject": f"sender/{report.sender}/message/{report.reference}",
        "eventType": _EVENT_TYPE,
        "eventTime": to_wire(now),
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "data": {
            "sender": report.sender,
            "recipient": report.recipient,
            "messageId": report.reference,
            "status": report.state,
            "deliveryStatusDetails": {
                "statusMessage": "Chosen by the recipient's address in the simulator",
                "recipientMailServerHostName": "localhost",
            },
            "deliveryAttemptTimeStamp": to_wire(report.due_at),
        },
    }


class GatewayCallback:
    """Posts SMS reports as LINK Mobility's gateway does: an XML list with Basic authentication."""

    def __init__(self, service_url: str, settings: SmsSettings) -> None:
        self._url = httpx.URL(f"{service_url.rstrip('/')}/notifications/sms/api/v1/reports")
        self._auth = httpx.BasicAuth(settings.report_username, settings.report_password.get_secret_value())

    def request(self, reports: Sequence[Report], now: datetime) -> httpx.Request:
        """One POST with a `MSG` per report. Source: spec 10, 7.2 and 7.3."""
        delivered = now.astimezone(_GATEWAY_ZONE).strftime("%Y.%m.%d %H:%M:%S")
        messages = "".join(_message(number, report, delivered) for number, report in enumerate(reports, start=1))
        content = (
            '<?xml version="1.0"?>\n<!DOCTYPE MSGLST SYSTEM "pswincom_report_request.dtd">\n'
            f"<MSGLST>{messages}</MSGLST>"
        )
        request = httpx.Request("POST", self._url, content=content, headers={"Content-Type": "application/xml"})
        return next(self._auth.auth_flow(request))


def _message(number: int, report: Report, delivered: str) -> str:
    return (
        f"<MSG><ID>{number}</ID><REF>{escape(report.reference)}</REF><RCV>{report.recipient.removeprefix('+')}</RCV>"
        f"<STATE>{escape(report.state)}</STATE><DELIVERYTIME>{delivered}</DELIVERYTIME></MSG>"
    )
