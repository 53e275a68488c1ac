"""Email providers (spec 09)."""
