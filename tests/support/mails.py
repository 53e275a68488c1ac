"""Mail that comes back: delivery status notifications as mail servers write them, and other automatic mail."""

from __future__ import annotations

from support.emails import OPERATION_ID


def a_dsn(  # one argument per field that a test may change; None leaves it out
    *,
    to: str = "noreply@altinn.cloud",
    envelope_id: str | None = str(OPERATION_ID),
    action: str | None = "failed",
    status: str | None = "5.1.1",
    diagnostic: str | None = "smtp; 550 5.1.1 no\r\n such user",
    recipient: str = "rfc822; kari@example.com",
    remote_mta: str | None = "dns; mx.example.com",
    last_attempt: str | None = "Mon, 2 Mar 2026 12:00:00 +0000",
    returned_id: str | None = str(OPERATION_ID),
    returned_message_id: str | None = f"<{OPERATION_ID}@altinn.cloud>",
    status_type: str = "message/delivery-status",
    returned_type: str = "message/rfc822",
) -> bytes:
    """A report about one mail by its relay."""
    per_message = _fields({"Reporting-MTA": "dns; relay.altinn.cloud", "Original-Envelope-Id": envelope_id})
    per_recipient = _fields(
        {
            "Final-Recipient": recipient,
            "Action": action,
            "Status": status,
            "Remote-MTA": remote_mta,
            "Diagnostic-Code": diagnostic,
            "Last-Attempt-Date": last_attempt,
        }
    )
    returned = _fields(
        {"Subject": "Hei", "X-Notification-Operation-Id": returned_id, "Message-ID": returned_message_id}
    )
    head = _fields(
        {
            "From": "MAILER-DAEMON@relay.altinn.cloud",
            "To": to,
            "Auto-Submitted": "auto-replied",
            "MIME-Version": "1.0",
            "Content-Type": 'multipart/report; report-type=delivery-status;\r\n boundary="b"',
        }
    )
    return (
        f"{head}\r\n--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        f"--b\r\nContent-Type: {returned_type}\r\n\r\n{returned}\r\n"
        f"--b\r\nContent-Type: {status_type}\r\n\r\n{per_message}\r\n{per_recipient}\r\n--b--\r\n"
    ).encode()


def an_automatic_reply() -> bytes:
    """An out-of-office answer."""
    return (
        b"From: kari@example.com\r\nAuto-Submitted: auto-replied (vacation)\r\nSubject: Borte\r\n\r\nJeg er borte.\r\n"
    )


def _fields(values: dict[str, str | None]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in values.items() if value is not None)
