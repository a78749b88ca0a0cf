"""What an attacker tries, and what a stranger may learn. test_statements.py knows which test shows which statement."""
