"""The files of docs/deploy in use: the proxy, the units, the accounts."""
