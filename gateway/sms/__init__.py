"""SMS: inbox for the time without Redis, outbox, delivery reports, opt-outs, idempotency keys."""
