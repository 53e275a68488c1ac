"""Registration of orders: what was ordered, the rules it must keep, idempotency, storage."""
