"""The documentation for integrators: every command and every snippet does what its page says.

A page's shell blocks run one after the other in one shell, against a local platform of the test's own. A block after
`<!-- fails -->` must fail, a Python block after `<!-- file: NAME -->` becomes that file, and a JSON block after a shell
block has the shape of what that block printed last.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.api.errors import ERRORS
from altinn_notifications.app import published_document
from altinn_notifications.channels import magic
from altinn_notifications.lifecycle import PENDING_RESULTS, Channel, EmailResult, OrderStatus, SmsResult
from altinn_notifications.simulator.seed import persons_at
from altinn_notifications.tracking.status import exposed_order_status, exposed_result
from support import status_table
from support.run import SECONDS, Run, prepared_run
from support.times import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    "README.md",
    "docs/integrating.md",
    "docs/testing.md",
    *(f"docs/guides/{page.name}" for page in sorted(DOCS.glob("guides/*.md"))),
]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
MARK = "--- end of block {} ---"
STRICT_CURL = """
curl() { command curl --fail-with-body "$@"; }
python3() { "$PYTHON" "$@"; }
"""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, and the note in front of it."""

    language: str
    text: str
    note: str


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [Block(one["language"], one["text"], one["note"] or "") for one in BLOCK.finditer(text)]
    return [block for block in found if not block.text.startswith("make ")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with prepared_run(tmp_path_factory.mktemp("guides")) as prepared:
        prepared.start()
        yield prepared


def moved(text: str, run: Run) -> str:
    """The text with the addresses that this run has."""
    port = run.addresses.api.rpartition(":")[2]
    text = text.replace("http://localhost:5101", run.addresses.platform)
    return text.replace("localhost:5090", f"localhost:{port}").replace(
        ".venv/bin/altinn-notifications", '"$PYTHON" -m altinn_notifications'
    )


def script_of(blocks: list[Block], run: Run) -> str:
    """One shell script that runs a page's blocks and says after each that it is done."""
    lines = ["set -euo pipefail", STRICT_CURL]
    for number, block in enumerate(blocks):
        text = moved(block.text, run)
        if block.language == "python" and block.note.startswith("file: "):
            lines += [f"cat > {block.note.removeprefix('file: ')} <<'END_OF_FILE'", text.rstrip(), "END_OF_FILE"]
        elif block.language == "sh" and block.note == "fails":
            lines += [
                f"if (\n{text}\n); then echo 'this should have failed' >&2; exit 1; fi",
                f"echo; echo '{MARK.format(number)}'",
            ]
        elif block.language == "sh":
            lines += [text, f"echo; echo '{MARK.format(number)}'"]
    return "\n".join(lines)


def printed(output: str, number: int) -> str:
    """What the block of this number printed."""
    before, _, _ = output.partition(MARK.format(number))
    return before.rpartition(" ---\n")[2]


def last_json(text: str) -> Any:
    """The last JSON value in what was printed."""
    decoder, found, position = json.JSONDecoder(), None, 0
    while (
        start := min((at for at in (text.find("{", position), text.find("[", position)) if at >= 0), default=-1)
    ) >= 0:
        try:
            found, position = decoder.raw_decode(text, start)
        except ValueError:
            position = start + 1
    return found


def assert_same_shape(shown: Any, real: Any, path: str = "$") -> None:
    """What is shown is there, in the same form; statuses are the same word for word."""
    assert type(shown) is type(real), path
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert name in real, f"{path}.{name}"
            assert_same_shape(value, real[name], f"{path}.{name}")
    elif isinstance(shown, list) and shown:
        assert real, path
        assert_same_shape(shown[0], real[0], f"{path}[0]")
    elif path.endswith(("status", "errorCode", "type")):
        assert shown == real, path


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_does_what_its_page_says(run: Run, page: str, tmp_path: Path) -> None:
    blocks = blocks_of(page)
    environment = {**run.environment, "PYTHON": sys.executable}
    result = subprocess.run(
        ["/bin/bash", "-c", script_of(blocks, run)],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=tmp_path,
        env=environment,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    for number, block in enumerate(blocks):
        if block.language == "json" and number and blocks[number - 1].language == "sh":
            assert_same_shape(json.loads(block.text), last_json(printed(result.stdout, number - 1)))
        elif block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_is_in_a_language_that_is_tried(page: str) -> None:
    for block in blocks_of(page):
        assert block.language in {"sh", "json"} or block.note.startswith("file: "), block.text


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_reference_lists_every_public_endpoint() -> None:
    listed = set(re.findall(r"`(GET|POST|PUT) (/\S+)`", (DOCS / "reference.md").read_text(encoding="utf-8")))
    paths = published_document()["paths"]
    assert listed == {(method.upper(), path) for path, operations in paths.items() for method in operations}


def every_status() -> set[str]:
    words = {exposed_order_status(status) for status in OrderStatus}
    words |= {exposed_result(Channel.EMAIL, result) for result in EmailResult}
    return words | {exposed_result(Channel.SMS, result) for result in SmsResult}


def test_the_page_of_statuses_lists_each_of_them() -> None:
    text = (DOCS / "statuses.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`((?:Order|Email|SMS)_\w+)`", text)) == every_status()


def test_the_page_of_errors_has_a_section_for_each() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.MULTILINE) == [error.name for error in ERRORS]


def test_the_table_of_the_testing_page_has_a_way_to_every_status() -> None:
    table = status_table.rows()
    assert {row.status for row in table} == every_status()
    nobody = [row.status for row in table if not (row.recipients or row.persons)]
    assert nobody == ["Email_Failed_TransientError"]  # it is never stored


def simulated() -> Iterator[tuple[str, Channel, magic.EmailPlan | magic.SmsPlan]]:
    """Whoever decides what becomes of a message, as the table writes them."""
    yield from ((f"{word}@…", Channel.EMAIL, plan) for word, plan in magic.EMAIL_WORDS.items())
    yield from ((address, Channel.EMAIL, plan) for address, plan in magic.EMAIL_ADDRESSES.items())
    yield from ((f"…{ending}", Channel.SMS, plan) for ending, plan in magic.SMS_ENDINGS.items())
    yield from ((number, Channel.SMS, plan) for number, plan in magic.SMS_NUMBERS.items())


@pytest.mark.parametrize(("who", "channel", "plan"), list(simulated()), ids=[who for who, _, _ in simulated()])
def test_every_simulated_recipient_stands_beside_the_statuses_it_leads_to(
    who: str, channel: Channel, plan: magic.EmailPlan | magic.SmsPlan
) -> None:
    words = re.findall(r"\b(?:Accepted|Delivered|Sending|Succeeded|Failed\w*)\b", plan.ends_as)
    expected = {exposed_result(channel, word) for word in words}
    listed = [row for row in status_table.rows() if who in row.recipients and row.channel != "Order"]
    pending = {exposed_result(channel, result) for result in PENDING_RESULTS[channel]}
    assert expected <= {row.status for row in listed} <= expected | pending
    for condition in re.findall(r"after .*", plan.ends_as):
        assert condition in {row.how for row in listed}


def test_the_table_names_simulated_recipients_and_persons_of_the_seed_only() -> None:
    named = {who for row in status_table.rows() for who in row.everybody}
    assert named <= {who for who, _, _ in simulated()} | {person.number for person in persons_at(NOON)}


def test_every_person_with_an_ending_is_in_the_table() -> None:
    named = {who for row in status_table.rows() for who in row.persons}
    endings = [person.number for person in persons_at(NOON) if person.email and "+p" in person.email.address]
    assert len(endings) == 10
    assert named >= set(endings)
