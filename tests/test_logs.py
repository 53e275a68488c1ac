from __future__ import annotations

import json
import subprocess
import sys

from altinn_notifications.logs import place_of_exception

LOG_AN_ERROR = """
import logging, structlog
from altinn_notifications import logs
logs.configure("worker", form="json")
log = structlog.get_logger()
try:
    raise ValueError("12838530255")
except ValueError:
    log.exception("not_sent", notification_id="1")
log.debug("unimportant")
logging.getLogger("httpx").info("GET https://files.example/?sig=secret")
logging.getLogger("asyncio").error("slow")
"""


def look_up() -> None:
    raise KeyError("kari@epost.example")


def nested_error() -> Exception:
    try:
        look_up()
    except KeyError as error:
        outer = RuntimeError("no contact for kari@epost.example")
        outer.__cause__ = error
        return outer
    raise AssertionError


def test_an_exception_is_logged_with_its_place_and_without_its_message() -> None:
    event = place_of_exception(None, "error", {"event": "not_sent", "exc_info": nested_error()})
    assert "builtins.KeyError" in event["exception"]
    assert "builtins.RuntimeError" in event["exception"]
    assert "in look_up" in event["exception"]
    assert "kari" not in event["exception"]


def test_an_event_without_an_exception_stays_as_it_is() -> None:
    assert place_of_exception(None, "info", {"event": "sent"}) == {"event": "sent"}


def test_json_logs_name_the_process_and_keep_libraries_quiet() -> None:
    output = subprocess.run([sys.executable, "-c", LOG_AN_ERROR], check=True, capture_output=True, text=True).stderr
    ours, library = (json.loads(line) for line in output.splitlines())
    assert ours["event"] == "not_sent"
    assert ours["process"] == "worker"
    assert ours["notification_id"] == "1"
    assert library["event"] == "slow"
    assert "12838530255" not in output
    assert "secret" not in output
