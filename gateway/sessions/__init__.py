"""Sessions in Redis: sealed, short-lived, and written only over the version that was read."""
