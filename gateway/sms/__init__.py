"""SMS: the inbox while Redis is unavailable, the outbox, receipts, opt-outs, answers of the on-call phone."""
