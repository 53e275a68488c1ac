"""`altinn-notifications run`: database, API, worker and local platform in one terminal."""
