"""The local suppression list: addresses that are never written to (spec 09, 8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SuppressionListUnreadable(Exception):
    """The file cannot be read, so nobody knows whom not to write to."""


class SuppressionList:
    """The addresses in a file, one on each line; lines that begin with `#` are remarks. Read anew when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int] | None = None
        self._addresses: frozenset[str] = frozenset()

    def __contains__(self, address: str) -> bool:
        """Whether `address` is listed, in any letter case. Raises `SuppressionListUnreadable`."""
        try:
            self._follow()
        except (OSError, UnicodeDecodeError) as error:
            raise SuppressionListUnreadable from error
        return address.strip().lower() in self._addresses

    def _follow(self) -> None:
        status = self._path.stat()
        version = (status.st_mtime_ns, status.st_size)
        if version != self._version:
            lines = (line.strip().lower() for line in self._path.read_text(encoding="utf-8").splitlines())
            self._addresses = frozenset(line for line in lines if line and not line.startswith("#"))
            self._version = version
