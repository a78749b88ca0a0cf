"""Against the real bearerbox, smsbox and fakesmsc; skipped, and saying why, where they are not installed."""
