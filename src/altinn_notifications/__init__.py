"""Altinn Notifications: one-way messages from public agencies to citizens and businesses."""

__version__ = "0.1.0"
