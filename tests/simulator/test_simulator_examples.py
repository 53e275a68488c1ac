"""The commands of the start page: what they ask for must be right (spec 13, 17)."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import jwt
import pytest

from altinn_notifications.api.future_orders import read_order
from altinn_notifications.api.router import API
from altinn_notifications.app import routes
from altinn_notifications.simulator.examples import Example, Examples
from support.times import NOON
from support.world import a_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.service import Service

SHELL = "/bin/bash"
EXAMPLES = Examples("http://localhost:5101", "http://localhost:5090", "the-key")


def every_example() -> list[Example]:
    return [*EXAMPLES.first(), *(example for topic in EXAMPLES.topics() for example in topic.examples)]


def curls(command: str) -> Iterator[list[str]]:
    """The words of each `curl` in a command, with what the shell would fill in left as it stands."""
    for found in re.findall(r"curl (.*?)(?:\)\n|\)$|\n(?=curl|SHIPMENT|echo)|$)", command, re.DOTALL):
        yield shlex.split(found.replace("\\\n", " ").replace("$(date +%s)$RANDOM", "1"))


def url_in(words: list[str]) -> str:
    return next(word for word in words if word.startswith("http"))


def method_of(words: list[str]) -> str:
    if "-X" in words:
        return words[words.index("-X") + 1]
    return "POST" if "-d" in words else "GET"


@pytest.mark.parametrize("example", every_example(), ids=lambda example: example.title)
def test_the_shell_understands_every_command(example: Example) -> None:
    assert subprocess.run([SHELL, "-n"], input=example.command.encode(), check=False).returncode == 0


def test_titles_are_said_once_and_every_topic_has_commands() -> None:
    titles = [example.title for example in every_example()]
    assert len(set(titles)) == len(titles)
    assert all(topic.examples for topic in EXAMPLES.topics())


@pytest.mark.parametrize("example", every_example(), ids=lambda example: example.title)
def test_every_body_is_what_the_endpoint_takes(example: Example) -> None:
    for words in curls(example.command):
        url = url_in(words)
        body = words[words.index("-d") + 1] if "-d" in words else None
        if url.endswith("/future/orders"):
            assert read_order((body or "").encode(), now=NOON).recipient
        elif body is not None:
            json.loads(body)


async def test_every_path_of_the_service_is_served(service: Service) -> None:
    served = {
        (one.method, re.sub(r"\{[^}]+\}", "$SHIPMENT", one.path)) for one in routes(service.services.settings.general)
    }
    for words in (words for example in every_example() for words in curls(example.command)):
        path = urlsplit(url_in(words)).path
        if path.startswith(API):
            assert (method_of(words), path) in served


async def test_the_way_through_maskinporten_leads_to_a_token_of_the_owner() -> None:
    async with a_world() as world:
        (command,) = [
            example.command
            for topic in Examples(world.url, "http://localhost:5090").topics()
            for example in topic.examples
            if "Maskinporten" in example.title
        ]
        script = command.replace("$(python -", f"$({shlex.quote(sys.executable)} -") + '\necho "$TOKEN"'
        process = await asyncio.create_subprocess_exec(SHELL, "-c", script, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    claims = jwt.decode(output.decode().strip(), options={"verify_signature": False})
    assert claims["urn:altinn:org"] == "ttd"
