"""Background work of a web process, on its own event loop and thread."""
