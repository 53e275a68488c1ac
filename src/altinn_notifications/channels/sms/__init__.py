"""SMS providers (spec 10)."""
