"""Background work of a web process: housekeeping, country reload, statistics, the event loop's thread."""
