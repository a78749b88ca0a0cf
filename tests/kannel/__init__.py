"""Tests with the real bearerbox, smsbox and fakesmsc; skipped with a reason if they are not installed."""
