"""Real servers for the tests, and what keeps a test from reaching further than this machine."""
