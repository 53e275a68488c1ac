"""The table `attachment_links`: where the files of composed emails are, until their orders have ended (spec 04, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from altinn_notifications.database.pool import Connection

ERASE: Final = "DELETE FROM attachment_links WHERE order_id = ANY($1::uuid[])"


async def erase_links(connection: Connection, order_ids: Collection[UUID]) -> None:
    """Forget where the attachments of ended orders are. Part of the caller's transaction."""
    if order_ids:
        await connection.execute(ERASE, sorted(order_ids))
