"""The command line."""

from altinn_notifications.cli.commands import main

__all__ = ["main"]
