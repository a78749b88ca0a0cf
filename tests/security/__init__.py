"""Attempts of attackers, and what strangers may learn. test_statements.py maps each statement to its tests."""
