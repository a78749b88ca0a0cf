"""TCP ports of 127.0.0.1."""

from __future__ import annotations

import errno
import socket


def is_free(port: int) -> bool:
    """Return whether a server can listen on the port. One that was closed a moment ago is free, as for gunicorn."""
    return listen_error(port) is None


def listen_error(port: int) -> OSError | None:
    """Return the error of listening on the port, such as EADDRINUSE or EACCES; None if it is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None


def is_permission_error(error: OSError) -> bool:
    """Return whether the account lacks the right to listen, as for ports below 1024. Waiting does not help then."""
    return error.errno in (errno.EACCES, errno.EPERM)


def free_port() -> int:
    """Return a port that is free now, chosen by the kernel."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
