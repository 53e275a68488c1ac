"""What holds for the whole project rather than for a part of it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from altinn_notifications import __version__
from altinn_notifications.cli.configuration import Setting, all_settings
from altinn_notifications.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "altinn_notifications"
LOCKS = ("requirements.lock", "requirements-dev.lock")
TEXT = {".py", ".md", ".sql", ".toml", ".html", ".css", ".yml", ".yaml", ".lock", ".sh", ""}
ROW = re.compile(r"^\| `NOTIFICATIONS_.*\|$", re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.\"'`/:<])/(?:home|root|Users|work)/\w")


def project_files() -> list[Path]:
    listed = subprocess.run(  # what git would keep: tracked, or new and not ignored
        ["/usr/bin/env", "git", "ls-files", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    return [path for name in listed.splitlines() if (path := ROOT / name).is_file()]


def row_of(setting: Setting) -> str:
    return f"| `{setting.variable}` | `{setting.default}` | {setting.meaning} |"


def test_the_settings_page_lists_every_setting_and_no_other() -> None:
    documented = ROW.findall((ROOT / "docs" / "settings.md").read_text())
    assert sorted(documented) == sorted(row_of(setting) for setting in all_settings(Settings()))


@pytest.mark.parametrize("setting", list(all_settings(Settings())), ids=lambda setting: setting.variable)
def test_every_setting_has_a_meaning_and_is_read(setting: Setting) -> None:
    assert setting.meaning
    declarations = {*(SOURCE / "settings").iterdir(), SOURCE / "cli" / "configuration.py"}
    readers = set(SOURCE.rglob("*.py")) - declarations
    assert any(re.search(rf"\.{setting.name}\b", path.read_text()) for path in readers)


def test_no_file_names_a_path_of_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in project_files()
        if path.suffix in TEXT and (match := MACHINE_PATH.search(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_versions_and_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*\\\n    --hash=sha256:", text) for text in requirements)


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    runtime = [*project["project"]["dependencies"], *project["dependency-groups"]["build"], *extras["exports"]]
    wanted = dict(zip(LOCKS, (runtime, extras["dev"]), strict=True))
    for lock, requirements in wanted.items():
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
        assert {re.split(r"[\[>=<~! ;]", name)[0] for name in requirements} - locked == set()


def test_both_lock_files_agree_on_every_version() -> None:
    runtime, development = (set(re.findall(r"^(\S+==\S+)", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS)
    assert runtime - development == set()


def test_the_changelog_has_the_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_link_between_pages_leads_to_a_file() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_file_of_source_is_short_enough_to_read() -> None:
    assert [path.name for path in SOURCE.rglob("*.py") if len(path.read_text().splitlines()) > 420] == []
