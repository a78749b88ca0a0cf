"""TCP ports of 127.0.0.1."""

from __future__ import annotations

import socket


def is_free(port: int) -> bool:
    """Nobody listens on it. One that was closed a moment ago is free, as for gunicorn."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """One on which nobody listens now, as the kernel gives it."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])
