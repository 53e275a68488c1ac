"""The HTTP edge: authenticate, read, answer. No SQL and no rules live here."""
