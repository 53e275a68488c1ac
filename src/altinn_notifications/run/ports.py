"""Whether the ports are free, and if not, who has them."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from altinn_notifications.settings import Settings


@dataclass(frozen=True, slots=True)
class Port:
    """A port that one of our processes will listen on, and the variable that moves it."""

    host: str
    number: int
    purpose: str
    variable: str


def of_api(settings: Settings) -> list[Port]:
    """What an API process listens on."""
    return [Port(settings.general.host, settings.general.port, "the API", "NOTIFICATIONS_PORT")]


def of_simulator(settings: Settings) -> list[Port]:
    """What the local platform listens on."""
    simulator = settings.simulator
    return [
        Port(simulator.host, simulator.port, "the local platform", "NOTIFICATIONS_SIMULATOR_PORT"),
        Port(simulator.host, simulator.smtp_port, "the local mailbox", "NOTIFICATIONS_SIMULATOR_SMTP_PORT"),
    ]


def obstacles(ports: list[Port]) -> list[str]:
    """Why we cannot listen on some of the ports and what to do about it; empty when we can."""
    return [text for port in ports if (text := obstacle(port))]


def obstacle(port: Port) -> str | None:
    """Why we cannot listen on the port and what to do about it, or None when we can."""
    try:
        with socket.create_server((port.host, port.number)):
            return None
    except OSError as error:
        return f"Port {port.number}, for {port.purpose}, {_reason(port, error)}. {_advice(port)}"


def _reason(port: Port, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"is in use{_user(port.number)}"
    if error.errno == errno.EACCES:
        return "may not be used by this account"
    return f"cannot be used on {port.host} ({error.strerror})"


def _advice(port: Port) -> str:
    return f"Free it, or choose another one with {port.variable}"


def _user(number: int) -> str:
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address = (*connection.laddr, None, None)  # empty for a socket without one
            if connection.status == psutil.CONN_LISTEN and address[1] == number and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {_name(process)} (process {process.pid})"
    return " by another program"


def _name(process: psutil.Process) -> str:
    ours = any(
        "altinn_notifications" in argument or "altinn-notifications" in argument for argument in process.cmdline()
    )
    return "Altinn Notifications itself" if ours else process.name()
