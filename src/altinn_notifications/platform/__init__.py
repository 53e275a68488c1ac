"""Clients of the platform's registers and of the callers' own endpoints (spec 12)."""
