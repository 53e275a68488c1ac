"""Write the parts of the documentation that the code knows best: docs/openapi.json and docs/errors.md."""

from __future__ import annotations

from pathlib import Path

from altinn_notifications.api.errors import as_markdown
from altinn_notifications.api.problems import to_json
from altinn_notifications.app import published_document

DOCS = Path(__file__).parent.parent / "docs"


def written() -> dict[str, str]:
    """The files by name, as they have to be."""
    return {"openapi.json": f"{to_json(published_document()).decode()}\n", "errors.md": as_markdown()}


if __name__ == "__main__":
    for name, text in written().items():
        (DOCS / name).write_text(text, encoding="utf-8")
