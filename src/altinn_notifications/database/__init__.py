"""PostgreSQL: pool, migrations, wake-ups, the embedded server."""
