"""Notifications become provider calls, in claimed batches (spec 08, 10)."""
