"""What docs/deploy ships, run: the proxy, the units' promises, the accounts."""
