"""What `run` says when everything is ready: where to look, and commands to paste that show a message arriving."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from altinn_notifications.run.profile import has_simulator

if TYPE_CHECKING:
    from rich.console import Console

    from altinn_notifications.settings import Settings

SCOPE: Final = "altinn:serviceowner/notifications.create"
TOKEN_PATH: Final = f"/api/GetEnterpriseToken?scopes={SCOPE}&org=ttd"
ORDERS_PATH: Final = "/notifications/api/v1/future/orders"
SHIPMENT_PATH: Final = "/notifications/api/v1/future/shipment"
EMAIL: Final[dict[str, Any]] = {
    "recipientEmail": {
        "emailAddress": "kari@epost.example",
        "emailSettings": {"subject": "Hello", "body": "You have a new letter in Altinn."},
    }
}
SMS: Final[dict[str, Any]] = {
    "recipientSms": {
        "phoneNumber": "+4799999001",
        "smsSettings": {"body": "You have a new letter in Altinn.", "sendingTimePolicy": "Anytime"},
    }
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the processes of this run answer."""

    api: str
    platform: str

    @classmethod
    def of(cls, settings: Settings) -> Addresses:
        """The addresses as a browser on this machine writes them."""
        return cls(f"http://localhost:{settings.general.port}", f"http://localhost:{settings.simulator.port}")


def commands(addresses: Addresses, *, curl: bool) -> list[tuple[str, str]]:
    """Titles and shell commands: token, email, SMS, status. Without curl they use Python, which is there."""
    fetch = _curl if curl else _python
    token = f"TOKEN=$({fetch(addresses.platform + TOKEN_PATH)})"
    status = fetch(addresses.api + SHIPMENT_PATH, "/$id", with_token=True)
    read = f"sleep 4; for id in $EMAIL $SMS; do {status}; echo; done"
    return [
        ("Get a token", token),
        ("Send an email", _order("EMAIL", fetch, addresses, EMAIL)),
        ("Send an SMS", _order("SMS", fetch, addresses, SMS)),
        ("Read their status, which ends as Delivered", read),
    ]


def show(console: Console, settings: Settings, *, command: str, curl: bool) -> None:
    """Print the whole message. `command` is how this program is called from where the user stands."""
    addresses = Addresses.of(settings)
    console.print(_panel(settings, addresses))
    for text in _to_paste(addresses, command, settings, curl=curl):
        console.print(text, soft_wrap=True)  # a line that is broken to the window's width cannot be pasted


def _panel(settings: Settings, addresses: Addresses) -> Panel:
    places = Table.grid(padding=(0, 3))
    if settings.general.console:
        places.add_row("Console", Text(f"{addresses.api}/", style="bold cyan"))
    if has_simulator(settings):
        places.add_row("Mailbox", Text(f"{addresses.platform}/sim/mailbox", style="cyan"))
        places.add_row("Phones", Text(f"{addresses.platform}/sim/phones", style="cyan"))
        places.add_row("Local platform", Text(f"{addresses.platform}/", style="cyan"))
    places.add_row("API", Text(f"{addresses.api}/notifications/api/v1", style="cyan"))
    return Panel(places, title="Altinn Notifications is ready", border_style="green", expand=False, padding=(1, 2))


def _to_paste(addresses: Addresses, command: str, settings: Settings, *, curl: bool) -> list[Text]:
    if not has_simulator(settings):
        return [Text("Ctrl-C stops everything.\n", style="dim")]
    parts = [Text("In another terminal, paste:\n", style="bold")]
    for title, line in commands(addresses, curl=curl):
        parts.append(Text(f"# {title}", style="green"))
        parts.append(Text(line + "\n"))
    parts.append(Text("# Or all of it in one command, and watch the status change", style="green"))
    parts.append(Text(f"{command} send email kari@epost.example"))
    parts.append(Text(f"{command} send sms +4799999001\n"))
    parts.append(Text("Ctrl-C stops everything.\n", style="dim"))
    return parts


def _order(variable: str, fetch: Any, addresses: Addresses, recipient: dict[str, Any]) -> str:
    body = json.dumps({"idempotencyId": f"{variable.lower()}-NOW", "recipient": recipient})
    quoted = shlex.quote(body).replace("NOW", "'$(date +%s)'")
    shipment = """sed 's/.*"shipmentId": *"\\([^"]*\\)".*/\\1/'"""
    call = fetch(addresses.api + ORDERS_PATH, with_token=True, body=quoted)
    return f"{variable}=$({call} | tr -d '\\n' | {shipment}); echo $" + variable


def _curl(address: str, rest: str = "", *, with_token: bool = False, body: str = "") -> str:
    parts = ["curl -sS", f"'{address}'{rest}"]
    if with_token:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if body:
        parts.append(f"-H 'Content-Type: application/json' -d {body}")
    return " ".join(parts)


def _python(address: str, rest: str = "", *, with_token: bool = False, body: str = "") -> str:
    headers = '"Authorization": "Bearer " + a[2], "Content-Type": "application/json"' if with_token else ""
    script = (
        "import sys, urllib.request as u; a = sys.argv; "
        f"r = u.Request(a[1], headers={{{headers}}}, data=a[3].encode() if a[3:] else None); "
        "print(u.urlopen(r).read().decode())"
    )
    token = '"$TOKEN"' if with_token else ""
    return " ".join(part for part in (f"python3 -c '{script}'", f"'{address}'{rest}", token, body) if part)
