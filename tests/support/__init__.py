"""Real servers for the tests, and guards that confine a test to this machine."""
