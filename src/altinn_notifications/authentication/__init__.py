"""Who is calling: the one place that parses tokens (spec 11)."""
